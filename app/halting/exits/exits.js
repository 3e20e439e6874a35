// Early exit for one image: the threshold moves here, in the browser, and everything follows without a message to the
// server; where it comes to rest is reported once. The table under the curve is that curve in numbers. What it draws
// with is the player's (trace.js, drawing.js).

const HEIGHT = 184, TOP = 24, BOTTOM = 10; // pixels

// `sent` is what exits.py makes; `setStateValue(name, value)` tells Python what the learner chose.
function mountExits({ data: sent, parentElement, setStateValue }) {
  const data = { ...sent, pixels: bytes(sent.pixels) };
  const root = parentElement.querySelector(".exits");
  root.vitrmLeave?.();
  // For new data, another image say, the learner's threshold stays with the element.
  const state = (root.vitrm ??= { threshold: data.start ?? data.threshold, chosen: data.start !== null });
  if (!state.chosen) state.threshold = data.threshold; // the checkpoint's own
  const slider = root.querySelector(".threshold");
  const view = build(root, data);
  const stop = new AbortController();
  const on = (target, type, handler) => target.addEventListener(type, handler, { signal: stop.signal });

  function show(threshold) {
    state.threshold = Math.min(0.999, Math.max(0.01, threshold));
    slider.value = state.threshold;
    view.render(state.threshold);
  }
  function rest() {
    const own = Math.abs(state.threshold - data.threshold) < 5e-4;
    state.chosen = !own;
    setStateValue("threshold", own ? null : Number(state.threshold.toFixed(4)));
    writeAddress(data, state);
  }
  on(slider, "input", () => show(Number(slider.value)));
  on(slider, "change", rest);
  on(root, "click", (event) => {
    const preset = event.target.closest("[data-threshold]");
    if (!preset) return;
    show(Number(preset.dataset.threshold));
    rest();
  });
  const svg = root.querySelector(".chart");
  let dragging = false;
  on(svg, "pointerdown", (event) => {
    if (!event.target.classList.contains("grip")) return;
    dragging = true;
    svg.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  on(svg, "pointermove", (event) => dragging && show(view.thresholdAt(event)));
  on(svg, "pointerup", () => {
    if (dragging) rest();
    dragging = false;
  });
  const redraw = () => {
    root.dataset.theme = isDark(root) ? "dark" : "light";
    view.layout();
    show(state.threshold);
  };
  const resize = new ResizeObserver(redraw);
  resize.observe(root.querySelector(".top")); // its width changes with the page's, its height only with its text
  redraw();
  writeAddress(data, state);
  root.vitrmLeave = () => {
    stop.abort();
    resize.disconnect();
  };
  return root.vitrmLeave;
}

function writeAddress(data, state) {
  replaceAddress({ ...data.address, threshold: state.chosen ? String(Number(state.threshold.toFixed(4))) : null });
}

function build(root, data) {
  const find = (selector) => root.querySelector(selector);
  const steps = data.halt.length, svg = find(".chart"), scroll = find(".scroll");
  const answers = data.probs.map(largest);
  const last = data.cost[steps - 1];
  drawImage(find(".image"), { ...data, glimpse: false });
  find(".image").setAttribute("aria-label", data.label === null ? "The image" : `The image, a ${data.classes[data.label]}`);
  find(".truth").textContent = data.label === null ? "" : `true class: ${data.classes[data.label]}`;
  find(".presets").replaceChildren(...data.presets.map(([value, name]) => {
    const button = element("button", "", `${digits(value)} ${name}`);
    button.type = "button";
    button.dataset.threshold = value;
    return button;
  }));

  const head = element("tr"), body = find("tbody");
  head.append(element("th", "", "after step"), ...each(steps, (n) => element("th", "", String(n + 1))));
  head.firstChild.scope = "row";
  find("thead").replaceChildren(head);
  const row = (name, cell) => {
    const line = element("tr");
    line.append(Object.assign(element("th", "", name), { scope: "row" }), ...each(steps, cell));
    return line;
  };
  const seenAt = (n) => new Set(data.patches.slice(0, n + 1).flat());
  body.replaceChildren(
    ...(data.glimpse ? [row("has seen", (n) => {
      const cell = element("td"), canvas = cell.appendChild(element("canvas"));
      drawImage(canvas, data, seenAt(n), new Set());
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", `${seenAt(n).size} patches`);
      return cell;
    })] : []),
    row("answers", (n) => {
      const right = data.label === null ? "" : answers[n] === data.label ? "right" : "wrong";
      const mark = { right: " ✓", wrong: " ✗" }[right] ?? "";
      const cell = element("td", right, data.classes[answers[n]] + mark);
      if (right) cell.title = right;
      return cell;
    }),
    row("sure of it, %", (n) => element("td", "", hundredths(data.probs[n][answers[n]]))),
    row("halting probability", (n) => element("td", "", digits(data.halt[n]))),
    row("share of the work, %", (n) => element("td", "", hundredths(data.cost[n] / last))),
  );
  const rows = [head, ...body.rows];
  for (const line of rows) {
    for (let n = 0; n < steps; n++) line.cells[n + 1].classList.toggle("beyond", n >= data.trainedSteps);
  }

  let width = 0, column = 0, gutter = 0;
  const x = (n) => gutter + column * (n + 0.5);
  const y = (p) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - p);
  const parts = {};
  return {
    layout() {
      const widest = Math.max(...data.classes.map((name) => name.length));
      gutter = scroll.clientWidth < 420 ? 66 : 84;
      column = Math.max(steps > 12 ? 40 : 32, 7 * widest + 20, (scroll.clientWidth - gutter) / steps);
      width = gutter + column * steps;
      const table = find("table");
      table.classList.toggle("tight", column < 44);
      table.style.width = `${width}px`;
      head.firstChild.style.width = `${gutter}px`;
      svg.style.width = `${width}px`;
      svg.replaceChildren();
      if (steps > data.trainedSteps) {
        const left = gutter + column * data.trainedSteps;
        add(svg, "rect", { class: "beyond", x: left, y: 0, width: width - left, height: HEIGHT });
        add(svg, "text", { x: left + 6, y: HEIGHT - 14 }, "beyond training");
      }
      for (const p of [0, 0.5, 1]) {
        add(svg, "line", { class: "axis", x1: gutter, x2: width, y1: y(p), y2: y(p) });
        add(svg, "text", { x: gutter - 6, y: y(p) + 4, "text-anchor": "end" }, String(p));
      }
      add(svg, "text", { class: "axis-name", x: gutter, y: 13 }, "halting probability");
      const path = (from, to) => each(to - from, (k) => `${k ? "L" : "M"}${x(from + k).toFixed(1)} ${y(data.halt[from + k]).toFixed(1)}`).join("");
      parts.unrun = add(svg, "path", { class: "curve unrun", d: path(0, steps) });
      parts.run = add(svg, "path", { class: "curve" });
      parts.path = path;
      parts.dots = data.halt.map((p, n) => add(svg, "circle", { class: "dot", cx: x(n), cy: y(p), r: 5 }));
      parts.limit = add(svg, "line", { class: "limit", x1: gutter, x2: width });
      parts.name = add(svg, "text", { class: "limit-name", x: 0 });
      parts.grip = add(svg, "line", { class: "grip", x1: 0, x2: width });
    },
    thresholdAt(event) {
      const top = svg.getBoundingClientRect().top;
      return 1 - (event.clientY - top - TOP) / (HEIGHT - TOP - BOTTOM);
    },
    render(threshold) {
      const found = data.halt.findIndex((p) => p > threshold);
      const exit = found < 0 ? steps - 1 : found;
      find("output").textContent = digits(threshold);
      find(".threshold").setAttribute("aria-valuetext", digits(threshold));
      for (const button of root.querySelectorAll("[data-threshold]")) {
        button.setAttribute("aria-pressed", String(Math.abs(Number(button.dataset.threshold) - threshold) < 5e-4));
      }
      parts.run.setAttribute("d", parts.path(0, exit + 1));
      parts.dots.forEach((dot, n) => {
        dot.classList.toggle("unrun", n > exit);
        dot.setAttribute("r", n === exit ? 8 : 5);
      });
      for (const line of [parts.limit, parts.grip]) for (const end of ["y1", "y2"]) line.setAttribute(end, y(threshold));
      parts.name.setAttribute("y", y(threshold) + 4);
      parts.name.textContent = `▸ ${digits(threshold)}`;
      for (const line of rows) {
        for (let n = 0; n < steps; n++) {
          line.cells[n + 1].classList.toggle("exit", n === exit);
          line.cells[n + 1].classList.toggle("unrun", n > exit);
        }
      }
      const badge = find(".badge"), all = exit === steps - 1;
      badge.classList.toggle("all", all);
      badge.textContent = all ? `ran all ${steps} step${steps > 1 ? "s" : ""}` : `stopped at ${exit + 1} of ${steps}`;
      find(".verdict span").textContent = sentence(data, answers, exit, found < 0);
      const curve = data.halt.map((p, n) => `${digits(p)} after step ${n + 1}`).join(", ");
      svg.setAttribute("aria-label", `Halting probability: ${curve}. Threshold ${digits(threshold)}: ${badge.textContent}.`);
    },
  };
}

// What this exit saves, and what it costs: in words, because that is the lesson.
function sentence(data, answers, exit, never) {
  const steps = data.halt.length, name = (n) => data.classes[answers[n]];
  const right = data.label === null ? "" : answers[exit] === data.label ? ", which is right" : ", which is wrong";
  const answer = `It answers ${name(exit)} (${percent(data.probs[exit][answers[exit]])})${right}.`;
  const beyond = exit >= data.trainedSteps ? ` It was trained on ${data.trainedSteps} steps only.` : "";
  if (never) return `The threshold was never passed, so nothing is saved. ${answer}${beyond}`;
  if (exit === steps - 1) return `The threshold is passed at the last step only, so nothing is saved. ${answer}${beyond}`;
  const saved = percent(1 - data.cost[exit] / data.cost[steps - 1]);
  const rest = steps - 1 - exit;
  const work = `Saves ${rest} of ${steps} steps and ${saved} of the multiply-adds.`;
  const later = answers[steps - 1] === answers[exit]
    ? "Running every step would have ended with the same answer."
    : `Running every step would have ended with ${name(steps - 1)}` +
      (data.label === null ? "." : answers[steps - 1] === data.label ? ", which is right." : ", which is wrong.");
  return `${work} ${answer} ${later}${beyond}`;
}

function each(count, make) {
  return Array.from({ length: count }, (_, n) => make(n));
}

// In percent, where the row says so; 100 only for all of it
function hundredths(p) {
  return p >= 0.995 && p < 1 ? ">99" : String(Math.round(100 * p));
}

// Two digits, more near 1, where halting probabilities crowd.
function digits(p) {
  return p.toFixed(p > 0.9895 ? 3 : 2);
}
