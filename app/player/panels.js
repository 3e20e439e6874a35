// Extra views of the player. Each is made once for a trace and then follows the position:
// panel(host, model, { chosen, choose, go }) -> { draw(place, position), layout() }. `chosen` outlives new data.

const PANEL_MAKERS = { equations: equationsPanel, memory: memoryPanel, attention: attentionPanel, edits: editsPanel };

// What is being computed: the equation, the shapes, and the core's own lines

function equationsPanel(host, model) {
  host.append(element("h4", "", "What is being computed"));
  const list = host.appendChild(element("ol", "equations"));
  const rows = model.equations.map((equation) => {
    const item = list.appendChild(element("li"));
    const head = item.appendChild(element("div", "formula"));
    head.append(element("span", "number", equation.number), coloured(equation.formula));
    item.append(element("div", "shapes", equation.shapes));
    return { id: equation.id, item };
  });
  const where = host.appendChild(element("p", "note"));
  const code = host.appendChild(element("pre", "source"));
  code.tabIndex = 0;
  return {
    layout() {},
    draw(place) {
      const looks = place.t === 0 && place.m === 0 && (place.n === 0 || model.glimpse);
      const now = place.isAnswer ? ["answer", "read"] : looks ? ["look", "memory"] : ["memory"];
      for (const row of rows) row.item.classList.toggle("now", now.includes(row.id));
      const shown = model.equations.filter((equation) => now.includes(equation.id));
      where.textContent = `The lines that do it: ${shown.map((e) => `${e.file}, line ${e.line}`).join("; ")}.`;
      const text = shown.map((equation) => equation.source).join("\n\n");
      if (code.textContent !== text) code.textContent = text;
    },
  };
}

function coloured(formula) {
  const span = element("span");
  for (const part of formula.split(/\b([xyz])\b/)) {
    span.append(/^[xyz]$/.test(part) ? element("b", `token-${part}`, part) : part);
  }
  return span;
}

// How the memory moves: similarity between its tokens, and their path in a plane

