// A question: what the learner commits to it with, and the prediction beside the result. `spec` is what `sent` of
// question.py makes; values are as there. What it draws with is drawing.js.

const WIDE = 320, HIGH = 190, LEFT = 40, RIGHT = 10, TOP = 22, BOTTOM = 40; // of a figure, in its own units

// Controls for an answer, `value` or null; `changed(value)` is told each new one. Returns where they stand at first.
function askQuestion(host, spec, value, changed) {
  return { choice: askChoice, slider: askSlider, curve: askCurve }[spec.kind](host, spec, value, changed);
}

// One figure of prediction (null: none) and result; `words` say the gap.
function showAnswer(host, spec, value, result, words) {
  const svg = { choice: showChoice, slider: showSlider, curve: showCurve }[spec.kind](spec, value, result);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", words);
  svg.classList.add("answer-figure");
  host.append(svg);
  return svg;
}

function askChoice(host, spec, value, changed) {
  const box = host.appendChild(element("div", "options"));
  box.setAttribute("role", "radiogroup");
  box.setAttribute("aria-label", spec.text);
  spec.options.forEach((text, k) => {
    const label = box.appendChild(element("label")), input = element("input");
    Object.assign(input, { type: "radio", name: spec.key, value: k, checked: k === value });
    input.dataset.name = `${spec.key} ${k}`;
    input.addEventListener("change", () => changed(k));
    label.append(input, element("span", "", text));
  });
  return value;
}

function askSlider(host, spec, value, changed) {
  const start = value ?? onStep(spec, (spec.low + spec.high) / 2);
  const row = host.appendChild(element("div", "slider")), input = row.appendChild(element("input")), said = row.appendChild(element("output"));
  Object.assign(input, { type: "range", min: spec.low, max: spec.high, step: spec.step, value: start });
  input.setAttribute("aria-label", spec.text);
  const say = () => {
    said.textContent = amount(input.valueAsNumber, spec.unit);
    input.setAttribute("aria-valuetext", said.textContent);
  };
  input.addEventListener("input", () => { say(); changed(input.valueAsNumber); });
  say();
  return start;
}

// Drawn: the point below the pointer follows it. With the keyboard each point is a slider of its own.
function askCurve(host, spec, value, changed) {
  const values = [...(value ?? spec.points.map(() => (spec.low + spec.high) / 2))];
  const { svg, x, y } = frame(spec), step = (spec.high - spec.low) / 20;
  svg.classList.add("draw");
  const line = add(svg, "polyline", { class: "said" });
  const dots = values.map((_, k) => {
    const dot = add(svg, "circle", { class: "grip", r: 9, cx: x(k), tabindex: 0, role: "slider", "aria-valuemin": spec.low, "aria-valuemax": spec.high, "aria-orientation": "vertical" });
    dot.setAttribute("aria-label", `${spec.along} ${spec.points[k]}`.trim());
    dot.addEventListener("keydown", (event) => {
      const by = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 4, PageDown: -4 }[event.key];
      if (by === undefined) return;
      event.preventDefault();
      event.stopPropagation(); // the player listens to arrows, too
      set(k, values[k] + by * step);
    });
    return dot;
  });
  const paint = () => {
    line.setAttribute("points", values.map((v, k) => `${x(k)},${y(v)}`).join(" "));
    dots.forEach((dot, k) => {
      dot.setAttribute("cy", y(values[k]));
      dot.setAttribute("aria-valuenow", Math.round(values[k] * 10) / 10);
      dot.setAttribute("aria-valuetext", amount(values[k], spec.unit));
    });
  };
  const set = (k, v) => {
    values[k] = Math.min(spec.high, Math.max(spec.low, v));
    paint();
    changed([...values]);
  };
  const follow = (event) => {
    const box = svg.getBoundingClientRect(), scale = WIDE / box.width;
    const at = (event.clientX - box.left) * scale, up = (event.clientY - box.top) * scale;
    const nearest = values.map((_, k) => Math.abs(x(k) - at)).reduce((best, gap, k, all) => (gap < all[best] ? k : best), 0);
    set(nearest, Math.round(spec.low + ((HIGH - BOTTOM - up) / (HIGH - BOTTOM - TOP)) * (spec.high - spec.low)));
  };
  svg.addEventListener("pointerdown", (event) => { svg.setPointerCapture(event.pointerId); follow(event); });
  svg.addEventListener("pointermove", (event) => event.buttons && follow(event));
  paint();
  host.append(svg);
  return values;
}

function showChoice(spec, value, result) {
  const lines = spec.options.map((text) => wrapped(text, 34));
  const high = lines.reduce((sum, each) => sum + 24 + 16 * each.length, 6);
  const svg = svgElement("svg", { viewBox: `0 0 ${WIDE} ${high}` });
  let at = 4;
  lines.forEach((text, k) => {
    const tall = 18 + 16 * text.length;
    add(svg, "rect", { class: k === result ? "is" : "option", x: 2, y: at, width: WIDE - 4, height: tall, rx: 6 });
    text.forEach((part, n) => add(svg, "text", { x: 12, y: at + 21 + 16 * n }, part));
    const marks = [...(k === value ? ["you said"] : []), ...(k === result ? ["so it is"] : [])].join(", ");
    if (marks) add(svg, "text", { class: "mark", x: WIDE - 12, y: at + 21, "text-anchor": "end" }, marks);
    at += tall + 6;
  });
  return svg;
}

