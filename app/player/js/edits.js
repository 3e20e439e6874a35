// Change one thing and run again: what the edited thing was worth

function editsPanel(host, model, { chosen, choose }) {
  const { tokens, original, edited, choices } = model.edits;
  const across = model.imageSize / model.patchSize;
  const edit = parseEdit(chosen.edit, across * across, tokens); // what the learner chose last, though its run may not have arrived yet
  host.append(element("h2", "", "Change one thing, and see what it was worth"));
  const grid = host.appendChild(element("div", "pair"));
  const left = grid.appendChild(element("figure"));
  left.append(element("figcaption", "", "Hide patches (click)"));
  const map = left.appendChild(element("div", "hide-grid"));
  const pixel = Math.max(1, Math.floor((232 - 2 * (across - 1)) / model.imageSize)); // a whole number of the screen's
  map.style.gridTemplateColumns = `repeat(${across}, ${pixel * model.patchSize}px)`;
  const paints = []; // each shows on a control what is chosen: at once, what the model makes of it comes later
  const paint = () => paints.forEach((each) => each());
  const send = () => {
    paint();
    if (edit.hidden.size) happened("patches hidden", { count: edit.hidden.size });
    if (edit.zeroed.size || edit.frozen.size || edit.shuffled) {
      happened("memory changed", { count: edit.zeroed.size + edit.frozen.size, shuffled: edit.shuffled });
    }
    choose("edit", formatEdit(edit));
    draw(now);
  };
  for (let patch = 0; patch < across * across; patch++) {
    const button = map.appendChild(element("button"));
    button.setAttribute("aria-label", `Hide the patch in ${patchPlace(model, patch)}`);
    paints.push(() => {
      const isHidden = edit.hidden.has(patch);
      button.classList.toggle("on", isHidden);
      button.textContent = isHidden ? "×" : "";
      button.setAttribute("aria-pressed", isHidden);
    });
    button.style.backgroundImage = `url(${patchImage(model, patch)})`;
    button.addEventListener("click", () => { toggle(edit.hidden, patch); send(); });
  }
  left.append(element("p", "note", "A hidden patch gets the mean colour of the training images; everything else stays as it is."));
  const right = grid.appendChild(element("figure"));
  right.append(element("figcaption", "", "Memory tokens (click: zero it, freeze it, leave it)"));
  const chips = right.appendChild(element("div", "chips"));
  for (let k = 0; k < tokens; k++) {
    const button = chips.appendChild(element("button"));
    paints.push(() => {
      const kind = edit.zeroed.has(k) ? "zero" : edit.frozen.has(k) ? "frozen" : "";
      button.className = kind;
      button.textContent = `${k + 1}${kind && ` ${kind}`}`;
      button.setAttribute("aria-label", `Memory token ${k + 1}: ${kind || "as it is"}`);
    });
    button.addEventListener("click", () => {
      if (edit.zeroed.delete(k)) edit.frozen.add(k);
      else if (!edit.frozen.delete(k)) edit.zeroed.add(k);
      send();
    });
  }
  const more = right.appendChild(element("div", "chips"));
  const shuffle = more.appendChild(element("button", "", "Shuffle all tokens"));
  shuffle.addEventListener("click", () => { edit.shuffled = !edit.shuffled; send(); });
  const reset = more.appendChild(element("button", "", "Undo all"));
  paints.push(() => {
    shuffle.classList.toggle("on", edit.shuffled);
    shuffle.setAttribute("aria-pressed", edit.shuffled);
    reset.disabled = !formatEdit(edit);
  });
  reset.addEventListener("click", () => { Object.assign(edit, parseEdit("", 0, 0)); send(); });
  right.append(element("p", "note", "After every memory update a zeroed token is set to 0, a frozen one put back to its learned start, and shuffled ones change places."));
  right.append(element("figcaption", "", "How often each update runs"));
  const counts = right.appendChild(element("div", "chips"));
  for (const [letter, name] of [["n", "Supervision steps, N"], ["t", "Recursion steps, T"], ["m", "Memory iterations, M"]]) {
    const own = model.shape["ntm".indexOf(letter)];
    const label = counts.appendChild(element("label", "", `${name} `));
    const box = label.appendChild(element("select", `choose-${letter}`));
    choices[letter].forEach((count) => box.append(Object.assign(element("option", "", `${count}${count === own ? " (as it is)" : ""}`), { value: count })));
    paints.push(() => (box.value = edit.counts[letter] ?? own));
    box.addEventListener("change", () => {
      if (Number(box.value) === own) delete edit.counts[letter];
      else edit.counts[letter] = Number(box.value);
      send();
    });
  }
  paint();
  const said = host.appendChild(element("p", "said"));
  const results = host.appendChild(element("div", "pair wide"));
  const table = results.appendChild(element("figure")).appendChild(element("table", "compare"));
  const curves = results.appendChild(element("figure"));
  const before = runOf(original), after = edited && runOf(edited);
  const shown = after ? formatEdit(parseEdit(model.edits.edit, across * across, tokens)) : ""; // the edit of that run
  let now = null;
  const first = largest(at(before, { n: before.shape[0] - 1, t: before.shape[1], m: before.shape[2], isAnswer: true }).probs);
  if (after) compareCurves(curves, model, before, after, first);

  function runOf(run) {
    return { shape: run.shape, probs: floats(run.probs), halt: floats(run.halt) };
  }
  // The same moment in a run that may be longer or shorter; null where it has none
  function at(run, place) {
    const [steps, recursions, memory] = run.shape;
    if (place.n >= steps) return null;
    const t = Math.min(place.t, recursions - 1), m = place.isAnswer ? memory - 1 : Math.min(place.m, memory - 1);
    const readout = (place.n * recursions + (place.isAnswer ? recursions - 1 : t)) * memory + m, c = model.classes.length;
    const probs = run.probs.subarray(readout * c, (readout + 1) * c);
    return { probs, best: largest(probs), halt: run.halt[readout] };
  }
  function draw(place) {
    now = place;
    const wanted = formatEdit(edit), isThere = after && wanted === shown;
    const one = at(before, place), two = isThere ? at(after, place) : null;
    const name = model.classes[one.best];
    const cell = (value) => (two ? value(two) : "–");
    const rows = [
      ["at this point", "as it is", "edited"],
      ["answer", model.classes[one.best], cell((run) => model.classes[run.best])],
      [`probability of ${name}`, percentFine(one.probs[one.best]), cell((run) => percentFine(run.probs[one.best]))],
      ["halting probability", one.halt.toFixed(3), cell((run) => run.halt.toFixed(3))],
    ];
    const patches = attentionToPatches(model, place, edit.hidden);
    if (edit.hidden.size) rows.push(["attention to the hidden patches (last layer, mean of heads and tokens)", patches === null ? "not read in this step" : percentFine(patches), ""]);
    const changed = [...edit.zeroed, ...edit.frozen];
    if (changed.length && model.attention) rows.push(["attention of the answer to the changed tokens (last layer, mean of heads)", percentFine(attentionOfAnswer(model, place, changed)), ""]);
    table.replaceChildren(...rows.map((row, r) => {
      const line = element("tr");
      row.forEach((text, k) => line.append(element(r === 0 || k === 0 ? "th" : "td", "", text)));
      return line;
    }));
    if (two) {
      said.textContent = `At this point the edit moves the probability of ${name} by ${signed(100 * (two.probs[one.best] - one.probs[one.best]))} points ` +
        `and the halting probability by ${signed(two.halt - one.halt, 3)}. Bear in mind that the model was not trained on edited images, states or numbers of steps.`;
    } else if (isThere) {
      said.textContent = `The edited run ends after supervision step ${after.shape[0]}: there is nothing to compare with here.`;
    } else if (wanted) {
      said.textContent = "The model runs again with this edit …";
    } else {
      said.textContent = "Nothing is changed yet. Hide a patch that gets much attention, then one that gets little: which of them moves the answer?";
    }
    refreshNumbers(host);
  }
  return { layout() {}, draw };
}