function memoryPanel(host, model) {
  const { tokens, explained } = model.memory_;
  const similarity = new Int8Array(bytes(model.memory_.similarity).buffer);
  const path = floats(model.memory_.path);
  host.append(element("h4", "", "How the memory moves"));
  const grid = host.appendChild(element("div", "pair"));
  const left = grid.appendChild(element("figure"));
  left.append(element("figcaption", "", "Similarity of memory tokens"));
  const map = left.appendChild(svgElement("svg", { class: "similarity", role: "img", viewBox: "0 0 240 240" }));
  left.append(scaleBar("−1 opposite", "0", "+1 the same", "linear-gradient(90deg, #2166ac, #f7f7f7, #d97706)"));
  const leftNote = left.appendChild(element("p", "note"));
  const right = grid.appendChild(element("figure"));
  right.append(element("figcaption", "", "Path of each memory token"));
  const plane = right.appendChild(svgElement("svg", { class: "plane", role: "img", viewBox: "0 0 300 240" }));
  right.append(element("p", "note",
    `Each line is one memory token, from its learned start (hollow) to now (numbered). The plane is fitted on this whole trace ` +
    `and shows ${percent(explained[0] + explained[1])} of the movement; distances across it are not comparable between images.`));

  const side = 224 / tokens;
  const cells = Array.from({ length: tokens * tokens }, (_, k) => add(map, "rect", {
    x: 8 + (k % tokens) * side, y: 8 + Math.floor(k / tokens) * side, width: side + 0.2, height: side + 0.2,
  }));
  const at = (r, k, axis) => path[(r * tokens + k) * 2 + axis];
  const count = path.length / 2 / tokens;
  const range = [0, 1].map((axis) => {
    let low = Infinity, high = -Infinity;
    for (let i = axis; i < path.length; i += 2) { low = Math.min(low, path[i]); high = Math.max(high, path[i]); }
    return [low, high - low || 1];
  });
  const px = (r, k) => 16 + (268 * (at(r, k, 0) - range[0][0])) / range[0][1];
  const py = (r, k) => 224 - (208 * (at(r, k, 1) - range[1][0])) / range[1][1];
  const line = (k, to) => Array.from({ length: to + 1 }, (_, r) => `${r ? "L" : "M"}${px(r, k).toFixed(1)} ${py(r, k).toFixed(1)}`).join("");
  const trails = Array.from({ length: tokens }, (_, k) => {
    add(plane, "path", { class: "trail future", d: line(k, count - 1) });
    const trail = add(plane, "path", { class: "trail" });
    add(plane, "circle", { class: "start", cx: px(0, k), cy: py(0, k), r: 3 });
    const dot = add(plane, "circle", { class: "dot", r: tokens > 24 ? 4 : 7 });
    const label = tokens > 24 ? null : add(plane, "text", { class: "dot-name", "text-anchor": "middle" }, String(k + 1));
    return { trail, dot, label };
  });
  return {
    layout() {},
    draw(place) {
      const base = place.readout * tokens * tokens;
      let sum = 0;
      cells.forEach((cell, k) => {
        const value = similarity[base + k] / 127;
        if (k % (tokens + 1)) sum += value;
        cell.setAttribute("fill", diverging(value));
      });
      const mean = tokens > 1 ? sum / (tokens * (tokens - 1)) : 1;
      leftNote.textContent = `Row and column: memory tokens 1 to ${tokens}; cosine of the angle between their states. ` +
        `Mean of different tokens: ${mean.toFixed(2)}. High similarity says that tokens hold alike states, not what they hold.`;
      map.setAttribute("aria-label", `Similarity of ${tokens} memory tokens; mean between different tokens ${mean.toFixed(2)}.`);
      plane.setAttribute("aria-label", `Path of ${tokens} memory tokens over ${place.readout + 1} memory updates.`);
      trails.forEach(({ trail, dot, label }, k) => {
        trail.setAttribute("d", line(k, place.readout + 1));
        const x = px(place.readout + 1, k), y = py(place.readout + 1, k);
        dot.setAttribute("cx", x); dot.setAttribute("cy", y);
        label?.setAttribute("x", x); label?.setAttribute("y", y + 3.5);
      });
    },
  };
}

// What the memory reads from the image, and what the answer reads from the memory

