// A maze's cells: how far they truly are from the start, and what the memory does at each of them, on the player's clock.
// Beside both, the same by distance over all moments: there a flood that spreads is a slanted edge.

function cellsPanel(host, model, { go }) {
  host.append(element("h2", "", "The memory over the cells: does “reachable” spread like a flood?"));
  const maze = model.cells;
  if (!maze || !maze.maps.length) {
    host.append(element("p", "note", "Nothing of this model can be shown by cell."));
    return { layout() {}, draw() {} };
  }
  const total = maze.codes.length, side = Math.sqrt(total), moments = model.steps * model.recursions * model.memory;
  const maps = maze.maps.map((each) => ({ ...each, values: floats(each.values), wave: floats(each.wave) }));
  const controls = host.appendChild(element("div", "options"));
  const label = controls.appendChild(element("label", "", "Show "));
  const box = label.appendChild(element("select"));
  box.className = "choose-map";
  maps.forEach((each, k) => box.append(Object.assign(element("option", "", each.name), { value: k })));
  const state = (host.closest(".player").vitrmCells ??= { map: 0 }); // new data keep the choice
  if (state.map >= maps.length) state.map = 0;
  box.value = state.map;

  const grid = host.appendChild(element("div", "maps"));
  const figure = (title) => {
    const made = grid.appendChild(element("figure"));
    made.append(element("figcaption", "", title));
    return made;
  };
  const left = figure("True distance, and a flood for comparison");
  const flood = mazeGrid(left, maze);
  const leftNote = left.appendChild(element("p", "note"));
  numbersBehind(left, "distance", () => [
    ["cell", "is", "steps from the start"], ...maze.codes.map((code, k) => [cellPlace(k, side), cellName(model, code), maze.distances[k] < 0 ? "–" : maze.distances[k]]),
  ]);
  const middle = figure("The model, now");
  const shown = mazeGrid(middle, maze);
  let bar = middle.appendChild(element("div"));
  const middleNote = middle.appendChild(element("p", "note"));
  numbersBehind(middle, "map", () => [
    ["cell", "is", "steps from the start", chosen().name],
    ...maze.codes.map((code, k) => [cellPlace(k, side), cellName(model, code), maze.distances[k] < 0 ? "–" : maze.distances[k], value(k).toFixed(3)]),
  ]);
  const right = figure("The same by true distance, over all updates");
  const wave = right.appendChild(svgElement("svg", { class: "wave", role: "img" }));
  const rightNote = right.appendChild(element("p", "note"));
  numbersBehind(right, "wave", () => [
    ["memory update", "supervision step", ...chosen().groups.map(groupName), ...(chosen().telling ? ["AUROC"] : [])],
    ...Array.from({ length: moments }, (_, r) => [r + 1, Math.floor(r / (model.recursions * model.memory)) + 1,
      ...chosen().groups.map((_, g) => chosen().wave[g * moments + r].toFixed(3)), ...(chosen().telling ? [chosen().telling[r].toFixed(2)] : [])]),
  ]);
  const how = host.appendChild(element("p", "note"));

  let now = null, cursor = null;
  const chosen = () => maps[state.map];
  const value = (k) => chosen().values[now.readout * total + k];
  const share = (v) => (v - chosen().low) / (chosen().high - chosen().low);
  const heat = (v) => (chosen().scale === "diverging" ? diverging(2 * share(v) - 1) : cividis(share(v)));
  const dark = (v) => (chosen().scale === "diverging" ? Math.abs(2 * share(v) - 1) > 0.75 : share(v) < 0.55);
  const number = (v) => (chosen().scale === "diverging" ? signed(v, 1) : v.toFixed(chosen().high >= 20 ? 0 : 1));
  const groupName = (d) => (d < 0 ? "not reachable" : d === 0 ? "start" : countOf(d, "step"));

  function drawWave() {
    const { groups, scale, low, high, unit } = chosen();
    const width = Math.max(240, right.clientWidth || 300), gutter = 40, cell = (width - gutter - 4) / moments;
    const height = Math.min(22, 190 / Math.max(1, groups.length)), bottom = 8 + groups.length * height;
    wave.replaceChildren();
    wave.setAttribute("viewBox", `0 0 ${width} ${bottom + 34}`);
    wave.style.height = `${bottom + 34}px`;
    groups.forEach((d, g) => {
      const y = 8 + g * height + (d < 0 ? 3 : 0);
      if (height >= 10 || g % 2 === 0 || d < 0) add(wave, "text", { x: gutter - 6, y: y + height / 2 + 4, "text-anchor": "end" }, d < 0 ? "none" : String(d));
      for (let r = 0; r < moments; r++) {
        const rect = add(wave, "rect", { x: gutter + r * cell, y, width: cell + 0.3, height: height - 1, fill: heat(chosen().wave[g * moments + r]) });
        rect.dataset.moment = r;
      }
    });
    const perStep = model.recursions * model.memory;
    for (let n = 0; n < model.steps; n++) {
      if (n === model.trainedSteps || (n && perStep * cell >= 6)) add(wave, "line", { class: n === model.trainedSteps ? "edge" : "between", x1: gutter + n * perStep * cell, x2: gutter + n * perStep * cell, y1: 6, y2: bottom + 4 });
      if (hasNumber(n, perStep * cell)) add(wave, "text", { x: gutter + (n + 0.5) * perStep * cell, y: bottom + 15, "text-anchor": "middle" }, String(n + 1));
    }
    add(wave, "text", { x: gutter + (width - gutter) / 2, y: bottom + 29, "text-anchor": "middle" }, "supervision step");
    add(wave, "text", { class: "across", x: 0, y: 0, transform: `translate(9 ${8 + (bottom - 8) / 2}) rotate(-90)`, "text-anchor": "middle" }, "true distance");
    cursor = add(wave, "rect", { class: "here", x: 0, y: 6, width: cell, height: bottom - 4 });
    wave.dataset.left = gutter;
    wave.dataset.cell = cell;
    const text = (v) => `${scale === "diverging" ? signed(v, 0) : Number(v.toPrecision(2))}${unit && ` ${unit}`}`;
    const made = scale === "diverging"
      ? scaleBar(text(low), "0", text(high), "linear-gradient(90deg, #2166ac, #f7f7f7, #d97706)") : scaleBar(text(low), "", `${text(high)} (fixed over the steps)`, `linear-gradient(90deg, ${[0, 0.25, 0.5, 0.75, 1].map(cividis).join(",")})`);
    bar.replaceWith(made);
    bar = made;
    how.textContent = chosen().how;
  }
  function draw(place) {
    host.hidden = place.n < 0; // nothing has been computed
    if (host.hidden) return;
    now = place;
    const updates = place.readout + 1; // memory updates made so far
    const reached = maze.distances.filter((d) => d >= 0 && d <= updates).length, all = maze.distances.filter((d) => d >= 0).length;
    flood.paint((k) => {
      const d = maze.distances[k];
      if (maze.codes[k] === WALL) return { fill: "var(--wall)", text: "", ink: "#fff" };
      return d >= 0 && d <= updates ? { fill: "var(--z)", text: String(d), ink: "var(--paper)" } : { fill: "var(--soft)", text: d < 0 ? "" : String(d), ink: "var(--faint)" };
    });
    leftNote.textContent = `Numbers: steps from the start. Filled: what a flood that moves one cell per memory update has reached, ${reached} of ${all} cells. ` +
      "Nothing says that a model has to move like that.";
    shown.paint((k) => ({ fill: heat(value(k)), text: side > 9 ? "" : number(value(k)), ink: dark(value(k)) ? "#fff" : "#111", frame: true }));
    const { telling } = chosen();
    const told = telling ? `Of a reachable and an unreachable cell, the reachable one has the higher value in ${percent(telling[place.readout])} of the pairs (50 % is chance), in this one maze.` : "";
    const framed = "Framed: walls.";
    middleNote.textContent = `${place.isAnswer ? "After the last memory update. " : `Memory update ${updates} of ${moments}. `}${framed} ${told}`;
    rightNote.textContent = "Row: cells equally far from the start, their mean (none: no way leads there). Column: a memory update; click to go there. " +
      "Like a flood would be: an edge that runs slanted, near rows before far ones, and a last row that stays apart.";
    const cell = Number(wave.dataset.cell);
    cursor?.setAttribute("x", Number(wave.dataset.left) + place.readout * cell);
    flood.svg.setAttribute("aria-label", `${leftNote.textContent} The farthest cell is ${countOf(Math.max(...maze.distances), "step")} away.`);
    const highest = largest(Array.from({ length: total }, (_, k) => value(k)));
    shown.svg.setAttribute("aria-label", `${chosen().name}. ${middleNote.textContent} Highest in ${cellPlace(highest, side)}, ${cellName(model, maze.codes[highest])}.`);
    const [first, last] = [0, moments - 1].map((r) => chosen().groups.map((d, g) => `${groupName(d)} ${chosen().wave[g * moments + r].toFixed(2)}`).join(", "));
    wave.setAttribute("aria-label", `${chosen().name}, mean by true distance. First update: ${first}. Last update: ${last}.`);
    refreshNumbers(host);
  }
  box.addEventListener("change", () => {
    state.map = Number(box.value);
    drawWave();
    if (now) draw(now);
  });
  wave.addEventListener("click", (event) => {
    const moment = Number(event.target.dataset.moment ?? -1);
    if (moment >= 0) go(Math.floor(moment / model.memory) * model.perRecursion + (moment % model.memory) + 1);
  });
  return { layout: drawWave, draw };
}

