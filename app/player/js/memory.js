// How the memory moves: similarity between its tokens, and their path in a plane

function memoryPanel(host, model) {
  const { tokens, explained } = model.memory_;
  const similarity = new Int8Array(bytes(model.memory_.similarity).buffer);
  const path = floats(model.memory_.path);
  host.append(element("h2", "", "How the memory moves"));
  const grid = host.appendChild(element("div", "pair"));
  const left = grid.appendChild(element("figure"));
  left.append(element("figcaption", "", "Similarity of memory tokens"));
  const map = left.appendChild(svgElement("svg", { class: "similarity", role: "img", viewBox: "0 0 240 240" }));
  left.append(scaleBar("−1 opposite", "0", "+1 the same", "linear-gradient(90deg, #2166ac, #f7f7f7, #d97706)"));
  const leftNote = left.appendChild(element("p", "note"));
  const names = Array.from({ length: tokens }, (_, k) => `token ${k + 1}`);
  let last = null;
  numbersBehind(left, "similarity", () => [
    ["cosine", ...names], ...names.map((name, k) => [name, ...names.map((_, j) => (similarity[((last.readout + 1) * tokens + k) * tokens + j] / 127).toFixed(2))]),
  ]);
  const right = grid.appendChild(element("figure"));
  right.append(element("figcaption", "", "Path of each memory token"));
  const plane = right.appendChild(svgElement("svg", { class: "plane", role: "img", viewBox: "0 0 300 240" }));
  right.append(element("p", "note",
    `Each line is one memory token, from its learned start (hollow) to now (numbered). The plane is fitted on this whole trace ` +
    `and shows ${percent(explained[0] + explained[1])} of the variance; another image has another plane, so compare paths within one image only.`));
  numbersBehind(right, "path", () => [
    ["memory token", "across", "up", "from its start"],
    ...names.map((name, k) => {
      const now = [0, 1].map((axis) => at(last.readout + 1, k, axis));
      return [name, ...now.map((v) => v.toFixed(2)), distance(last.readout + 1, k).toFixed(2)];
    }),
  ]);

  const side = 224 / tokens;
  const cells = Array.from({ length: tokens * tokens }, (_, k) => add(map, "rect", {
    x: 8 + (k % tokens) * side, y: 8 + Math.floor(k / tokens) * side, width: side + 0.2, height: side + 0.2,
  }));
  const at = (r, k, axis) => path[(r * tokens + k) * 2 + axis];
  const distance = (r, k) => Math.hypot(at(r, k, 0) - at(0, k, 0), at(r, k, 1) - at(0, k, 1));
  const count = path.length / 2 / tokens;
  const range = [0, 1].map((axis) => {
    let low = Infinity, high = -Infinity;
    for (let i = axis; i < path.length; i += 2) { low = Math.min(low, path[i]); high = Math.max(high, path[i]); }
    return [low, high - low || 1];
  });
  const scale = Math.min(268 / range[0][1], 208 / range[1][1]); // one for both, so that distances can be compared
  const px = (r, k) => 150 + scale * (at(r, k, 0) - range[0][0] - range[0][1] / 2);
  const py = (r, k) => 120 - scale * (at(r, k, 1) - range[1][0] - range[1][1] / 2);
  const line = (k, to) => linePath(Array.from({ length: to + 1 }, (_, r) => [px(r, k), py(r, k)]));
  const trails = Array.from({ length: tokens }, (_, k) => {
    add(plane, "path", { class: "trail future", d: line(k, count - 1) });
    const trail = add(plane, "path", { class: "trail" });
    add(plane, "circle", { class: "start", cx: px(0, k), cy: py(0, k), r: 3 });
    const dot = add(plane, "circle", { class: "dot" });
    const label = tokens > 24 ? null : add(plane, "text", { class: "dot-name", "text-anchor": "middle", "dominant-baseline": "central" }, String(k + 1));
    return { trail, dot, label };
  });
  return {
    layout() {
      const scale = 300 / (plane.clientWidth || 300); // 12 pixels, however large the picture is
      for (const { dot, label } of trails) {
        dot.setAttribute("r", (tokens > 24 ? 4 : 8) * scale);
        label?.setAttribute("font-size", 12 * scale);
      }
    },
    draw(place) {
      last = place;
      const base = (place.readout + 1) * tokens * tokens;
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
      plane.setAttribute("aria-label", `Path of ${tokens} memory tokens over ${countOf(place.readout + 1, "memory update")}; ` +
        `the longest way from its start is that of memory token ${1 + largest(names.map((_, k) => distance(place.readout + 1, k)))}.`);
      trails.forEach(({ trail, dot, label }, k) => {
        trail.setAttribute("d", line(k, place.readout + 1));
        const x = px(place.readout + 1, k), y = py(place.readout + 1, k);
        dot.setAttribute("cx", x); dot.setAttribute("cy", y);
        label?.setAttribute("x", x); label?.setAttribute("y", y);
      });
      refreshNumbers(host);
    },
  };
}
