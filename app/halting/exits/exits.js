// Early exit with a threshold that moves here, in the browser: for one image and for all test images at once, without a
// message to the server; where it comes to rest is reported once. The table under the curve is that curve in numbers.
// What it draws with is the player's (trace.js, drawing.js).

const TOP = 24, BOTTOM = 10; // pixels
let HEIGHT = 176; // less with a beamer
const LOW = 0.01, HIGH = 0.999, STEP = 0.01, FINE = 0.001, REST_MS = 400;

// `data` is what exits.py makes; `setStateValue(name, value)` tells Python what the learner chose.
function mountExits({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".exits");
  root.vitrmLeave?.();
  // For new data, another image say, the learner's threshold stays with the element.
  [HEIGHT, TALL] = data.present ? [104, 206] : [176, 268];
  const state = (root.vitrm ??= { threshold: data.start ?? data.threshold, chosen: data.start !== null });
  if (!state.chosen) state.threshold = data.threshold; // the checkpoint's own
  const slider = root.querySelector(".threshold");
  root.querySelector(".presets").replaceChildren(...data.presets.map(([value, name]) => {
    const button = element("button", "", `${level(value)} ${name}`);
    button.type = "button";
    button.dataset.threshold = value;
    return button;
  }));
  const one = data.one && { ...data.one, pixels: bytes(data.one.pixels) };
  root.querySelector(".one").hidden = one === null;
  root.querySelector(".body").classList.toggle("both", one !== null && data.all !== null);
  const views = [...(one ? [buildOne(root, one)] : []), ...(data.all ? [buildAll(root, decodeAll(data.all))] : [])];
  root.querySelector(".all").hidden = data.all === null;
  const stop = new AbortController();
  const on = (target, type, handler) => target.addEventListener(type, handler, { signal: stop.signal });
  let resting = null;

  function show(threshold) {
    state.threshold = Math.min(HIGH, Math.max(LOW, threshold));
    slider.value = state.threshold;
    slider.setAttribute("aria-valuetext", level(state.threshold));
    root.querySelector(".name output").textContent = level(state.threshold);
    for (const button of root.querySelectorAll("[data-threshold]")) {
      button.setAttribute("aria-pressed", String(Math.abs(Number(button.dataset.threshold) - state.threshold) < 5e-4));
    }
    for (const view of views) view.render(state.threshold);
    announce(state.threshold);
  }
  function rest() {
    clearTimeout(resting);
    resting = null;
    const own = Math.abs(state.threshold - data.threshold) < 5e-4;
    state.chosen = !own;
    happened("threshold moved", { to: state.threshold });
    setStateValue("threshold", own ? null : Number(state.threshold.toFixed(4)));
    writeAddress(data, state);
  }
  on(slider, "input", () => show(Number(slider.value)));
  on(slider, "change", rest);
  on(slider, "keydown", (event) => {
    const way = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    if (!way || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault(); // the slider's own step is the finest
    show(Number((state.threshold + way * (event.shiftKey ? FINE : STEP)).toFixed(3)));
    clearTimeout(resting);
    resting = setTimeout(rest, REST_MS);
  });
  on(slider, "blur", () => resting !== null && rest());
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
  on(svg, "pointermove", (event) => dragging && show(Number(views[0].thresholdAt(event).toFixed(3))));
  for (const end of ["pointerup", "pointercancel"]) { // cancelled: the page scrolls under the finger
    on(svg, end, () => {
      if (dragging) rest();
      dragging = false;
    });
  }
  const redraw = () => {
    root.dataset.theme = isDark(root) ? "dark" : "light";
    for (const view of views) view.layout();
    show(state.threshold);
  };
  const resize = new ResizeObserver(redraw);
  resize.observe(root.querySelector(".control")); // its width changes with the page's, its height only with its text
  redraw();
  writeAddress(data, state);
  root.classList.toggle("present", Boolean(data.present));
  if (data.present && root.getRootNode().activeElement === null) slider.focus({ preventScroll: true }); // the arrows are enough
  root.vitrmLeave = () => {
    clearTimeout(resting);
    stop.abort();
    resize.disconnect();
  };
  return root.vitrmLeave;
}

function writeAddress(data, state) {
  replaceAddress({ ...data.address, threshold: state.chosen ? String(Number(state.threshold.toFixed(4))) : null });
}

// One image: its halting probability step by step, and what it would answer at every exit.
function buildOne(root, data) {
  const find = (selector) => root.querySelector(selector);
  const steps = data.halt.length, svg = find(".chart"), scroll = find(".scroll");
  const answers = data.probs.map(largest);
  drawImage(find(".image"), { ...data, glimpse: false });
  find(".image").setAttribute("aria-label", data.label === null ? "The image" : `The image, true class ${data.classes[data.label]}`);
  find(".truth").textContent = data.label === null ? "" : `true class: ${data.classes[data.label]}`;

  const head = element("tr"), body = find("tbody");
  head.append(element("th", "", "after step"), ...each(steps, (n) => element("th", "", String(n + 1))));
  for (const cell of head.cells) cell.scope = "col";
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
      const right = judged(data, answers[n]);
      const cell = element("td", right, data.classes[answers[n]] + MARKS[right]);
      if (right) cell.title = right;
      return cell;
    }),
    row("sure of it, %", (n) => element("td", "", hundredths(data.probs[n][answers[n]]))),
    row("halting probability", (n) => element("td", "", digits(data.halt[n]))),
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
      const line = 7 * widest + 20, word = Math.min(6 * widest + 4, 74); // a class with its mark beside it, or below
      const space = scroll.clientWidth;
      gutter = space < 420 ? 66 : 76;
      column = Math.max(Math.min(line, 74), 40, (space - gutter) / steps);
      if (steps <= data.trainedSteps && gutter + 6 * 32 <= space) column = Math.max(32, word, (space - gutter) / steps);
      width = gutter + column * steps;
      const over = width > space + 1;
      scroll.classList.toggle("over", over);
      find(".more").hidden = !over;
      find(".more").textContent = over ? `${steps} steps: scroll the figure sideways, or move the threshold; it follows.` : "";
      const table = find("table");
      table.classList.toggle("tight", column < 44);
      table.classList.toggle("below", column < line);
      table.style.width = `${width}px`;
      head.firstChild.style.width = `${gutter}px`;
      svg.style.width = `${width}px`;
      svg.replaceChildren();
      if (steps > data.trainedSteps) {
        const left = gutter + column * data.trainedSteps;
        add(svg, "rect", { class: "beyond", x: left, y: 0, width: width - left, height: HEIGHT });
        add(svg, "text", { x: left + 6, y: HEIGHT - 14 }, `beyond ${data.trainedSteps} in a row`);
      }
      for (const p of [0, 0.5, 1]) {
        add(svg, "line", { class: "axis", x1: gutter, x2: width, y1: y(p), y2: y(p) });
        add(svg, "text", { x: gutter - 6, y: y(p) + 4, "text-anchor": "end" }, String(p));
      }
      add(svg, "text", { class: "axis-name", x: gutter, y: 13 }, "halting probability");
      parts.path = (to) => linePath(each(to, (n) => [x(n), y(data.halt[n])]));
      parts.unrun = add(svg, "path", { class: "curve unrun", d: parts.path(steps) });
      parts.run = add(svg, "path", { class: "curve" });
      parts.dots = data.halt.map((p, n) => add(svg, "circle", { class: "dot", cx: x(n), cy: y(p), r: 5 }));
      parts.cross = add(svg, "path", { class: "cross" });
      parts.limit = add(svg, "line", { class: "limit", x1: gutter, x2: width });
      parts.name = add(svg, "text", { class: "limit-name", x: 0 });
      parts.grip = add(svg, "line", { class: "grip", x1: 0, x2: width });
    },
    thresholdAt(event) {
      const top = svg.getBoundingClientRect().top;
      return 1 - (event.clientY - top - TOP) / (HEIGHT - TOP - BOTTOM);
    },
    render(threshold) {
      const exit = exitStep(data.halt, threshold), never = !(data.halt[exit] > threshold);
      const right = judged(data, answers[exit]);
      for (const name of ["right", "wrong"]) root.classList.toggle(name, right === name);
      parts.run.setAttribute("d", parts.path(exit + 1));
      parts.dots.forEach((dot, n) => {
        dot.classList.toggle("unrun", n > exit);
        dot.classList.toggle("stop", n === exit);
        dot.setAttribute("r", n === exit ? 8 : 5);
      });
      const [left, up] = [x(exit), y(data.halt[exit])];
      parts.cross.setAttribute("d", `M${left - 4} ${up - 4}l8 8m0 -8l-8 8`);
      for (const line of [parts.limit, parts.grip]) for (const end of ["y1", "y2"]) line.setAttribute(end, y(threshold));
      parts.name.setAttribute("y", y(threshold) + 4);
      parts.name.textContent = `▸ ${level(threshold)}`;
      for (const line of rows) {
        for (let n = 0; n < steps; n++) {
          line.cells[n + 1].classList.toggle("exit", n === exit);
          line.cells[n + 1].classList.toggle("unrun", n > exit);
        }
      }
      if (scroll.classList.contains("over")) { // the exit stays in view
        const far = x(exit) + column - scroll.clientWidth, near = x(exit) - column - gutter;
        scroll.scrollLeft = Math.max(far, Math.min(scroll.scrollLeft, Math.max(0, near)));
      }
      const badge = find(".badge"), all = exit === steps - 1;
      const where = all ? `ran all ${steps} step${steps > 1 ? "s" : ""}` : `stopped at ${exit + 1} of ${steps}`;
      badge.textContent = right ? `${where}: ${right}${MARKS[right]}` : where;
      find(".verdict span").textContent = sentence(data, answers, exit, never);
      const curve = data.halt.map((p, n) => `${digits(p)} after step ${n + 1}`).join(", ");
      svg.setAttribute("aria-label", `Halting probability: ${curve}. Threshold ${level(threshold)}: ${badge.textContent}.`);
    },
  };
}

const MARKS = { right: " ✓", wrong: " ✗", "": "" };

function judged(data, answer) {
  return data.label === null ? "" : answer === data.label ? "right" : "wrong";
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

// In percent, where the row says so; 100 only for all of it
function hundredths(p) {
  return p >= 0.995 && p < 1 ? ">99" : String(Math.round(100 * p));
}