// The maze as cells to be painted, each with a mark of what it is
function mazeGrid(host, maze) {
  const side = Math.sqrt(maze.codes.length), wide = 240 / side;
  const svg = host.appendChild(svgElement("svg", { class: "heat", viewBox: "0 0 240 240", role: "img" }));
  const cells = maze.codes.map((code, k) => {
    const x = (k % side) * wide, y = Math.floor(k / side) * wide;
    const cell = add(svg, "rect", { class: "cell", x, y, width: wide, height: wide });
    const inset = wide * 0.1;
    const wall = code === WALL ? add(svg, "rect", { class: "brick", x: x + inset, y: y + inset, width: wide - 2 * inset, height: wide - 2 * inset }) : null;
    const text = add(svg, "text", { x: x + wide / 2, y: y + wide / 2 + 4, "text-anchor": "middle", "font-size": wide > 34 ? 15 : 13 }, "");
    if (code >= START) {
      add(svg, "circle", { class: "mark-cell", cx: x + wide * 0.2, cy: y + wide * 0.2, r: wide * 0.14, fill: maze.colours[code] });
    }
    return { cell, wall, text };
  });
  return {
    svg,
    paint(of) {
      cells.forEach(({ cell, wall, text }, k) => {
        const { fill, text: says, ink, frame } = of(k);
        cell.style.fill = fill;
        text.textContent = says;
        text.style.fill = ink;
        if (wall) wall.style.stroke = frame ? ink : "none";
      });
    },
  };
}

function cellPlace(k, side) {
  return `row ${Math.floor(k / side) + 1}, column ${(k % side) + 1}`;
}

function cellName(model, code) {
  return code >= FIRST_GEM ? `${model.classes[code - FIRST_GEM] ?? "other"} gem` : ["wall", "free", "start"][code];
}