function attentionPanel(host, model, { chosen: kept, choose, go }) {
  host.append(element("h4", "", "What the memory reads"));
  const a = model.attention;
  if (!a) {
    host.append(element("p", "note", "This model mixes tokens with an MLP; there are no attention weights to show."));
    return { layout() {}, draw() {} };
  }
  const weights = (text) => new Uint16Array(bytes(text).buffer);
  const toPatches = weights(a.toPatches), toState = weights(a.toState), ofAnswer = weights(a.ofAnswer);
  const readouts = model.steps * model.recursions * model.memory;
  const total = (model.imageSize / model.patchSize) ** 2, across = Math.sqrt(total);
  const chosen = attentionChoice(kept.view, a, total); // head or token -1: the mean
  const controls = host.appendChild(element("div", "options"));
  const select = (name, options) => {
    const label = controls.appendChild(element("label", "", `${name} `));
    const box = label.appendChild(element("select"));
    box.className = `choose-${name.split(" ").pop().toLowerCase()}`;
    options.forEach(([value, text]) => box.append(Object.assign(element("option", "", text), { value })));
    return box;
  };
  const numbers = (count, all) => [[-1, all], ...Array.from({ length: count }, (_, k) => [k, String(k + 1)])];
  const layer = select("Layer", Array.from({ length: a.depth }, (_, k) => [k, String(k + 1)]));
  const head = select("Head", numbers(a.heads, "mean of all"));
  const token = select("Memory token", numbers(a.tokens, "mean of all"));
  const place = (patch) => `row ${Math.floor(patch / across) + 1}, column ${(patch % across) + 1}`;
  const patch = select("Patch", [[-1, "none"], ...Array.from({ length: total }, (_, k) => [k, place(k)])]);
  layer.value = chosen.layer;
  head.value = chosen.head;
  token.value = chosen.token;
  const tell = () => choose("view", [chosen.layer, chosen.head, chosen.token, chosen.patch ?? -1].join("."));

  const grid = host.appendChild(element("div", "pair"));
  const left = grid.appendChild(element("figure"));
  left.append(element("figcaption", "", "Attention to the patches (click one)"));
  const map = left.appendChild(svgElement("svg", { class: "heat", viewBox: "0 0 240 240", role: "img" }));
  const bar = left.appendChild(scaleBar("0", "", "", `linear-gradient(90deg, ${[0, 0.25, 0.5, 0.75, 1].map(cividis).join(",")})`));
  const leftNote = left.appendChild(element("p", "note"));
  const right = grid.appendChild(element("figure"));
  right.append(element("figcaption", "", "Where the memory's attention goes"));
  const shares = right.appendChild(element("div", "shares"));
  const share = Object.fromEntries([["x", "the patches, x"], ["y", "the answer token, y"], ["z", "the memory, z"]].map(([id, name]) => {
    const row = shares.appendChild(element("div", `share ${id}`));
    const track = element("span", "track"), fill = track.appendChild(element("i", "fill")), value = element("output");
    row.append(element("span", "name", name), track, value);
    return [id, { fill, value }];
  }));
  right.append(element("figcaption", "", "What the answer update attends to"));
  const answer = right.appendChild(svgElement("svg", { class: "answer-bars", viewBox: "0 0 300 96", role: "img" }));
  right.append(element("p", "note",
    "In percent, on one scale for all steps. The answer update never sees the image: its attention goes to itself (y) and to " +
    "the memory tokens (1, 2, …). " +
    "Attention shows what was read, not what it was worth."));
  host.append(element("figcaption", "", "The same attention at every memory update (click to go there)"));
  const strip = host.appendChild(element("div", "strip"));
  const inverse = host.appendChild(element("div", "inverse"));

  const of = (array, readout, columns, k, column) => {
    // one weight, or the mean over the heads and tokens left open
    let sum = 0, count = 0;
    for (let h = 0; h < a.heads; h++) {
      if (chosen.head >= 0 && h !== chosen.head) continue;
      for (let t = 0; t < a.tokens; t++) {
        if (k >= 0 && t !== k) continue;
        sum += array[(((readout * a.depth + chosen.layer) * a.heads + h) * a.tokens + t) * columns + column];
        count++;
      }
    }
    return sum / count / 65535;
  };
  const stepOf = (readout) => Math.floor(readout / (model.recursions * model.memory));
  const positionOf = (readout) => Math.floor(readout / model.memory) * model.perRecursion + (readout % model.memory);
  const patchWeights = (readout, k) => Array.from({ length: a.reads }, (_, s) => of(toPatches, readout, a.reads, k, s));
  // what the answer update attends to: itself, then each memory token
  const answerWeights = (readout) => Array.from({ length: 1 + a.tokens }, (_, k) => {
    let sum = 0, count = 0;
    for (let h = 0; h < a.heads; h++) {
      if (chosen.head >= 0 && h !== chosen.head) continue;
      sum += ofAnswer[((readout * a.depth + chosen.layer) * a.heads + h) * (1 + a.tokens) + k];
      count++;
    }
    return sum / count / 65535;
  });
  let table = [], highest = 1, answerTable = [], answerHighest = 1, last = null;
  const compute = () => {
    table = Array.from({ length: readouts }, (_, r) => patchWeights(r, chosen.token));
    highest = Math.max(...table.flat(), 1e-6);
    answerTable = Array.from({ length: readouts }, (_, r) => answerWeights(r));
    answerHighest = Math.max(...answerTable.flat(), 1e-6);
    bar.lastChild.lastChild.textContent = `${percentFine(highest)} (fixed over the steps)`;
  };
  const paint = (svg, readout, size, withNumbers) => {
    svg.replaceChildren();
    const side = size / across;
    const where = new Map(model.patches[stepOf(readout)].map((patch, s) => [patch, table[readout][s]]));
    for (let patch = 0; patch < total; patch++) {
      const weight = where.get(patch);
      const x = (patch % across) * side, y = Math.floor(patch / across) * side;
      const cell = add(svg, "rect", { x, y, width: side, height: side, class: "cell" });
      if (weight === undefined) cell.classList.add("unread");
      else cell.setAttribute("fill", cividis(weight / highest));
      if (patch === chosen.patch) cell.classList.add("chosen");
      cell.dataset.patch = patch;
      if (withNumbers && weight !== undefined) {
        const dark = weight / highest < 0.55;
        add(svg, "text", {
          x: x + side / 2, y: y + side / 2 + 4, "text-anchor": "middle", "font-size": total > 36 ? 9 : 13, fill: dark ? "#fff" : "#111",
        }, (100 * weight).toFixed(1));
      }
    }
  };
  const thumbnails = Array.from({ length: readouts }, (_, r) => {
    const button = strip.appendChild(element("button", "frame"));
    const n = stepOf(r), m = r % model.memory;
    const name = model.memory > 1 ? `${n + 1}·${m + 1}` : String(n + 1);
    const svg = button.appendChild(svgElement("svg", { viewBox: "0 0 60 60" }));
    button.append(element("span", "", name));
    button.setAttribute("aria-label", `Go to supervision step ${n + 1}, memory iteration ${m + 1}`);
    button.addEventListener("click", () => go(positionOf(r)));
    return { button, svg };
  });
  const paintInverse = () => {
    patch.value = chosen.patch ?? -1;
    inverse.replaceChildren();
    if (chosen.patch === null) {
      inverse.append(element("p", "note", "Click a patch above to see which memory tokens read it, and when."));
      return;
    }
    inverse.append(element("figcaption", "", `Who reads the patch in ${place(chosen.patch)}, and when`));
    const width = Math.max(8, Math.min(28, 640 / readouts)), height = a.tokens > 24 ? 5 : 14;
    const svg = inverse.appendChild(svgElement("svg", {
      class: "when", role: "img", width: 40 + width * readouts, height: 8 + height * a.tokens, viewBox: `0 0 ${40 + width * readouts} ${8 + height * a.tokens}`,
    }));
    const rows = [];
    for (let r = 0; r < readouts; r++) {
      const s = model.patches[stepOf(r)].indexOf(chosen.patch);
      for (let k = 0; k < a.tokens; k++) rows.push([r, k, s < 0 ? null : of(toPatches, r, a.reads, k, s)]);
    }
    const top = Math.max(...rows.map(([, , w]) => w ?? 0), 1e-6);
    let best = [0, 0, 0];
    for (const [r, k, weight] of rows) {
      if (weight !== null && weight > best[2]) best = [r, k, weight];
      add(svg, "rect", { class: weight === null ? "unread" : "", x: 36 + r * width, y: 4 + k * height, width: width - 1, height: height - 1,
        ...(weight === null ? {} : { fill: cividis(weight / top) }) });
    }
    if (a.tokens <= 24) for (let k = 0; k < a.tokens; k++) add(svg, "text", { x: 28, y: 4 + k * height + 10, "text-anchor": "end" }, String(k + 1));
    const said = best[2] === 0 ? "No memory token read this patch." :
      `Most: memory token ${best[1] + 1} in supervision step ${stepOf(best[0]) + 1}, with ${percentFine(best[2])} of its attention.`;
    svg.setAttribute("aria-label", said);
    inverse.append(element("p", "note", `${said} Row: a memory token. Column: a memory update. Grey: the patch was not read in that step.`));
  };
  const refresh = () => {
    compute();
    thumbnails.forEach(({ svg }, r) => paint(svg, r, 60, false));
    paintInverse();
    if (last) draw(last);
  };
  for (const [box, name] of [[layer, "layer"], [head, "head"], [token, "token"]]) {
    box.addEventListener("change", () => { chosen[name] = Number(box.value); refresh(); tell(); });
  }
  const ask = (number) => {
    chosen.patch = number < 0 ? null : number;
    paintInverse();
    tell();
    if (last) draw(last);
  };
  patch.addEventListener("change", () => ask(Number(patch.value)));
  map.addEventListener("click", (event) => {
    const clicked = event.target.closest?.("[data-patch]")?.dataset.patch;
    if (clicked !== undefined) ask(Number(clicked) === chosen.patch ? -1 : Number(clicked));
  });
  function draw(now) {
    last = now;
    const r = now.readout;
    paint(map, r, 240, true);
    const patches = table[r].reduce((sum, w) => sum + w, 0);
    const toAnswer = of(toState, r, 1 + a.tokens, chosen.token, 0);
    let toMemory = 0;
    for (let k = 0; k < a.tokens; k++) toMemory += of(toState, r, 1 + a.tokens, chosen.token, 1 + k);
    for (const [id, value] of [["x", patches], ["y", toAnswer], ["z", toMemory]]) {
      share[id].fill.style.transform = `scaleX(${Math.min(1, value)})`;
      share[id].value.textContent = percent(value);
    }
    const strongest = table[r].indexOf(Math.max(...table[r]));
    leftNote.textContent = `Numbers are percent of the chosen token's attention. Most of what the patches get goes to ` +
      `${place(model.patches[now.n][strongest])}. ${now.isAnswer ? "The answer update itself does not look at the image; this is the last memory update." : ""}`;
    map.setAttribute("aria-label", leftNote.textContent);
    answer.replaceChildren();
    const bars = answerTable[r];
    const width = 296 / bars.length, most = Math.max(...bars);
    bars.forEach((weight, k) => {
      const x = 2 + k * width, height = (64 * weight) / answerHighest;
      add(answer, "rect", { x, y: 78 - height, width: Math.max(1, width - 2), height, class: k ? "z" : "y" });
      if (bars.length > 25) return;
      add(answer, "text", { x: x + width / 2 - 1, y: 92, "text-anchor": "middle" }, k ? String(k) : "y");
      if (bars.length <= 10) add(answer, "text", { x: x + width / 2 - 1, y: 75 - height, "text-anchor": "middle" }, (100 * weight).toFixed(0));
    });
    const top = bars.indexOf(most);
    answer.setAttribute("aria-label", `The answer update attends most to ${top ? `memory token ${top}` : "itself"}, ${percentFine(most)}.`);
    thumbnails.forEach(({ button }, k) => button.classList.toggle("now", k === r));
  }
  refresh();
  return { layout() {}, draw };
}

