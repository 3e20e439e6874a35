// The curves over the whole trace: probabilities, halting probability, convergence.

const TAP = 8; // pixels that a finger moves without meaning to

// As rows: one for every read-out; where the learner predicts, for those that have been reached
function curveRows(model, state) {
  const head = [
    "supervision step", ...(model.recursions > 1 ? ["recursion step"] : []), ...(model.memory > 1 ? ["memory iteration"] : []),
    "halting probability", "change of z", "change of y", "KL, nats", ...model.shown.map((c) => `P(${model.classes[c]}), %`),
  ];
  const known = model.predict ? locate(model, state.reached).readout + 1 : model.halt.length;
  return [head, ...Array.from(model.halt.slice(0, known), (halt, r) => {
    const recursion = Math.floor(r / model.memory), probs = probabilities(model, r);
    return [
      Math.floor(recursion / model.recursions) + 1,
      ...(model.recursions > 1 ? [(recursion % model.recursions) + 1] : []), ...(model.memory > 1 ? [(r % model.memory) + 1] : []),
      halt.toFixed(3), model.memoryChange[r].toFixed(2), model.answerChange[r].toFixed(2), r ? model.kl[r].toFixed(3) : "–",
      ...model.shown.map((c) => (100 * probs[c]).toFixed(1)),
    ];
  })];
}

// A mouse is followed from where it is pressed. A finger may only want to scroll past: it is followed once it moves
// sideways, and a tap is a place, too.
function pointed(svg, on, { begin, at, end }) {
  let touched = null; // where a finger came down that may still scroll
  const follow = (type, handler) => on(svg, type, (event) => event.isPrimary && handler(event));
  const start = (event) => {
    touched = null;
    begin();
    at(event);
  };
  follow("pointerdown", (event) => {
    svg.setPointerCapture(event.pointerId);
    if (event.pointerType === "touch") touched = event;
    else start(event);
  });
  follow("pointermove", (event) => {
    if (!event.buttons) return;
    if (!touched) return at(event);
    const across = Math.abs(event.clientX - touched.clientX), down = Math.abs(event.clientY - touched.clientY);
    if (across > TAP && across > down) start(event);
  });
  follow("pointerup", (event) => {
    if (touched && Math.hypot(event.clientX - touched.clientX, event.clientY - touched.clientY) <= TAP) start(event);
    touched = null;
    end();
  });
  follow("pointercancel", () => { // the page scrolls
    touched = null;
    end();
  });
}