// Both runs over the supervision steps: the class that the unedited run ends with, and the halting probability
function compareCurves(host, model, before, after, target) {
  host.append(element("figcaption", "", "Over the supervision steps: as it is (solid), edited (dashed)"));
  const svg = host.appendChild(svgElement("svg", { class: "chart small", role: "img", viewBox: "0 0 360 190" }));
  const steps = Math.max(before.shape[0], after.shape[0]), classes = model.classes.length;
  const ends = (run, value) => Array.from({ length: run.shape[0] }, (_, n) => value(run, (n + 1) * run.shape[1] * run.shape[2] - 1));
  const x = (n) => 34 + (318 * (n + 0.5)) / steps;
  const lanes = [
    { name: `probability of ${model.classes[target]}`, top: 18, value: (run, r) => run.probs[r * classes + target], color: "var(--class-0)" },
    { name: "halting probability", top: 104, value: (run, r) => run.halt[r], color: "var(--y)" },
  ];
  const rows = [["supervision step"], ...Array.from({ length: steps }, (_, n) => [n + 1])];
  for (const { name, top, value, color } of lanes) {
    const y = (v) => top + 56 * (1 - v);
    add(svg, "text", { class: "lane-name", x: 34, y: top - 6 }, name);
    for (const tick of [0, 1]) {
      add(svg, "line", { class: "axis", x1: 34, x2: 352, y1: y(tick), y2: y(tick) });
      add(svg, "text", { x: 28, y: y(tick) + 4, "text-anchor": "end" }, String(tick));
    }
    for (const [run, dash, said] of [[before, "", "as it is"], [after, "5 4", "edited"]]) {
      const values = ends(run, value);
      add(svg, "path", { class: "curve", d: linePath(values.map((v, n) => [x(n), y(v)])), style: `stroke:${color}`, "stroke-dasharray": dash });
      values.forEach((v, n) => add(svg, "circle", { cx: x(n), cy: y(v), r: 3, style: `fill:${color};opacity:${dash ? 0.6 : 1}` }));
      rows[0].push(`${name}, ${said}`);
      for (let n = 0; n < steps; n++) rows[n + 1].push(n < values.length ? values[n].toFixed(3) : "–");
    }
  }
  for (let n = 0; n < steps; n++) if (steps <= 16 || n % 4 === 3) add(svg, "text", { x: x(n), y: 176, "text-anchor": "middle" }, String(n + 1));
  add(svg, "text", { x: 193, y: 189, "text-anchor": "middle" }, "supervision step");
  const last = rows.at(-1);
  svg.setAttribute("aria-label", `After supervision step ${steps}: ${rows[0].slice(1).map((name, k) => `${name} ${last[k + 1]}`).join("; ")}.`);
  numbersBehind(host, "edit", () => rows);
}