// Layer, head, token and patch from a link, "layer.head.token.patch" with -1 for the mean or none
function attentionChoice(view, a, patches) {
  const [layer, head, token, patch] = view ? String(view).split(".").map(Number) : [];
  const within = (value, low, high, otherwise) => (Number.isInteger(value) && value >= low && value < high ? value : otherwise);
  return {
    layer: within(layer, 0, a.depth, a.depth - 1),
    head: within(head, -1, a.heads, -1),
    token: within(token, -1, a.tokens, -1),
    patch: within(patch, 0, patches, null),
  };
}

// Change one thing and run again: what the edited thing was worth

function editsPanel(host, model, { chosen, choose }) {
  const { tokens, original, edited } = model.edits;
  const across = model.imageSize / model.patchSize;
  const edit = parseEdit(chosen.edit, across * across, tokens); // what the learner chose last, though its run may not have arrived yet
  host.append(element("h4", "", "Change one thing, and see what it was worth"));
  const grid = host.appendChild(element("div", "pair"));
  const left = grid.appendChild(element("figure"));
  left.append(element("figcaption", "", "Hide patches (click)"));
  const map = left.appendChild(element("div", "hide-grid"));
  map.style.gridTemplateColumns = `repeat(${across}, 1fr)`;
  const send = () => choose("edit", formatEdit(edit));
  for (let patch = 0; patch < across * across; patch++) {
    const button = map.appendChild(element("button", edit.hidden.has(patch) ? "on" : "", edit.hidden.has(patch) ? "×" : ""));
    button.setAttribute("aria-label", `Hide the patch in row ${Math.floor(patch / across) + 1}, column ${(patch % across) + 1}`);
    button.setAttribute("aria-pressed", edit.hidden.has(patch));
    button.style.backgroundImage = `url(${patchImage(model, patch)})`;
    button.addEventListener("click", () => { toggle(edit.hidden, patch); send(); });
  }
  left.append(element("p", "note", "A hidden patch gets the mean colour of the training images; everything else stays as it is."));
  const right = grid.appendChild(element("figure"));
  right.append(element("figcaption", "", "Memory tokens (click: zero it, freeze it, leave it)"));
  const chips = right.appendChild(element("div", "chips"));
  for (let k = 0; k < tokens; k++) {
    const kind = edit.zeroed.has(k) ? "zero" : edit.frozen.has(k) ? "frozen" : "";
    const button = chips.appendChild(element("button", kind, `${k + 1}${kind ? ` ${kind}` : ""}`));
    button.setAttribute("aria-label", `Memory token ${k + 1}: ${kind || "as it is"}`);
    button.addEventListener("click", () => {
      if (edit.zeroed.delete(k)) edit.frozen.add(k);
      else if (!edit.frozen.delete(k)) edit.zeroed.add(k);
      send();
    });
  }
  const more = right.appendChild(element("div", "chips"));
  const shuffle = more.appendChild(element("button", edit.shuffled ? "on" : "", "Shuffle all tokens"));
  shuffle.setAttribute("aria-pressed", edit.shuffled);
  shuffle.addEventListener("click", () => { edit.shuffled = !edit.shuffled; send(); });
  const reset = more.appendChild(element("button", "", "Undo all"));
  reset.disabled = !chosen.edit;
  reset.addEventListener("click", () => choose("edit", ""));
  const table = right.appendChild(element("table", "compare"));
  const said = right.appendChild(element("p", "note"));
  const before = { probs: floats(original.probs), halt: floats(original.halt) };
  const after = edited && { probs: floats(edited.probs), halt: floats(edited.halt) };
  return {
    layout() {},
    draw(place) {
      const c = model.classes.length;
      const at = (run) => {
        const probs = run.probs.subarray(place.readout * c, (place.readout + 1) * c);
        const best = probs.indexOf(Math.max(...probs));
        return { probs, best, halt: run.halt[place.readout] };
      };
      const first = at(before), second = after ? at(after) : null;
      const rows = [
        ["", "as it is", "edited"],
        ["answer", model.classes[first.best], second ? model.classes[second.best] : "–"],
        [`probability of ${model.classes[first.best]}`, percentFine(first.probs[first.best]), second ? percentFine(second.probs[first.best]) : "–"],
        ["halting probability", first.halt.toFixed(3), second ? second.halt.toFixed(3) : "–"],
      ];
      const mass = attentionTo(model, place, edit.hidden);
      if (edit.hidden.size) rows.push(["attention to the hidden patches (last layer, mean of heads and tokens)", mass === null ? "not read in this step" : percentFine(mass), ""]);
      table.replaceChildren(...rows.map((row, r) => {
        const line = element("tr");
        row.forEach((text, k) => line.append(element(r === 0 || k === 0 ? "th" : "td", "", text)));
        return line;
      }));
      said.textContent = second
        ? `At this point the edit moves the probability of ${model.classes[first.best]} by ${signed(100 * (second.probs[first.best] - first.probs[first.best]))} points ` +
          `and the halting probability by ${signed(second.halt - first.halt, 3)}. An edit also makes an image or a state that the model was never trained on.`
        : "Nothing is changed yet. Hide a patch that gets much attention, then one that gets little: which of them moves the answer?";
    },
  };
}