function showSlider(spec, value, result) {
  const svg = svgElement("svg", { viewBox: `0 0 ${WIDE} 112` }), clip = (v) => Math.min(spec.high, Math.max(spec.low, v));
  const x = (v) => 24 + ((WIDE - 48) * (clip(v) - spec.low)) / (spec.high - spec.low);
  add(svg, "line", { class: "axis", x1: x(spec.low), x2: x(spec.high), y1: 56, y2: 56 });
  for (const end of [spec.low, spec.high]) add(svg, "text", { class: "tick", x: x(end), y: 106, "text-anchor": "middle" }, amount(end, spec.unit));
  const near = (v) => (x(v) < 90 ? "start" : x(v) > WIDE - 90 ? "end" : "middle");
  const label = (v, at, text, name) => add(svg, "text", { class: name, x: { start: 12, middle: x(v), end: WIDE - 12 }[near(v)], y: at, "text-anchor": near(v) }, text);
  if (value !== null) {
    add(svg, "line", { class: "gap", x1: x(value), x2: x(result), y1: 56, y2: 56 });
    add(svg, "circle", { class: "said-dot", cx: x(value), cy: 56, r: 8 });
    label(value, 30, `you said ${amount(value, spec.unit)}`, "said-text");
  }
  add(svg, "circle", { class: "is-dot", cx: x(result), cy: 56, r: 8 });
  label(result, 86, `it is ${amount(result, spec.unit)}`, "is-text");
  return svg;
}

function showCurve(spec, value, result) {
  const { svg, x, y } = frame(spec, [...result, ...(value ?? [])]);
  const points = (values) => values.map((v, k) => `${x(k)},${y(v)}`).join(" ");
  if (value) {
    add(svg, "polyline", { class: "said", points: points(value) });
    value.forEach((v, k) => add(svg, "circle", { class: "said-dot", cx: x(k), cy: y(v), r: 4 }));
  }
  add(svg, "polyline", { class: "is", points: points(result) });
  result.forEach((v, k) => add(svg, "circle", { class: "is-dot", cx: x(k), cy: y(v), r: 4 }));
  const said = value?.at(-1), is = result.at(-1), apart = value && Math.abs(y(said) - y(is)) > 16;
  const isLower = !apart || y(said) < y(is);
  const below = y(isLower ? is : said) + 18 < HIGH - BOTTOM ? 18 : -10; // not among the numbers of the axis
  const above = apart || below > 0 ? -10 : -24;
  const label = (v, off, text, name) => add(svg, "text", { class: name, x: WIDE - RIGHT, y: y(v) + off, "text-anchor": "end" }, text);
  if (value) label(said, isLower ? above : below, "you", "said-text");
  label(is, isLower ? below : above, "measured", "is-text");
  return svg;
}

function frame(spec) {
  const svg = svgElement("svg", { viewBox: `0 0 ${WIDE} ${HIGH}` });
  const x = (k) => LEFT + 12 + ((WIDE - LEFT - RIGHT - 24) * k) / (spec.points.length - 1);
  const y = (v) => TOP + ((HIGH - BOTTOM - TOP) * (spec.high - Math.min(spec.high, Math.max(spec.low, v)))) / (spec.high - spec.low);
  for (const share of [0, 0.25, 0.5, 0.75, 1]) {
    const v = spec.low + share * (spec.high - spec.low);
    add(svg, "line", { class: share ? "grid" : "axis", x1: LEFT, x2: WIDE - RIGHT, y1: y(v), y2: y(v) });
    if (share % 0.5 === 0) add(svg, "text", { class: "tick", x: LEFT - 6, y: y(v) + 4, "text-anchor": "end" }, `${v}${spec.unit === "%" ? " %" : ""}`);
  }
  spec.points.forEach((name, k) => add(svg, "text", { class: "tick", x: x(k), y: HIGH - 22, "text-anchor": "middle" }, name));
  add(svg, "text", { class: "tick", x: (LEFT + WIDE - RIGHT) / 2, y: HIGH - 4, "text-anchor": "middle" }, spec.along);
  return { svg, x, y };
}

function wrapped(text, most) {
  const lines = [""];
  for (const word of text.split(" ")) {
    if (lines.at(-1) && `${lines.at(-1)} ${word}`.length > most) lines.push(word);
    else lines[lines.length - 1] = `${lines.at(-1)} ${word}`.trim();
  }
  return lines;
}

function amount(value, unit) {
  const text = String(Number(value.toFixed(Math.abs(value) >= 10 ? 1 : 2)));
  return unit ? `${text}\u00a0${unit}` : text;
}

function onStep(spec, value) {
  return spec.low + Math.round((value - spec.low) / spec.step) * spec.step;
}
