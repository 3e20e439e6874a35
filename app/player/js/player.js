// The recursion player: one position drives every panel. All data arrive once; moving makes no server message.

const SHOWN_CLASSES = 5;
const MOVES_PER_SECOND = 2;
const PANEL_MAKERS = { glimpses: glimpsesPanel, equations: equationsPanel, memory: memoryPanel, attention: attentionPanel, attribution: attributionPanel, edits: editsPanel, cells: cellsPanel };

// `data` is what app/player/payload.py makes; `setStateValue(name, value)` tells Python what the learner chose.
function mountPlayer({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".player");
  root.vitrmLeave?.(); // the host calls again for new data without cleaning up after the last call
  const model = decode(data);
  // For new data, another image say, the learner's place and choices stay with the element.
  const state = (root.vitrm ??= {
    level: data.level, speed: "1", wanted: data.start ?? stops(model, "supervision step")[0],
    rested: data.start ?? null, view: data.view, edit: data.edits?.edit ?? "", threshold: data.chosenThreshold,
  });
  if (data.edits) keepPossibleEdit(state, data.edits);
  const choose = (name, value) => {
    state[name] = value;
    setStateValue(name, value);
    writeAddress(model, state);
  };
  const view = build(root, model);
  const keepFocus = rememberFocus(root);
  view.panels = makePanels(root, model, { chosen: state, choose, go: (position) => go(position) });
  if (!view.levels.includes(state.level)) state.level = "supervision step";
  state.position = clamp(state.wanted, model); // a shorter trace may not have it, and the next one have it again
  view.level.value = state.level;
  view.speed.value = state.speed;
  setThreshold(view, model, state.threshold);
  let timer = null;

  function show(position) {
    state.wanted = state.position = clamp(position, model);
    render(view, model, state.position);
    if (data.together) window.dispatchEvent(new CustomEvent("vitrm-moved", { detail: { from: root, together: data.together, place: locate(model, state.position) } }));
  }
  function report() {
    if (state.rested === state.position) return;
    state.rested = state.position;
    setStateValue("position", state.position);
    writeAddress(model, state);
  }
  function go(position) {
    pause();
    show(position);
    report();
  }
  function pause() {
    if (timer === null) return;
    clearInterval(timer);
    timer = null;
    view.setPlaying(false);
    report();
  }
  function step(direction) {
    const places = stops(model, state.level);
    const ahead = direction > 0 ? places.find((p) => p > state.position) : places.findLast((p) => p < state.position);
    return ahead ?? (direction > 0 ? model.count - 1 : places[0]);
  }
  function play() {
    if (timer !== null) return pause();
    if (state.position >= model.count - 1) show(stops(model, state.level)[0]);
    view.setPlaying(true);
    timer = setInterval(() => {
      show(step(+1));
      if (state.position >= model.count - 1) pause();
    }, 1000 / (MOVES_PER_SECOND * Number(state.speed)));
  }
  const actions = {
    first: () => go(stops(model, state.level)[0]),
    previous: () => go(step(-1)),
    play,
    next: () => go(step(+1)),
    last: () => go(model.count - 1),
    halt: () => model.haltStep !== null && go((model.haltStep + 1) * model.perStep - 1),
    picture: () => savePicture(root, `${model.name}-${state.position + 1}.png`),
  };
  const keys = { ArrowLeft: "previous", ArrowRight: "next", Home: "first", End: "last", " ": "play" };

  const stop = new AbortController();
  const on = (target, type, handler) => target.addEventListener(type, handler, { signal: stop.signal });
  on(root, "click", (event) => actions[event.target.closest("[data-do]")?.dataset.do]?.());
  const press = (event) => {
    if (event.defaultPrevented || !(event.key in keys) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    actions[keys[event.key]]();
  };
  on(root, "keydown", (event) => {
    if (event.target.closest("select, pre, .threshold")) return; // these move by themselves
    if (event.key === " " && event.target.closest("button, summary")) return; // Space presses what has the focus
    press(event);
  });
  // The arrows work outside the player, too, wherever nothing else wants them; the other keys scroll the page there.
  on(document, "keydown", (event) => {
    if (event.target.matches("body, a, .stButton button, [data-testid=stMain]") && event.key.startsWith("Arrow")) press(event);
  });
  on(window, "vitrm-moved", ({ detail }) => {
    if (detail.together !== data.together || detail.from === root) return;
    pause();
    state.wanted = state.position = follow(model, detail.place);
    render(view, model, state.position);
  });
  on(view.scrub, "input", () => {
    if (timer !== null) pause();
    show(Number(view.scrub.value));
  });
  on(view.scrub, "change", report);
  on(view.threshold, "input", () => {
    setThreshold(view, model, Number(view.threshold.value));
    view.layout();
    render(view, model, state.position);
  });
  on(view.threshold, "change", () => choose("threshold", model.threshold === data.threshold ? null : model.threshold));
  on(view.level, "change", () => (state.level = view.level.value));
  on(view.speed, "change", () => {
    state.speed = view.speed.value;
    if (timer !== null) {
      clearInterval(timer);
      timer = null;
      play();
    }
  });
  on(view.chart, "pointerdown", (event) => {
    view.chart.setPointerCapture(event.pointerId);
    if (timer !== null) pause();
    show(view.positionAt(event));
  });
  on(view.chart, "pointermove", (event) => event.buttons && show(view.positionAt(event)));
  on(view.chart, "pointerup", report);

  const redraw = () => {
    root.dataset.theme = isDark(root) ? "dark" : "light";
    view.layout();
    for (const panel of view.panels) panel.layout();
    render(view, model, state.position);
  };
  const resize = new ResizeObserver(redraw);
  resize.observe(root);
  redraw();
  keepFocus();
  writeAddress(model, state);
  root.vitrmLeave = () => {
    stop.abort();
    resize.disconnect();
    if (timer !== null) clearInterval(timer);
  };
  return root.vitrmLeave;
}

function writeAddress(model, state) {
  if (!model.address) return; // this player is not what the address is about
  replaceAddress({
    ...model.address,
    position: state.rested === null ? null : clamp(state.rested, model),
    threshold: state.threshold,
    view: model.panels.includes("attention") ? state.view : null,
    edit: model.panels.includes("edits") ? state.edit : null,
  });
}

// An edit that this model cannot make is off as long as it is on show; Python keeps it for one that can.
function keepPossibleEdit(state, { edit, edited }) {
  if (edit && !edited && edit === state.edit) [state.edit, state.refused] = ["", edit];
  else if (edited && edit === state.refused && !state.edit) [state.edit, state.refused] = [edit, null];
}

// Panels are made anew for new data: the focus goes back to the control that had it, and the page does not jump.
function rememberFocus(root) {
  const controls = (panel) => [...panel.querySelectorAll("button, select, pre, summary")];
  const extras = root.querySelector(".extras");
  const focused = root.getRootNode().activeElement;
  const panel = focused && extras.contains(focused) ? focused.closest(".panel") : null;
  const name = panel?.className, place = panel ? controls(panel).indexOf(focused) : -1;
  const open = [...extras.querySelectorAll("details[open]")].map((details) => details.dataset.name);
  extras.style.minHeight = `${extras.offsetHeight}px`;
  return () => {
    extras.style.minHeight = "";
    for (const details of extras.querySelectorAll("details")) details.open = open.includes(details.dataset.name);
    if (place < 0) return;
    const again = [...extras.children].find((child) => child.className === name);
    if (again) controls(again)[place]?.focus({ preventScroll: true });
  };
}

function build(root, model) {
  const find = (selector) => root.querySelector(selector);
  const bars = find(".bars");
  bars.replaceChildren();
  const row = (name, color, isLabel) => {
    const item = element("li");
    item.style.setProperty("--color", color);
    const label = element("span", "name", name);
    label.title = name;
    if (isLabel) label.append(element("small", "", "true class"));
    const track = element("span", "track");
    const fill = track.appendChild(element("i", "fill"));
    const value = element("output");
    item.append(label, track, value);
    bars.append(item);
    return { item, fill, value };
  };
  const rows = model.shown.map((c, k) => row(model.classes[c], model.classColour(c, k), c === model.label));
  const rest = model.classes.length > rows.length ? row("others", "var(--faint)", false) : null;
  const level = find(".level");
  const levels = ["supervision step", ...(model.recursions > 1 ? ["recursion step"] : []), "single update"];
  level.replaceChildren(...levels.map((name) => Object.assign(element("option", "", name), { value: name })));
  const scrub = find(".scrub");
  scrub.max = model.count - 1;
  const title = find(".title");
  title.textContent = model.title;
  title.hidden = !model.title;
  const playing = find(".play");
  const chart = find(".chart");
  const view = {
    root, rows, rest, level, levels, scrub, chart,
    speed: find(".speed"),
    sentence: find(".sentence"),
    canvas: find(".image"),
    seen: find(".seen"),
    badge: find(".badge"),
    gauge: find(".gauge .fill"),
    gaugeValue: find(".gauge output"),
    threshold: find(".gauge .threshold"),
    halt: find(".halt"),
    layout: () => drawChart(view, model),
    positionAt: (event) => {
      const box = chart.getBoundingClientRect();
      return view.plot.inverse(event.clientX - box.left);
    },
    setPlaying(on) {
      playing.querySelector("span").textContent = on ? "Pause" : "Play";
    },
  };
  view.setPlaying(false);
  const behind = (selector, name, rows) => {
    const host = find(`${selector} .behind`), open = Boolean(host.querySelector("details[open]"));
    host.replaceChildren();
    numbersBehind(host, name, rows);
    host.firstChild.open = open;
  };
  behind(".look", "patches", () => [
    ["supervision step", "patches read"],
    ...model.patches.map((read, n) => [n + 1, model.glimpse ? read.map((p) => patchPlace(model, p)).join("; ") : `all ${read.length}`]),
  ]);
  behind(".answer", "answer", () => [
    ["class", "probability now, %"], ...Array.from(probabilities(model, view.place.readout), (p, c) => [model.classes[c], (100 * p).toFixed(2)]),
  ]);
  behind(".curves", "curves", () => curveRows(model));
  return view;
}

function setThreshold(view, model, chosen) {
  model.threshold = chosen ?? model.ownThreshold;
  model.haltStep = haltStep(model, model.threshold);
  view.threshold.value = model.threshold;
  view.threshold.style.setProperty("--at", model.threshold);
  view.threshold.setAttribute("aria-valuetext", `${model.threshold}`);
  view.halt.textContent = model.haltStep === null ? "never halts" : `Jump to halt: step ${model.haltStep + 1}`;
  view.halt.disabled = model.haltStep === null;
}

function makePanels(root, model, actions) {
  const host = root.querySelector(".extras");
  host.replaceChildren();
  for (const old of root.querySelectorAll(".panels > .lead")) old.remove();
  return model.panels.filter((name) => name in PANEL_MAKERS).map((name) => PANEL_MAKERS[name](host.appendChild(element("section", `panel panel-${name}`)), model, actions));
}

function render(view, model, position) {
  const place = locate(model, position);
  const probs = probabilities(model, place.readout);
  const best = largest(probs);
  let shown = 0;
  view.rows.forEach(({ item, fill, value }, k) => {
    const p = probs[model.shown[k]];
    shown += p;
    fill.style.transform = `scaleX(${p})`;
    value.textContent = percent(p);
    item.classList.toggle("top", model.shown[k] === best);
  });
  if (view.rest) {
    view.rest.fill.style.transform = `scaleX(${Math.max(0, 1 - shown)})`;
    view.rest.value.textContent = percent(Math.max(0, 1 - shown));
  }
  const halt = model.halt[place.readout];
  view.gauge.style.transform = `scaleX(${halt})`;
  view.gaugeValue.textContent = halt.toFixed(2);
  view.scrub.value = position;
  const x = view.plot.x(position);
  view.plot.cursor.setAttribute("transform", `translate(${x} 0)`);
  view.plot.clip.setAttribute("width", Math.max(0, x));

  const seen = new Set(model.patches.slice(0, place.n + 1).flat());
  drawImage(view.canvas, model, seen, new Set(model.patches[place.n]));
  const patches = (model.imageSize / model.patchSize) ** 2;
  view.seen.textContent = model.glimpse
    ? `Bright patches have been seen: ${seen.size} of ${patches}. Outlined: read in this step.`
    : `Every step reads all ${patches} patches.`;
  const move = place.isAnswer
    ? "answer update"
    : model.memory === 1 ? "memory update" : `memory iteration ${place.m + 1} of ${model.memory}`;
  const where = [
    `Supervision step ${place.n + 1} of ${model.steps}`,
    ...(model.recursions > 1 ? [`recursion step ${place.t + 1} of ${model.recursions}`] : []),
    move,
  ].join(", ");
  const tense = place.isAnswer ? "it answers" : "if it had to answer now, it would say";
  view.sentence.replaceChildren(
    `${where}: ${tense} `, element("b", "", model.classes[best]), ` (${percent(probs[best])}). `,
    place.n >= model.trainedSteps ? "This is beyond the steps it was trained for." : "",
  );
  view.scrub.setAttribute("aria-valuetext", where);
  view.canvas.setAttribute("aria-label", `${view.seen.textContent} The answer is ${model.classes[best]}.`);
  view.place = place;
  for (const figure of view.root.querySelectorAll(".look, .answer")) refreshNumbers(figure);
  for (const panel of view.panels) panel.draw(place, position);
  const threshold = model.threshold.toFixed(2);
  const ran = model.steps === 1 ? "There is one step, and it was run." : `All ${model.steps} steps were run.`;
  view.badge.textContent = model.haltStep === null
    ? `${ran} With threshold ${threshold} the model would never halt early.`
    : `${ran} With threshold ${threshold} the model would have halted after step ` +
      `${model.haltStep + 1}${place.n > model.haltStep ? ": what you see now would not have happened" : ""}.`;
}
