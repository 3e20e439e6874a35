// The recursion player: one position drives every panel. All data arrive once; moving makes no server message.
// Position i counts moves: in each recursion step M memory updates, then the answer update.

const SVG = "http://www.w3.org/2000/svg";
const SHOWN_CLASSES = 5;
const MOVES_PER_SECOND = 2;

export default function (component) {
  const { data, parentElement, setStateValue } = component;
  const root = parentElement.querySelector(".player");
  root.vitrmLeave?.(); // the host calls again for new data without cleaning up after the last call
  const model = decode(data);
  // For new data, another image say, the learner's place and choices stay with the element.
  const state = (root.vitrm ??= {
    level: data.level, speed: "1", position: data.start ?? stops(model, "supervision step")[0],
    rested: data.start ?? null, view: data.view, edit: data.edits?.edit ?? "",
  });
  const choose = (name, value) => {
    state[name] = value;
    setStateValue(name, value);
    writeAddress(model, state);
  };
  const view = build(root, model);
  const keepFocus = rememberFocus(root);
  view.panels = makePanels(root, model, { chosen: state, choose, go: (position) => go(position) });
  if (!view.levels.includes(state.level)) state.level = "supervision step";
  state.position = clamp(state.position, model);
  view.level.value = state.level;
  view.speed.value = state.speed;
  let timer = null;

  function show(position) {
    state.position = clamp(position, model);
    render(view, model, state.position);
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
  };
  const keys = { ArrowLeft: "previous", ArrowRight: "next", Home: "first", End: "last", " ": "play" };

  const stop = new AbortController();
  const on = (target, type, handler) => target.addEventListener(type, handler, { signal: stop.signal });
  on(root, "click", (event) => actions[event.target.closest("[data-do]")?.dataset.do]?.());
  const press = (event) => {
    if (!(event.key in keys) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    actions[keys[event.key]]();
  };
  on(root, "keydown", (event) => {
    if (event.target.closest("select, pre")) return; // these move by themselves
    if (event.key === " " && event.target.tagName === "BUTTON") return; // Space presses the focused button
    press(event);
  });
  // The arrows work outside the player, too, wherever nothing else wants them; the other keys scroll the page there.
  on(document, "keydown", (event) => {
    if (event.target.matches("body, a, .stButton button, [data-testid=stMain]") && event.key.startsWith("Arrow")) press(event);
  });
  on(view.scrub, "input", () => {
    if (timer !== null) pause();
    show(Number(view.scrub.value));
  });
  on(view.scrub, "change", report);
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

// The address always says what is on screen. It is replaced, so that the browser's Back leaves the page at once.
function writeAddress(model, state) {
  const query = new URLSearchParams(location.search);
  const here = {
    ...model.address,
    position: state.rested === null ? null : clamp(state.rested, model),
    view: model.panels.includes("attention") ? state.view : null,
    edit: model.panels.includes("edits") ? state.edit : null,
  };
  for (const [name, value] of Object.entries(here)) {
    if (value === null || value === "") query.delete(name);
    else query.set(name, value);
  }
  const text = query.toString();
  history.replaceState(history.state, "", location.pathname + (text && `?${text}`) + location.hash);
}

// Panels are made anew for new data: the focus goes back to the control that had it, and the page does not jump.
function rememberFocus(root) {
  const controls = (panel) => [...panel.querySelectorAll("button, select, pre")];
  const extras = root.querySelector(".extras");
  const focused = root.getRootNode().activeElement;
  const panel = focused && extras.contains(focused) ? focused.closest(".panel") : null;
  const name = panel?.className, place = panel ? controls(panel).indexOf(focused) : -1;
  extras.style.minHeight = `${extras.offsetHeight}px`;
  return () => {
    extras.style.minHeight = "";
    if (place < 0) return;
    const again = [...extras.children].find((child) => child.className === name);
    if (again) controls(again)[place]?.focus({ preventScroll: true });
  };
}

// Data

function decode(data) {
  const [steps, recursions, memory] = data.shape;
  const perRecursion = memory + 1;
  const probs = floats(data.probs);
  const classes = data.classes.length;
  const peak = data.classes.map((_, c) => {
    let top = 0;
    for (let k = c; k < probs.length; k += classes) top = Math.max(top, probs[k]);
    return top;
  });
  return {
    ...data,
    steps, recursions, memory, perRecursion,
    memory_: data.memory, // the memory panel's arrays; `memory` is M
    perStep: recursions * perRecursion,
    count: steps * recursions * perRecursion,
    pixels: bytes(data.pixels),
    probs,
    halt: floats(data.halt),
    answerChange: floats(data.answerChange),
    memoryChange: floats(data.memoryChange),
    kl: floats(data.kl),
    // the classes that ever got the most, always in the same place, so that rows never jump
    shown: peak.map((_, c) => c).sort((a, b) => peak[b] - peak[a]).slice(0, SHOWN_CLASSES),
  };
}

function bytes(text) {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}

// Where position i stands: step n, recursion t, the read-out it shows (an index into the arrays), and the kind of move.
function locate(model, i) {
  const n = Math.floor(i / model.perStep);
  const t = Math.floor((i % model.perStep) / model.perRecursion);
  const m = i % model.perRecursion;
  const isAnswer = m === model.memory;
  const readout = (n * model.recursions + t) * model.memory + Math.min(m, model.memory - 1);
  return { n, t, m, isAnswer, readout };
}

function stops(model, level) {
  const every = { "supervision step": model.perStep, "recursion step": model.perRecursion, "single update": 1 }[level];
  return Array.from({ length: model.count / every }, (_, k) => (k + 1) * every - 1);
}

function clamp(position, model) {
  return Math.max(0, Math.min(model.count - 1, Math.round(position) || 0));
}

function probabilities(model, readout) {
  const c = model.classes.length;
  return model.probs.subarray(readout * c, (readout + 1) * c);
}

// Drawing

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
  const rows = model.shown.map((c, k) => row(model.classes[c], `var(--class-${k})`, c === model.label));
  const rest = model.classes.length > rows.length ? row("others", "var(--faint)", false) : null;
  const level = find(".level");
  const levels = ["supervision step", ...(model.recursions > 1 ? ["recursion step"] : []), "single update"];
  level.replaceChildren(...levels.map((name) => Object.assign(element("option", "", name), { value: name })));
  const scrub = find(".scrub");
  scrub.max = model.count - 1;
  find(".gauge .threshold").style.left = `${100 * model.threshold}%`;
  const halt = find(".halt");
  halt.textContent = model.haltStep === null ? "never halts" : `Jump to halt: step ${model.haltStep + 1}`;
  halt.disabled = model.haltStep === null;
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
  return view;
}

function makePanels(root, model, actions) {
  const host = root.querySelector(".extras");
  host.replaceChildren();
  return model.panels.map((name) => PANEL_MAKERS[name](host.appendChild(element("section", `panel panel-${name}`)), model, actions));
}

function render(view, model, position) {
  const place = locate(model, position);
  const probs = probabilities(model, place.readout);
  let best = 0;
  probs.forEach((p, c) => p > probs[best] && (best = c));
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
  for (const panel of view.panels) panel.draw(place, position);
  view.badge.textContent = model.haltStep === null
    ? `All ${model.steps} steps were run. With threshold ${model.threshold} the model would never halt early.`
    : `All ${model.steps} steps were run. With threshold ${model.threshold} the model would have halted after step ` +
      `${model.haltStep + 1}${place.n > model.haltStep ? ": what you see now would not have happened" : ""}.`;
}

function drawImage(canvas, model, seen, reading) {
  const size = model.imageSize, scale = Math.max(1, Math.floor(512 / size)), side = size * scale;
  if (canvas.width !== side) canvas.width = canvas.height = side;
  const pen = canvas.getContext("2d");
  pen.imageSmoothingEnabled = false;
  pen.drawImage(bitmap(model), 0, 0, side, side);
  if (!model.glimpse) return;
  const p = model.patchSize * scale, across = size / model.patchSize;
  const style = getComputedStyle(canvas);
  for (let k = 0; k < across * across; k++) {
    const left = (k % across) * p, top = Math.floor(k / across) * p;
    if (!seen.has(k)) {
      pen.globalAlpha = 0.82;
      pen.fillStyle = "#7d8592";
      pen.fillRect(left, top, p, p);
      pen.globalAlpha = 1;
    }
    if (reading.has(k)) {
      pen.lineWidth = side / 85;
      pen.strokeStyle = style.getPropertyValue("--class-3");
      pen.strokeRect(left + pen.lineWidth / 2, top + pen.lineWidth / 2, p - pen.lineWidth, p - pen.lineWidth);
    }
  }
}

// The image as given to the model, one canvas pixel each
function bitmap(model) {
  if (!model.bitmap) {
    const size = model.imageSize, plane = size * size, rgba = new Uint8ClampedArray(4 * plane);
    for (let k = 0; k < plane; k++) {
      for (let c = 0; c < 3; c++) rgba[4 * k + c] = model.pixels[(model.channels === 1 ? 0 : c) * plane + k];
      rgba[4 * k + 3] = 255;
    }
    model.bitmap = new OffscreenCanvas(size, size);
    model.bitmap.getContext("2d").putImageData(new ImageData(rgba, size, size), 0, 0);
  }
  return model.bitmap;
}

function drawChart(view, model) {
  const svg = view.chart;
  const width = svg.clientWidth || 320, left = 34, right = 8;
  svg.replaceChildren();
  const x = (i) => left + ((width - left - right) * (i + 0.5)) / model.count;
  const lanes = [
    { name: "class probability", top: 16, height: 118, max: 1, ticks: [0, 0.5, 1] },
    { name: "halting probability", top: 162, height: 54, max: 1, ticks: [0, 1] },
    { name: "change of z (solid) and y (dashed) per memory update", top: 244, height: 38, max: null, ticks: [0] },
    { name: "KL from the prediction before, nats", top: 308, height: 30, max: null, ticks: [0] },
  ];
  const bottom = lanes[3].top + lanes[3].height;
  const stepWidth = (x(1) - x(0)) * model.perStep;
  for (let n = 0; n < model.steps; n++) {
    const start = x(n * model.perStep) - (x(1) - x(0)) / 2;
    if (n % 2 === 0) add(svg, "rect", { class: "band", x: start, y: 16, width: stepWidth, height: bottom - 16 });
    if (n >= model.trainedSteps) add(svg, "rect", { class: "beyond", x: start, y: 16, width: stepWidth, height: bottom - 16 });
    if (model.steps <= 16 || n % 4 === 3) {
      add(svg, "text", { x: start + stepWidth / 2, y: bottom + 13, "text-anchor": "middle" }, String(n + 1));
    }
  }
  const beyond = model.steps > model.trainedSteps ? " (shaded: beyond training)" : "";
  add(svg, "text", { x: (left + width - right) / 2, y: bottom + 28, "text-anchor": "middle" }, `supervision step${beyond}`);
  const defs = add(svg, "defs", {});
  const clipPath = add(defs, "clipPath", { id: "past" });
  const clip = add(clipPath, "rect", { x: 0, y: 0, width: 0, height: bottom + 4 });
  const future = add(svg, "g", { class: "future" });
  const past = add(svg, "g", { "clip-path": "url(#past)" });
  const every = Array.from({ length: model.count }, (_, i) => i);
  const memoryMoves = every.filter((i) => !locate(model, i).isAnswer); // a change has happened there, once
  const curve = (lane, array, color, dash = "", moves = every) => {
    const y = (v) => lane.top + lane.height * (1 - Math.min(1, v / lane.max));
    const path = moves.map((i, k) => `${k ? "L" : "M"}${x(i).toFixed(1)} ${y(array[locate(model, i).readout]).toFixed(1)}`).join("");
    for (const layer of [future, past]) {
      add(layer, "path", { class: "curve", d: path, style: `stroke:${color}`, "stroke-dasharray": dash });
    }
  };
  lanes.forEach((lane) => {
    add(svg, "text", { class: "lane-name", x: left, y: lane.top - 5 }, lane.name);
    add(svg, "line", { class: "axis", x1: left, x2: width - right, y1: lane.top + lane.height, y2: lane.top + lane.height });
    lane.ticks.forEach((tick) => {
      const y = lane.top + lane.height * (1 - (lane.max ? tick / lane.max : 0));
      add(svg, "text", { x: left - 6, y: y + 4, "text-anchor": "end" }, String(tick));
    });
  });
  const dashes = ["", "7 3", "2 3", "9 3 2 3", "4 2"];
  [...model.shown.keys()].reverse().forEach((k) => {
    const values = model.probs.filter((_, j) => j % model.classes.length === model.shown[k]);
    curve(lanes[0], values, `var(--class-${k})`, dashes[k]);
  });
  const limit = lanes[1].top + lanes[1].height * (1 - model.threshold);
  add(svg, "line", { class: "limit", x1: left, x2: width - right, y1: limit, y2: limit });
  add(svg, "text", { x: left - 6, y: limit + 4, "text-anchor": "end" }, String(model.threshold));
  curve(lanes[1], model.halt, "var(--y)");
  lanes[2].max = Math.max(...model.answerChange, ...model.memoryChange, 1e-9);
  add(svg, "text", { x: left - 6, y: lanes[2].top + 8, "text-anchor": "end" }, lanes[2].max.toPrecision(2));
  curve(lanes[2], model.memoryChange, "var(--z)", "", memoryMoves);
  curve(lanes[2], model.answerChange, "var(--y)", "5 3", memoryMoves);
  lanes[3].max = Math.max(...model.kl.slice(1), 1e-9); // the first has no prediction before it
  add(svg, "text", { x: left - 6, y: lanes[3].top + 8, "text-anchor": "end" }, lanes[3].max.toPrecision(2));
  curve(lanes[3], model.kl, "var(--ink)", "", memoryMoves.slice(1));
  const cursor = add(svg, "g", {});
  add(cursor, "line", { class: "cursor", x1: 0, x2: 0, y1: 12, y2: bottom });
  const probs = probabilities(model, locate(model, model.count - 1).readout);
  const final = probs.indexOf(Math.max(...probs));
  svg.setAttribute(
    "aria-label",
    `Curves over ${model.steps} supervision steps: class probabilities, halting probability and change of the state. ` +
      `The last answer is ${model.classes[final]} with ${percent(probs[final])}.`,
  );
  view.plot = {
    x, cursor, clip,
    inverse: (px) => Math.round(((px - left) / (width - left - right)) * model.count - 0.5),
  };
}

function element(tag, className = "", text = "") {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.textContent = text;
  return node;
}

function add(parent, tag, attributes, text) {
  const node = parent.appendChild(svgElement(tag, attributes));
  if (text !== undefined) node.textContent = text;
  return node;
}

function percent(p) {
  return `${p >= 0.995 && p < 1 ? (100 * p).toFixed(1) : Math.round(100 * p)} %`;
}

function isDark(root) {
  const probe = root.appendChild(element("i"));
  probe.style.color = "var(--st-background-color, white)";
  const [r, g, b] = getComputedStyle(probe).color.match(/[\d.]+/g).map(Number);
  probe.remove();
  return 0.299 * r + 0.587 * g + 0.114 * b < 128;
}