function attentionTo(model, place, hidden) {
  const a = model.attention;
  if (!a) return null;
  const read = model.patches[place.n].map((patch, s) => (hidden.has(patch) ? s : -1)).filter((s) => s >= 0);
  if (!read.length) return null;
  a.weights ??= new Uint16Array(bytes(a.toPatches).buffer);
  let sum = 0;
  for (let h = 0; h < a.heads; h++) {
    for (let k = 0; k < a.tokens; k++) {
      for (const s of read) sum += a.weights[(((place.readout * a.depth + a.depth - 1) * a.heads + h) * a.tokens + k) * a.reads + s];
    }
  }
  return sum / (a.heads * a.tokens) / 65535;
}

// "p3,7;z0;f2;s": hidden patches, zeroed tokens, frozen tokens, shuffled
function parseEdit(text, patches, tokens) {
  const list = (letter, count) => {
    const part = text.split(";").find((each) => each[0] === letter) ?? "";
    return new Set(part.slice(1).split(",").filter(Boolean).map(Number).filter((k) => k < count)); // another model may have fewer
  };
  return { hidden: list("p", patches), zeroed: list("z", tokens), frozen: list("f", tokens), shuffled: text.split(";").includes("s") };
}

function formatEdit(edit) {
  const part = (letter, set) => (set.size ? [letter + [...set].sort((a, b) => a - b).join(",")] : []);
  return [...part("p", edit.hidden), ...part("z", edit.zeroed), ...part("f", edit.frozen), ...(edit.shuffled ? ["s"] : [])].join(";");
}