function drawChart(view, model, state) {
  const svg = view.chart;
  const width = svg.clientWidth || 320, left = 34, right = 8;
  svg.replaceChildren();
  const x = (i) => left + ((width - left - right) * (i + 0.5)) / model.count;
  const room = model.present ? Math.max(80, svg.clientHeight - 76) : 172; // for the first two lanes; with a beamer there are no others
  const lanes = [
    { name: "class probability", top: 16, height: 0.69 * room, max: 1, ticks: [0, 0.5, 1] },
    { name: "halting probability", top: 44 + 0.69 * room, height: 0.31 * room, max: 1, ticks: [0, 1] },
    { name: "change of z (solid), y (dashed), per update", top: 244, height: 38, max: null, ticks: [0] },
    { name: "KL from the prediction before, nats", top: 308, height: 30, max: null, ticks: [0] },
  ].slice(0, model.present ? 2 : 4);
  const bottom = lanes.at(-1).top + lanes.at(-1).height;
  const stepWidth = (x(1) - x(0)) * model.perStep;
  for (let n = 0; n < model.steps; n++) {
    const start = x(n * model.perStep) - (x(1) - x(0)) / 2;
    if (n % 2 === 0 && stepWidth >= 8) add(svg, "rect", { class: "band", x: start, y: 16, width: stepWidth, height: bottom - 16 });
    if (hasNumber(n, stepWidth)) {
      add(svg, "text", { x: start + stepWidth / 2, y: bottom + 13, "text-anchor": "middle" }, String(n + 1));
    }
  }
  const beyond = model.steps > model.trainedSteps ? ` (shaded: beyond ${model.trainedSteps} in a row)` : "";
  if (beyond) {
    const start = x(model.trainedSteps * model.perStep) - (x(1) - x(0)) / 2;
    add(svg, "rect", { class: "beyond", x: start, y: 16, width: stepWidth * (model.steps - model.trainedSteps), height: bottom - 16 });
  }
  add(svg, "text", { x: (left + width - right) / 2, y: bottom + 28, "text-anchor": "middle" }, `supervision step${beyond}`);
  const defs = add(svg, "defs", {});
  const clipTo = (id) => add(add(defs, "clipPath", { id }), "rect", { x: 0, y: 0, width: 0, height: bottom + 4 });
  const clip = clipTo("past"), known = clipTo("known"); // up to now; as far as the learner has been
  const future = add(svg, "g", { class: "future", "clip-path": "url(#known)" });
  const past = add(svg, "g", { "clip-path": "url(#past)" });
  const every = Array.from({ length: model.count }, (_, i) => i);
  const memoryMoves = every.filter((i) => !locate(model, i + 1).isAnswer); // a change has happened there, once
  const curve = (lane, array, color, dash = "", moves = every) => {
    const y = (v) => lane.top + lane.height * (1 - Math.min(1, v / lane.max));
    const path = linePath(moves.map((i) => [x(i), y(array[locate(model, i + 1).readout])]));
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
  const dashes = ["", "7 3", "2 3", "9 3 2 3", "4 2", "1 2"];
  [...model.shown.keys()].reverse().forEach((k) => {
    const values = model.probs.filter((_, j) => j % model.classes.length === model.shown[k]);
    curve(lanes[0], values, model.classColour(model.shown[k], k), dashes[k]);
  });
  const limit = lanes[1].top + lanes[1].height * (1 - model.threshold);
  add(svg, "line", { class: "limit", x1: left, x2: width - right, y1: limit, y2: limit });
  add(svg, "text", { x: left - 6, y: limit + 4, "text-anchor": "end" }, model.threshold.toFixed(2));
  curve(lanes[1], model.halt, "var(--y)");
  if (lanes.length > 2) drawChanges();
  function drawChanges() {
    lanes[2].max = Math.max(...model.answerChange, ...model.memoryChange, 1e-9);
    add(svg, "text", { x: left - 6, y: lanes[2].top + 8, "text-anchor": "end" }, lanes[2].max.toPrecision(2));
    curve(lanes[2], model.memoryChange, "var(--z)", "", memoryMoves);
    curve(lanes[2], model.answerChange, "var(--y)", "5 3", memoryMoves);
    lanes[3].max = Math.max(...model.kl.slice(1), 1e-9); // the first has no prediction before it
    add(svg, "text", { x: left - 6, y: lanes[3].top + 8, "text-anchor": "end" }, lanes[3].max.toPrecision(2));
    curve(lanes[3], model.kl, "var(--ink)", "", memoryMoves.slice(1));
  }
  for (const { step, text } of model.marks) {
    const at = x((step + 1) * model.perStep - 1), late = at > width / 2;
    add(svg, "line", { class: "mark", x1: at, x2: at, y1: 16, y2: bottom });
    add(svg, "text", { class: "mark-name", x: at + (late ? -5 : 5), y: 26, "text-anchor": late ? "end" : "start" }, text);
  }
  const cursor = add(svg, "g", {}); // in pieces, so that it never stands in a name
  for (const { top, height } of lanes) add(cursor, "line", { class: "cursor", x1: 0, x2: 0, y1: top - 2, y2: top + height + 2 });
  const edge = (position) => (position === 0 ? left : x(position - 1));
  view.plot = {
    inverse: (px) => Math.round(((px - left) / (width - left - right)) * model.count + 0.5),
    move({ position, reached }) {
      cursor.setAttribute("transform", `translate(${edge(position)} 0)`);
      clip.setAttribute("width", edge(position));
      known.setAttribute("width", model.predict ? edge(reached) : width);
      const { n, readout } = locate(model, position);
      const probs = n < 0 ? null : probabilities(model, readout);
      svg.setAttribute("aria-label", `Curves over ${countOf(model.steps, "supervision step")}: class probabilities, halting probability and change of the state. ` +
        (probs ? `Now, in step ${n + 1}: ${model.classes[largest(probs)]} with ${percent(probs[largest(probs)])}, halting probability ${model.halt[readout].toFixed(2)}.` : "Nothing has been computed yet."));
    },
  };
}
