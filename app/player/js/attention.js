// What the memory reads from the image, what the answer reads from the memory, and what reached the answer in the end

function attentionPanel(host, model, { chosen: kept, choose, go }) {
  host.append(element("h2", "", "Which layer, head, memory token"));
  const a = model.attention;
  if (!a) {
    host.append(element("p", "note", "This model mixes tokens with an MLP; there are no attention weights to show."));
    return { layout() {}, draw() {} };
  }
  const readouts = model.steps * model.recursions * model.memory;
  const total = (model.imageSize / model.patchSize) ** 2;
  const place = (patch) => patchPlace(model, patch);
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
  const patch = select("Patch", [[-1, "none"], ...Array.from({ length: total }, (_, k) => [k, place(k)])]);
  layer.value = chosen.layer;
  head.value = chosen.head;
  token.value = chosen.token;
  const tell = () => choose("view", [chosen.layer, chosen.head, chosen.token, chosen.patch ?? -1].join("."));

  // The figures
  const figure = (parent, title) => {
    const box = parent.appendChild(element("figure"));
    box.append(element("figcaption", "", title));
    return box;
  };
  const onPatch = (number) => ask(number === chosen.patch ? -1 : number);
  const left = figure(host.closest(".player").querySelector(".panels"), "What the memory reads now");
  left.className = "lead attention"; // beside the picture and the answer, in place of the curves
  const maps = host.appendChild(element("div", "maps"));
  const overlay = patchGrid(left, model, { image: true, onPatch });
  const bar = left.appendChild(attentionScale());
  const leftNote = left.appendChild(element("p", "note"));
  const middle = figure(maps, "The same weights as numbers, in percent");
  const grid = patchGrid(middle, model, { numbers: true, onPatch });
  const middleNote = middle.appendChild(element("p", "note"));
  const patchRows = () => [
    ["patch", "attention, %"], ...model.patches[stepOf(last.readout)].map((p, s) => [place(p), (100 * table[last.readout][s]).toFixed(2)]),
  ];
  numbersBehind(left, "overlay", patchRows);
  numbersBehind(middle, "attention", patchRows);
  const right = figure(maps, "Derived: what had reached the answer");
  const rolled = patchGrid(right, model, { image: true, onPatch });
  const rolledBar = right.appendChild(attentionScale());
  const rolledNote = right.appendChild(element("p", "note"));
  numbersBehind(right, "rollout", () => [
    ["patch", "share of the answer, %"],
    ...Array.from({ length: total }, (_, p) => [place(p), (100 * reached(last.readout)[p]).toFixed(2)]),
    ["not from the image", (100 * (1 - sum(reached(last.readout)))).toFixed(2)],
  ]);

  const pair = host.appendChild(element("div", "pair wide"));
  const goes = figure(pair, "Where the memory's attention goes");
  const shares = goes.appendChild(element("div", "shares"));
  const shareNames = { x: "the patches, x", y: "the answer token, y", z: "the memory, z" };
  shares.setAttribute("role", "img");
  const share = Object.fromEntries(Object.entries(shareNames).map(([id, name]) => {
    const row = shares.appendChild(element("div", `share ${id}`));
    const track = element("span", "track"), fill = track.appendChild(element("i", "fill")), value = element("output");
    row.append(element("span", "name", name), track, value);
    return [id, { fill, value }];
  }));
  goes.append(element("p", "note", a.reading === "cross"
    ? "Of the same token, layer and head. This model reads the image by an attention of its own: the first bar is all of that one, and the other two add up to 100 % without it."
    : "Of the same token, layer and head; together 100 %. Much attention to a group is not yet much use of it."));
  numbersBehind(goes, "shares", () => [
    ["to", "attention, %"], ...split(last.readout).map(([id, value]) => [shareNames[id], (100 * value).toFixed(2)]),
  ]);
  const attends = figure(pair, "What the answer update attends to");
  const answer = attends.appendChild(svgElement("svg", { class: "answer-bars", viewBox: "0 0 300 96", role: "img" }));
  const attendsNote = attends.appendChild(element("p", "note"));
  numbersBehind(attends, "answer", () => [
    ["token", "attention, %"], ...answerTable[last.readout].map((w, k) => [k ? `memory token ${k}` : "answer token", (100 * w).toFixed(2)]),
  ]);

  host.append(element("figcaption", "", "The same attention at every memory update (click to go there)"));
  const strip = host.appendChild(element("div", "strip"));
  const stripNames = ["supervision step", ...(model.recursions > 1 ? ["recursion step"] : []), ...(model.memory > 1 ? ["memory iteration"] : [])];
  const stripPlace = (r) => [
    stepOf(r) + 1, ...(model.recursions > 1 ? [(Math.floor(r / model.memory) % model.recursions) + 1] : []), ...(model.memory > 1 ? [(r % model.memory) + 1] : []),
  ];
  host.append(element("p", "note", `Same colours and scale as above. Numbered by ${stripNames.join(" · ")}.`));
  numbersBehind(host, "strip", () => [
    [...stripNames, "read most", "attention, %"],
    ...table.map((row, r) => [...stripPlace(r), place(model.patches[stepOf(r)][largest(row)]), (100 * row[largest(row)]).toFixed(2)]),
  ]);
  const inverse = host.appendChild(element("div", "inverse"));
  for (const more of [maps, pair]) more.hidden = !model.panels.includes("maps"); // on demand

  // The numbers
  const mean = (array, columns, readout, rows, k, column) => {
    // one weight, or the mean over the heads and tokens left open; rows: of how many tokens the array tells
    let total = 0, count = 0;
    for (let h = 0; h < a.heads; h++) {
      if (chosen.head >= 0 && h !== chosen.head) continue;
      for (let t = 0; t < rows; t++) {
        if (k >= 0 && t !== k) continue;
        total += array[(((readout * a.depth + chosen.layer) * a.heads + h) * rows + t) * columns + column];
        count++;
      }
    }
    return total / count / a.one;
  };
  const toPatch = (readout, k, s) => mean(a.toPatches, a.reads, readout, a.tokens, k, s);
  const toState = (readout, column) => mean(a.toState, 1 + a.tokens, readout, a.tokens, chosen.token, column);
  const split = (readout) => [
    ["x", sum(table[readout])], ["y", toState(readout, 0)], ["z", sum(Array.from({ length: a.tokens }, (_, k) => toState(readout, 1 + k)))],
  ];
  const stepOf = (readout) => Math.floor(readout / (model.recursions * model.memory));
  const positionOf = (readout) => Math.floor(readout / model.memory) * model.perRecursion + (readout % model.memory) + 1;
  const reached = (readout) => Array.from({ length: total }, (_, p) => a.rollout[readout * total + p]);
  const rolledTop = Math.max(...a.rollout, 1e-6);
  let table = [], highest = 1, answerTable = [], answerHighest = 1, last = null;
  const compute = () => {
    table = Array.from({ length: readouts }, (_, r) => Array.from({ length: a.reads }, (_, s) => toPatch(r, chosen.token, s)));
    highest = Math.max(...table.flat(), 1e-6);
    answerTable = Array.from({ length: readouts }, (_, r) =>
      Array.from({ length: 1 + a.tokens }, (_, k) => mean(a.ofAnswer, 1 + a.tokens, r, 1, 0, k)));
    answerHighest = Math.max(...answerTable.flat(), 1e-6);
    bar.lastChild.lastChild.textContent = `${percentFine(highest)} (fixed over the steps)`;
    rolledBar.lastChild.lastChild.textContent = `${percentFine(rolledTop)} (fixed over the steps)`;
  };
  const weights = (readout) => {
    const byPatch = new Array(total);
    model.patches[stepOf(readout)].forEach((p, s) => (byPatch[p] = table[readout][s]));
    return byPatch;
  };
  const heat = (w) => cividis(w / highest);
  const thumbnails = Array.from({ length: readouts }, (_, r) => {
    const button = strip.appendChild(element("button", "frame"));
    const small = patchGrid(button, model, {});
    small.svg.setAttribute("aria-hidden", "true"); // the button says it
    button.append(element("span", "", stripPlace(r).join("·")));
    button.addEventListener("click", () => go(positionOf(r)));
    return { button, small };
  });
  const paintInverse = () => {
    patch.value = chosen.patch ?? -1;
    inverse.replaceChildren();
    if (chosen.patch === null) {
      inverse.append(element("p", "note", "Click a patch on the picture to see which memory tokens read it, and when."));
      return;
    }
    inverse.append(element("figcaption", "", `Who reads the patch in ${place(chosen.patch)}, and when`));
    const width = Math.max(8, Math.min(28, 640 / readouts)), height = a.tokens > 24 ? 5 : 14;
    const svg = inverse.appendChild(svgElement("svg", {
      class: "when", role: "img", width: 40 + width * readouts, height: 20 + height * a.tokens, viewBox: `0 0 ${40 + width * readouts} ${20 + height * a.tokens}`,
    }));
    const rows = [];
    for (let r = 0; r < readouts; r++) {
      const s = model.patches[stepOf(r)].indexOf(chosen.patch);
      for (let k = 0; k < a.tokens; k++) rows.push([r, k, s < 0 ? null : toPatch(r, k, s)]);
    }
    for (let n = 0; n < model.steps; n++) {
      const wide = width * model.recursions * model.memory;
      if (hasNumber(n, wide)) add(svg, "text", { x: 36 + (n + 0.5) * wide, y: 16 + height * a.tokens, "text-anchor": "middle" }, String(n + 1));
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
    inverse.append(attentionScale(percentFine(top)));
    inverse.append(element("p", "note", `${said} Row: a memory token. Column: a memory update; the supervision step stands below.` +
      `${model.glimpse ? " Faint: the patch was not read in that step." : ""}`));
    numbersBehind(inverse, "inverse", () => [
      [...stripNames, ...Array.from({ length: a.tokens }, (_, k) => `token ${k + 1}, %`)],
      ...Array.from({ length: readouts }, (_, r) => [...stripPlace(r),
        ...rows.slice(r * a.tokens, (r + 1) * a.tokens).map(([, , w]) => (w === null ? "–" : (100 * w).toFixed(2)))]),
    ]);
  };
  const refresh = () => {
    compute();
    thumbnails.forEach(({ button, small }, r) => {
      small.paint(weights(r), heat);
      const where = stripNames.map((name, k) => `${name} ${stripPlace(r)[k]}`).join(", ");
      button.setAttribute("aria-label", `Go to ${where}. Read most: ${place(model.patches[stepOf(r)][largest(table[r])])}.`);
    });
    paintInverse();
    if (last) draw(last);
  };
  for (const [box, name] of [[layer, "layer"], [head, "head"], [token, "token"]]) {
    box.addEventListener("change", () => { chosen[name] = Number(box.value); refresh(); tell(); happened("token chosen", { token: chosen.token }); });
  }
  function ask(number) {
    chosen.patch = number < 0 ? null : number;
    paintInverse();
    tell();
    if (last) draw(last);
  }
  patch.addEventListener("change", () => ask(Number(patch.value)));
  function draw(now) {
    last = now;
    const r = now.readout, now_ = weights(r), shown = reached(r);
    overlay.paint(now_, heat, { chosen: chosen.patch });
    grid.paint(now_, heat, { chosen: chosen.patch, text: (w) => (100 * w).toFixed(1), bright: (w) => w / highest >= 0.55 });
    rolled.paint(shown, (w) => cividis(w / rolledTop), { chosen: chosen.patch });
    for (const [id, value] of split(r)) {
      share[id].fill.style.transform = `scaleX(${Math.min(1, value)})`;
      share[id].value.textContent = percent(value);
    }
    shares.setAttribute("aria-label", split(r).map(([id, value]) => `${percent(value)} to ${shareNames[id]}`).join(", "));
    leftNote.textContent = `Read most: ${place(model.patches[now.n][largest(table[r])])}. ` +
      `${model.glimpse ? "Faint: not read in this step. " : ""}${now.isAnswer ? "The answer update itself does not look at the image; this is the last memory update." : ""}`;
    overlay.svg.setAttribute("aria-label", leftNote.textContent);
    grid.svg.setAttribute("aria-label", leftNote.textContent);
    const one = (number, name) => (number < 0 ? `mean of all ${name}s` : `${name} ${number + 1}`);
    middleNote.textContent = `Layer ${chosen.layer + 1}, ${one(chosen.head, "head")}, ${one(chosen.token, "memory token")}, at this update. ` +
      "Click a patch to ask who reads it. Attention shows what was read, not what it was worth.";
    rolledNote.textContent = `Most from ${place(largest(shown))}; ${percent(1 - sum(shown))} is not from the image. ` +
      "Rollout: the attention of all updates so far multiplied together, mean of the heads, half of each layer for its residual. " +
      "A rule of thumb about paths, not a measurement of what mattered.";
    rolled.svg.setAttribute("aria-label", rolledNote.textContent);
    const bars = answerTable[r];
    answer.replaceChildren();
    const width = 296 / bars.length;
    bars.forEach((weight, k) => {
      const x = 2 + k * width, height = (64 * weight) / answerHighest;
      add(answer, "rect", { x, y: 78 - height, width: Math.max(1, width - 2), height, class: k ? "z" : "y" });
      if (bars.length > 25) return;
      add(answer, "text", { x: x + width / 2 - 1, y: 92, "text-anchor": "middle" }, k ? String(k) : "y");
      if (bars.length <= 10) add(answer, "text", { x: x + width / 2 - 1, y: 75 - height, "text-anchor": "middle" }, (100 * weight).toFixed(0));
    });
    const top = largest(bars), most = `The answer update attends most to ${top ? `memory token ${top}` : "itself"}, with ${percentFine(bars[top])}.`;
    answer.setAttribute("aria-label", most);
    attendsNote.textContent = `${most} Layer ${chosen.layer + 1}, ${one(chosen.head, "head")}; in percent, and the highest bar of all steps is ${percentFine(answerHighest)}. ` +
      "The answer update never sees the image: its attention goes to itself (y) and to the memory tokens (1, 2, …).";
    thumbnails.forEach(({ button }, k) => button.classList.toggle("now", k === r));
    refreshNumbers(host);
    refreshNumbers(left);
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