function attentionToPatches(model, place, hidden) {
  const a = model.attention;
  if (!a) return null;
  const read = model.patches[place.n].map((patch, s) => (hidden.has(patch) ? s : -1)).filter((s) => s >= 0);
  if (!read.length) return null;
  let total = 0;
  for (let h = 0; h < a.heads; h++) {
    for (let k = 0; k < a.tokens; k++) {
      for (const s of read) total += a.toPatches[(((place.readout * a.depth + a.depth - 1) * a.heads + h) * a.tokens + k) * a.reads + s];
    }
  }
  return total / (a.heads * a.tokens) / a.one;
}

function attentionOfAnswer(model, place, tokens) {
  const a = model.attention;
  let total = 0;
  for (let h = 0; h < a.heads; h++) {
    for (const k of tokens) total += a.ofAnswer[((place.readout * a.depth + a.depth - 1) * a.heads + h) * (1 + a.tokens) + 1 + k];
  }
  return total / a.heads / a.one;
}

// "p3,7;z0;f2;s;n12;t2;m1": hidden patches, zeroed and frozen tokens, shuffled, numbers of steps
function parseEdit(text, patches, tokens) {
  const parts = text.split(";");
  const list = (letter, count) => {
    const part = parts.find((each) => each[0] === letter) ?? "";
    return new Set(part.slice(1).split(",").filter(Boolean).map(Number).filter((k) => k < count)); // another model may have fewer
  };
  const counts = {};
  for (const letter of "ntm") {
    const part = parts.find((each) => each[0] === letter);
    if (part) counts[letter] = Number(part.slice(1));
  }
  return { hidden: list("p", patches), zeroed: list("z", tokens), frozen: list("f", tokens), shuffled: parts.includes("s"), counts };
}

function formatEdit(edit) {
  const part = (letter, set) => (set.size ? [letter + [...set].sort((a, b) => a - b).join(",")] : []);
  return [
    ...part("p", edit.hidden), ...part("z", edit.zeroed), ...part("f", edit.frozen), ...(edit.shuffled ? ["s"] : []),
    ...Object.entries(edit.counts).map(([letter, count]) => `${letter}${count}`),
  ].join(";");
}

function toggle(set, value) {
  if (!set.delete(value)) set.add(value);
}
