// The recursion player: one position drives every panel. All data arrive once; moving makes no server message.

const SHOWN_CLASSES = 5;
const STEP_MS = 1700; // a supervision step at normal speed: time to look at it; six take 8.5 s, the first comes at once
const LEAST_MS = 500; // and what is shown between two of them
const KEY_MS = 300; // a held key: so long without a repeat is rest
const PANEL_MAKERS = { glimpses: glimpsesPanel, equations: equationsPanel, code: codePanel, memory: memoryPanel, attention: attentionPanel, attribution: attributionPanel, edits: editsPanel, cells: cellsPanel };

// `data` is what app/player/payload.py makes; `setStateValue(name, value)` tells Python what the learner chose.
function mountPlayer({ data, parentElement, setStateValue, setTriggerValue }) {
  const root = parentElement.querySelector(".player");
  root.vitrmLeave?.(); // the host calls again for new data without cleaning up after the last call
  const model = decode(data);
  const opening = data.predict ? 0 : stops(model, "supervision step")[0];
  // For new data, another model say, the learner's place and choices stay with the element.
  const state = (root.vitrm ??= {
    level: data.level, speed: "1", wanted: data.start ?? opening, reached: 0, guess: null, subject: null,
    rested: data.start ?? null, moving: false, view: data.view, edit: data.edits?.edit ?? "", threshold: data.chosenThreshold,
  });
  const another = state.subject !== null && state.subject !== subjectOf(data);
  state.subject = subjectOf(data);
  if (another && data.predict) Object.assign(state, { wanted: opening, reached: 0, guess: null, moving: false }); // predicted anew
  if (data.edits) keepPossibleEdit(state, data.edits);
  const choose = (name, value) => {
    state[name] = value;
    setStateValue(name, value);
    writeAddress(model, state);
  };
  const keepFocus = rememberFocus(root);
  const view = build(root, model, state);
  view.panels = makePanels(root, model, { chosen: state, choose, go: (position) => go(position) });
  const presented = root.classList.contains("present");
  const stage = presenting(root, model, setTriggerValue, () => redraw());
  if (!view.levels.includes(state.level)) state.level = "supervision step";
  state.position = clamp(state.wanted, model); // a shorter trace may not have it, and the next one have it again
  view.level.value = state.level;
  view.speed.value = state.speed;
  setThreshold(view, model, state.threshold);
  let timer = null, resting = null, pressed = false; // playing; where it has got to is to be told; a key moves it

  const draw = () => {
    state.reached = Math.max(state.reached, state.position);
    render(view, model, state);
    const now = `${model.name} ${state.position}`;
    if (state.told !== now) tell(model, state.position);
    state.told = now;
  };
  function show(position) {
    state.wanted = state.position = clamp(position, model);
    draw();
    if (data.together) window.dispatchEvent(new CustomEvent("vitrm-moved", { detail: { from: root, together: data.together, place: locate(model, state.position) } }));
  }
  function report() {
    clearTimeout(resting);
    state.moving = false;
    if (state.rested === state.position) return;
    state.rested = state.position;
    setStateValue("position", state.position);
    writeAddress(model, state);
  }
  // A key that is held repeats: where it gets to is told when it is let go, or has rested.
  function reportLater() {
    clearTimeout(resting);
    state.moving = true;
    resting = setTimeout(report, KEY_MS);
  }
  function go(position) {
    bringIntoView(root);
    pause();
    show(position);
    if (pressed) reportLater();
    else report();
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
    return ahead ?? (direction > 0 ? model.count : begin());
  }
  function begin() {
    return model.first === 0 ? 0 : stops(model, state.level)[0];
  }
  function play() {
    if (timer !== null) return pause();
    bringIntoView(root);
    view.setPlaying(true);
    const each = Math.max(LEAST_MS, (STEP_MS * model.steps) / stops(model, state.level).length) / Number(state.speed);
    const ahead = () => {
      show(step(+1));
      if (state.position >= model.count) pause();
    };
    timer = setInterval(ahead, each);
    if (state.position >= model.count) show(begin());
    else ahead();
  }
  const actions = {
    first: () => go(begin()),
    previous: () => go(step(-1)),
    play,
    next: () => go(step(+1)),
    last: () => go(model.count),
    halt: () => model.haltStep !== null && go((model.haltStep + 1) * model.perStep),
    present: () => setTriggerValue("present", "1"),
    picture: () => savePicture(root, `${model.name}-${state.position}.png`),
  };
  const keys = { ...stage.keys, ArrowLeft: "previous", ArrowRight: "next", Home: "first", End: "last", " ": "play" };

  const stop = new AbortController();
  const on = (target, type, handler) => target.addEventListener(type, handler, { signal: stop.signal });
  on(root, "click", (event) => actions[event.target.closest("[data-do]")?.dataset.do]?.());
  const press = (event) => {
    if (event.defaultPrevented || !(event.key in keys) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const key = keys[event.key];
    pressed = true;
    if (typeof key === "function") key();
    else actions[key]();
    pressed = false;
  };
  const letGo = () => state.moving && report();
  on(document, "keyup", letGo);
  on(window, "blur", letGo);
  on(root, "keydown", (event) => {
    if (event.target.closest("select, pre, .threshold, .numbers > div")) return; // these move by themselves
    if (event.key === " " && event.target.closest("button, summary")) return; // Space presses what has the focus
    press(event);
  });
  // The arrows work outside the player, too, wherever nothing else wants them; the other keys scroll the page there,
  // unless the player is all there is.
  on(document, "keydown", (event) => {
    const free = event.target.matches("body, a, .stButton button, [data-testid=stMain]");
    if (free && (model.present || event.key.startsWith("Arrow"))) press(event);
  });
  on(window, "vitrm-moved", ({ detail }) => {
    if (detail.together !== data.together || detail.from === root) return;
    pause();
    state.wanted = state.position = follow(model, detail.place);
    draw();
  });
  on(view.scrub, "input", () => {
    if (timer !== null) pause();
    show(Number(view.scrub.value));
  });
  on(view.scrub, "change", report);
  on(view.threshold, "input", () => {
    setThreshold(view, model, Number(view.threshold.value));
    view.layout();
    draw();
  });
  on(view.threshold, "change", () => happened("threshold moved", { to: model.threshold }));
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
  pointed(view.chart, on, { begin: pause, at: (event) => show(view.positionAt(event)), end: report });

  const redraw = () => {
    root.dataset.theme = isDark(root) ? "dark" : "light";
    stage.fit();
    view.layout();
    for (const panel of view.panels) panel.layout();
    draw();
  };
  const resize = new ResizeObserver(redraw);
  resize.observe(root);
  on(window, "resize", redraw);
  redraw();
  keepFocus();
  if (presented !== model.present) (model.present ? root : root.querySelector(".enter")).focus({ preventScroll: true }); // what had it is hidden now
  requestAnimationFrame(() => root.classList.add("moves")); // what is there on arrival does not move
  if (another && data.predict && state.rested !== null) setStateValue("position", (state.rested = null));
  writeAddress(model, state);
  if (state.moving) reportLater(); // new data came while a key was held
  root.vitrmLeave = () => {
    stop.abort();
    clearTimeout(resting);
    resize.disconnect();
    if (timer !== null) clearInterval(timer);
  };
  return root.vitrmLeave;
}

// Where a player begins low on a small screen, what is to be watched would be below the buttons that start it.
function bringIntoView(root) {
  const below = Math.max(...[...root.querySelectorAll(".image, .bars, .lead .heat")].map((part) => part.getBoundingClientRect().bottom));
  const begins = root.getBoundingClientRect().top > parseFloat(getComputedStyle(root).scrollMarginTop); // else it is scrolled through
  if (!begins || below <= root.querySelector(".transport").getBoundingClientRect().top) return;
  root.scrollIntoView({ behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "instant" : "smooth" });
}

// What has been seen, for the lesson book
function tell(model, position) {
  const place = locate(model, position);
  if (place.n < 0) return;
  happened("update seen", { what: place.isAnswer ? "answer" : "memory", name: model.name });
  if (place.isAnswer) happened("step seen", { n: place.n + 1, of: model.steps, t: place.t + 1, name: model.name });
}

// What is predicted: the image, under one draw of the glimpses
function subjectOf(data) {
  return `${data.seed} ${data.pixels}`;
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

function build(root, model, state) {
  const find = (selector) => root.querySelector(selector);
  const bars = find(".bars");
  bars.replaceChildren();
  const row = (name, color) => {
    const item = element("li");
    item.style.setProperty("--color", color);
    const label = element("span", "name", name);
    label.title = name;
    const track = element("span", "track");
    const fill = track.appendChild(element("i", "fill"));
    const value = element("output");
    item.append(label, track, value);
    bars.append(item);
    return { item, label, fill, value };
  };
  const rows = model.shown.map((c, k) => row(model.classes[c], model.classColour(c, k)));
  const rest = model.classes.length > rows.length ? row("others", "var(--faint)") : null;
  const level = find(".level");
  const levels = ["supervision step", ...(model.recursions > 1 ? ["recursion step"] : []), "single update"];
  level.replaceChildren(...levels.map((name) => Object.assign(element("option", "", name), { value: name })));
  const scrub = find(".scrub");
  scrub.min = model.first;
  scrub.max = model.count;
  const title = find(".title");
  title.textContent = model.title;
  title.hidden = !model.title;
  root.setAttribute("aria-label", `Recursion player${model.title && `: ${model.title}`}. Keys: left and right arrow, Home, End, Space.`);
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
    place: null,
    where: find(".where"),
    guess: guessing(find(".your-guess"), model, state, () => {
      render(view, model, state);
      playing.focus({ preventScroll: true }); // what was pressed is gone, and this comes next
    }),
    layout: () => drawChart(view, model, state),
    positionAt: (event) => {
      const box = chart.getBoundingClientRect();
      return view.plot.inverse(((event.clientX - box.left) * chart.clientWidth) / box.width); // it may be enlarged
    },
    setPlaying(on) {
      playing.querySelector("span").textContent = on ? "Pause" : "Play";
    },
  };
  view.setPlaying(false);
  const behind = (selector, name, rows) => {
    const host = find(`${selector} .behind`);
    host.replaceChildren();
    numbersBehind(host, name, rows);
  };
  behind(".look", "patches", () => [
    ["supervision step", "patches read"],
    ...model.patches.map((read, n) => [n + 1, model.glimpse ? read.map((p) => patchPlace(model, p)).join("; ") : `all ${read.length}`]),
  ]);
  behind(".answer", "answer", () => [
    ["class", "probability now, %"],
    ...model.classes.map((name, c) => [name, view.place.n < 0 ? "–" : (100 * probabilities(model, view.place.readout)[c]).toFixed(2)]),
  ]);
  behind(".curves", "curves", () => curveRows(model, state));
  return view;
}

function setThreshold(view, model, chosen) {
  model.threshold = chosen ?? model.ownThreshold;
  model.haltStep = haltStep(model, model.threshold);
  view.threshold.value = model.threshold;
  view.threshold.style.setProperty("--at", model.threshold);
  view.threshold.setAttribute("aria-valuetext", `${model.threshold}`);
  view.halt.disabled = model.haltStep === null;
}

function makePanels(root, model, actions) {
  const host = root.querySelector(".extras");
  host.replaceChildren();
  for (const old of root.querySelectorAll(".panels > .lead")) old.remove();
  root.classList.toggle("with-curves", model.panels.includes("curves"));
  return model.panels.filter((name) => name in PANEL_MAKERS).map((name) => PANEL_MAKERS[name](host.appendChild(element("section", `panel panel-${name}`)), model, actions));
}

// Everything that the position and the guess decide
function render(view, model, state) {
  const place = locate(model, state.position);
  view.place = place;
  view.root.classList.toggle("before", place.n < 0);
  view.scrub.value = state.position;
  view.plot.move(state);
  const seen = new Set(model.patches.slice(0, place.n + 1).flat());
  drawImage(view.canvas, model, seen, new Set(model.patches[place.n]));
  const patches = (model.imageSize / model.patchSize) ** 2;
  view.seen.textContent = model.glimpse
    ? `Bright patches have been seen: ${seen.size} of ${patches}.${place.n < 0 ? "" : " Outlined: read in this step."}`
    : `Every step reads all ${patches} patches${model.sight}`;
  const step = place.n < 0 ? "Before the first step" : `Supervision step ${place.n + 1} of ${model.steps}`;
  view.where.textContent = `step ${place.n + 1} of ${model.steps}`;
  view.guess.draw();
  if (place.n < 0) renderBefore(view, model, step);
  else renderAnswer(view, model, place, step);
  const known = state.reached >= (model.haltStep + 1) * model.perStep; // what is to be predicted is not said before
  view.halt.textContent =
    model.haltStep === null ? "never halts" : `Jump to halt${!model.predict || known ? `: step ${model.haltStep + 1}` : ""}`;
  for (const figure of view.root.querySelectorAll(".panels > figure")) refreshNumbers(figure);
  for (const panel of view.panels) panel.draw(place, state.position);
  view.badge.textContent = haltWords(model, place, known);
}

function renderBefore(view, model, step) {
  view.sentence.textContent = view.guess.isOpen() ? `${step}. What is it? Guess, then press Play.` : `${step}: nothing has been computed. Press Play.`;
  view.scrub.setAttribute("aria-valuetext", step);
  view.canvas.setAttribute("aria-label", `${view.seen.textContent} There is no answer yet.`);
}

function renderAnswer(view, model, place, step) {
  const probs = probabilities(model, place.readout), best = largest(probs);
  let shown = 0;
  view.rows.forEach(({ item, label, fill, value }, k) => {
    const c = model.shown[k], p = probs[c];
    shown += p;
    fill.style.transform = `scaleX(${p})`;
    value.textContent = percent(p);
    item.classList.toggle("top", c === best);
    const mark = view.guess.markOf(c);
    label.replaceChildren(model.classes[c], ...(mark ? [element("small", "", mark)] : []));
  });
  if (view.rest) {
    view.rest.fill.style.transform = `scaleX(${Math.max(0, 1 - shown)})`;
    view.rest.value.textContent = percent(Math.max(0, 1 - shown));
  }
  const halt = model.halt[place.readout];
  view.gauge.style.transform = `scaleX(${halt})`;
  view.gaugeValue.textContent = halt.toFixed(2);
  const move = place.isAnswer
    ? "answer update"
    : model.memory === 1 ? "memory update" : `memory iteration ${place.m + 1} of ${model.memory}`;
  const where = [step, ...(model.recursions > 1 ? [`recursion step ${place.t + 1} of ${model.recursions}`] : []), move].join(", ");
  const tense = place.isAnswer ? "it answers" : "if it had to answer now, it would say";
  view.sentence.replaceChildren(
    `${where}: ${tense} `, element("b", "", model.classes[best]), ` (${percent(probs[best])}). `,
    place.n >= model.trainedSteps ? "This is beyond the steps it was trained for." : "",
  );
  view.scrub.setAttribute("aria-valuetext", where);
  view.canvas.setAttribute("aria-label", `${view.seen.textContent} The answer is ${model.classes[best]}.`);
}

function haltWords(model, place, known) {
  const threshold = model.threshold.toFixed(2);
  const ran = model.steps === 1 ? "There is one step, and it was run." : `All ${model.steps} steps were run.`;
  if (model.haltStep === null) return `${ran} With threshold ${threshold} the model would never halt early.`;
  if (model.predict && !known) return `With threshold ${threshold} the model has not halted yet.`;
  return `${ran} With threshold ${threshold} the model would have halted after step ` +
    `${model.haltStep + 1}${place.n > model.haltStep ? ": what you see now would not have happened" : ""}.`;
}