function toggle(set, value) {
  if (!set.delete(value)) set.add(value);
}

function patchImage(model, patch) {
  const p = model.patchSize, across = model.imageSize / p;
  const canvas = Object.assign(document.createElement("canvas"), { width: p, height: p });
  canvas.getContext("2d").drawImage(bitmap(model), (patch % across) * p, Math.floor(patch / across) * p, p, p, 0, 0, p, p);
  return canvas.toDataURL();
}

function signed(value, digits = 1) {
  const size = Math.abs(value).toFixed(digits);
  return Number(size) === 0 ? size : `${value < 0 ? "−" : "+"}${size}`;
}

// Colours: attention is cividis, differences are blue and orange around zero

const CIVIDIS = [[0, 34, 78], [18, 53, 112], [59, 73, 108], [87, 93, 109], [112, 113, 115], [138, 134, 120], [165, 156, 116], [195, 179, 105], [225, 204, 85], [254, 232, 56]];

function cividis(value) {
  return mixed(CIVIDIS, Math.max(0, Math.min(1, value)));
}

function diverging(value) {
  return mixed([[33, 102, 172], [247, 247, 247], [217, 119, 6]], (value + 1) / 2);
}

function mixed(stops, share) {
  const place = share * (stops.length - 1), k = Math.min(stops.length - 2, Math.floor(place)), rest = place - k;
  return `rgb(${stops[k].map((v, c) => Math.round(v + (stops[k + 1][c] - v) * rest)).join(",")})`;
}

function scaleBar(low, middle, high, gradient) {
  const bar = element("div", "scale");
  bar.append(Object.assign(element("i"), { style: `background:${gradient}` }));
  const names = bar.appendChild(element("div"));
  names.append(element("span", "", low), element("span", "", middle), element("span", "", high));
  return bar;
}

function svgElement(tag, attributes) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

function floats(text) {
  return new Float32Array(bytes(text).buffer);
}

function percentFine(p) {
  return `${(100 * p).toFixed(1)}\u00a0%`;
}
