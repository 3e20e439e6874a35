// How the evidence arrives: what has been seen after each supervision step, and what that did to the answer. Where the
// learner predicts, nothing of steps that have not been reached.

function glimpsesPanel(host, model, { go, chosen: state }) {
  host.append(element("h2", "", "How the evidence arrives"));
  if (!model.glimpse) {
    host.append(element("p", "note", "This model reads the whole image at every step: there are no glimpses to follow."));
    return { layout() {}, draw() {} };
  }
  const total = (model.imageSize / model.patchSize) ** 2;
  const steps = Array.from({ length: model.steps }, (_, n) => {
    const seen = new Set(model.patches.slice(0, n + 1).flat()), readout = (n + 1) * model.recursions * model.memory - 1;
    const probs = probabilities(model, readout), best = largest(probs);
    return { n, seen, readout, probs, best, share: seen.size / total, halt: model.halt[readout], end: (n + 1) * model.perStep };
  });
  const isKnown = (step) => !model.predict || state.reached >= step.end;
  const strip = host.appendChild(element("div", "strip"));
  const frames = steps.map((step) => {
    const button = strip.appendChild(element("button", "frame")), canvas = button.appendChild(element("canvas", "small"));
    const answered = button.appendChild(element("span", "answered"));
    button.prepend(canvas, element("span", "", percent(step.share)));
    button.addEventListener("click", () => go(step.end));
    return { button, canvas, answered };
  });
  const figure = host.appendChild(element("figure"));
  figure.append(element("figcaption", "", "Probabilities against the share of the image seen"));
  const svg = figure.appendChild(svgElement("svg", { class: "chart evidence", role: "img" }));
  const legend = figure.appendChild(element("div", "legend"));
  const lines = [
    ...model.shown.map((c, k) => ({ name: model.classes[c], color: `var(--class-${k})`, dash: EVIDENCE_DASHES[k], of: (step) => step.probs[c] })),
    { name: "halting probability", color: "var(--y)", dash: "1 4", wide: true, of: (step) => step.halt },
  ];
  for (const line of lines) {
    const entry = legend.appendChild(element("span"));
    const key = entry.appendChild(svgElement("svg", { viewBox: "0 0 26 8", width: 26, height: 8, "aria-hidden": "true" }));
    add(key, "line", { x1: 1, x2: 25, y1: 4, y2: 4, style: `stroke:${line.color};stroke-width:${line.wide ? 4 : 2.25}`, "stroke-dasharray": line.dash, "stroke-linecap": line.wide ? "round" : "butt" });
    entry.append(line.name);
  }
  figure.append(element("p", "note",
    "Each point is the read-out that ends a supervision step. Below it stands how much of the image has been seen by then; a share that " +
    "stays the same means that patches were read again. One draw of one image: another order may go another way, and a probability " +
    "that grows is not yet a right answer."));
  numbersBehind(figure, "evidence", () => [
    ["supervision step", "seen, %", "answer", "halting probability", ...model.shown.map((c) => `P(${model.classes[c]}), %`)],
    ...steps.filter(isKnown).map((step) => [step.n + 1, Math.round(100 * step.share), model.classes[step.best], step.halt.toFixed(3),
      ...model.shown.map((c) => (100 * step.probs[c]).toFixed(1))]),
  ]);
  let cursor = null, past = null, x = null, now = 0;
  const place = () => {
    const known = steps.filter(isKnown), first = known[0], final = known.at(-1);
    cursor?.setAttribute("transform", `translate(${x(now)} 0)`);
    cursor?.setAttribute("visibility", now < 0 ? "hidden" : "visible");
    past?.setAttribute("width", final ? x(final.n) + 5 : 0);
    const said = (step) => `${percent(step.share)} of the image it answers ${model.classes[step.best]} (${percent(step.probs[step.best])}, halting probability ${step.halt.toFixed(2)})`;
    svg.setAttribute("aria-label", !final ? "Nothing has been computed yet."
      : `With ${said(first)}${final === first ? "" : `; after ${countOf(final.n + 1, "step")}, with ${said(final)}`}.`);
  };
  return {
    layout() {
      frames.forEach(({ canvas }, n) => drawImage(canvas, model, steps[n].seen, new Set(model.patches[n])));
      const width = svg.clientWidth || 320, left = 34, right = 12, top = 14, bottom = 190;
      x = (n) => left + ((width - left - right) * (n + 0.5)) / model.steps;
      const y = (p) => top + (bottom - top) * (1 - p);
      svg.replaceChildren();
      for (const p of [0, 0.5, 1]) {
        add(svg, "line", { class: "axis", x1: left, x2: width - right, y1: y(p), y2: y(p) });
        add(svg, "text", { x: left - 6, y: y(p) + 4, "text-anchor": "end" }, String(p));
      }
      if (model.steps > model.trainedSteps) {
        const start = x(model.trainedSteps - 0.5);
        add(svg, "rect", { class: "beyond", x: start, y: top, width: width - right - start, height: bottom - top });
      }
      steps.forEach((step) => {
        if (model.steps <= 12 || step.n % 4 === 3) add(svg, "text", { x: x(step.n), y: bottom + 16, "text-anchor": "middle" }, percent(step.share));
      });
      add(svg, "text", { x: (left + width - right) / 2, y: bottom + 34, "text-anchor": "middle" }, "share of the image seen, a point for each step");
      const clip = add(add(svg, "defs", {}), "clipPath", { id: "evidence-known" });
      past = add(clip, "rect", { x: 0, y: 0, width: 0, height: bottom + 6 });
      const drawn = add(svg, "g", { "clip-path": "url(#evidence-known)" });
      for (const line of [...lines].reverse()) {
        const path = linePath(steps.map((step) => [x(step.n), y(line.of(step))]));
        add(drawn, "path", { class: "curve", d: path, style: `stroke:${line.color}${line.wide ? ";stroke-width:4;stroke-linecap:round" : ""}`, "stroke-dasharray": line.dash });
        for (const step of steps) add(drawn, "circle", { cx: x(step.n), cy: y(line.of(step)), r: line.wide ? 4 : 3, style: `fill:${line.color}` });
      }
      cursor = add(svg, "line", { class: "cursor", x1: 0, x2: 0, y1: top - 4, y2: bottom });
      place();
    },
    draw(at) {
      now = at.n;
      frames.forEach(({ button, answered }, n) => {
        const step = steps[n], known = isKnown(step), name = model.classes[step.best];
        answered.textContent = known ? name : "?";
        button.title = known ? name : "";
        button.setAttribute("aria-label", `Go to supervision step ${n + 1}: ${percent(step.share)} of the image seen` +
          (known ? `, it answers ${name} (${percent(step.probs[step.best])}).` : "."));
        button.classList.toggle("now", n === now);
        button.setAttribute("aria-current", n === now ? "step" : "false");
      });
      place();
      refreshNumbers(figure);
    },
  };
}

const EVIDENCE_DASHES = ["", "7 3", "2 3", "9 3 2 3", "4 2"];
