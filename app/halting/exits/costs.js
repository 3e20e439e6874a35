// All test images: what accuracy costs, and where the threshold stands on that curve.

let TALL = 268; // less with a beamer
const ROOM = { left: 44, right: 16, top: 26, bottom: 40 }; // pixels

function buildAll(root, all) {
  const host = root.querySelector(".all"), svg = root.querySelector(".costs");
  const N = all.cost.length;
  host.querySelector("h2").textContent = `All ${all.n.toLocaleString("en")} test images: what accuracy costs`;
  const figures = ["answered rightly", `steps, mean of ${N}`, "of the multiply-adds", "same exits at random"].map((name) => {
    const pair = element("div"), value = element("dd");
    pair.append(element("dt", "", name), value);
    return { pair, value };
  });
  host.querySelector("dl").replaceChildren(...figures.map(({ pair }) => pair));
  const line = all.thresholds.map((threshold) => played(all, threshold));
  const every = all.anytime.map((accuracy, n) => ({ accuracy, work: all.cost[n] / all.cost[N - 1] }));
  const heights = [...line, ...every].map((point) => point.accuracy);
  const highest = Math.max(...heights), lowest = Math.min(...heights);
  const tick = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2].find((step) => 4 * step >= Math.max(highest - lowest, 0.02)) ?? 0.5;
  const first = Math.floor(lowest / tick);
  const ticks = each(Math.max(1, Math.ceil(highest / tick) - first) + 1, (k) => tick * (first + k)); // round numbers
  const low = ticks[0], span = ticks.at(-1) - low;
  const parts = {};
  let wide = 0;
  const x = (work) => ROOM.left + (wide - ROOM.left - ROOM.right) * work;
  const y = (accuracy) => TALL - ROOM.bottom - (TALL - ROOM.top - ROOM.bottom) * ((accuracy - low) / span);
  const path = (points) => linePath(points.map((p) => [x(p.work), y(p.accuracy)]));
  return {
    layout() {
      wide = host.clientWidth;
      svg.replaceChildren();
      for (const work of [0, 0.25, 0.5, 0.75, 1]) {
        add(svg, "text", { class: "tick", x: x(work), y: TALL - 22, "text-anchor": work === 1 ? "end" : "middle" }, `${100 * work} %`);
      }
      for (const accuracy of ticks) {
        add(svg, "line", { class: "axis", x1: ROOM.left, x2: wide - ROOM.right, y1: y(accuracy), y2: y(accuracy) });
        add(svg, "text", { class: "tick", x: ROOM.left - 6, y: y(accuracy) + 4, "text-anchor": "end" }, (100 * accuracy).toFixed(tick < 0.01 ? 1 : 0));
      }
      add(svg, "text", { class: "axis-name", x: 0, y: 13 }, "test accuracy, %");
      add(svg, "text", { class: "axis-name", x: wide - ROOM.right, y: TALL - 4, "text-anchor": "end" }, "multiply-adds, of running every step");
      add(svg, "path", { class: "every", d: path(every) });
      every.forEach((point, n) => {
        add(svg, "circle", { cx: x(point.work), cy: y(point.accuracy), r: 3.5, fill: "var(--faint)" });
        add(svg, "text", { x: x(point.work), y: y(point.accuracy) + 16, "text-anchor": "middle" }, String(n + 1));
      });
      add(svg, "text", { x: wide - ROOM.right, y: TALL - ROOM.bottom - 8, "text-anchor": "end" }, "grey: everybody stops at step n");
      add(svg, "path", { class: "curve", d: path(line) });
      parts.drop = add(svg, "line", { class: "here-line", y2: TALL - ROOM.bottom });
      parts.here = add(svg, "circle", { class: "here", r: 8 });
      parts.name = add(svg, "text", { class: "here-name" });
    },
    render(threshold) {
      const now = played(all, threshold), [left, up] = [x(now.work), y(now.accuracy)];
      for (const end of ["x1", "x2"]) parts.drop.setAttribute(end, left);
      parts.drop.setAttribute("y1", up);
      parts.here.setAttribute("cx", left);
      parts.here.setAttribute("cy", up);
      const room = left < wide / 2; // for its name on the right
      parts.name.setAttribute("x", left + (room ? 12 : -12));
      parts.name.setAttribute("y", Math.max(up - 10, 14));
      parts.name.setAttribute("text-anchor", room ? "start" : "end");
      parts.name.textContent = `halting at ${level(threshold)}`;
      const values = [percentFine(now.accuracy), now.steps.toFixed(2), `${Math.round(100 * now.work)}\u00a0%`, percentFine(now.random)];
      figures.forEach(({ value }, k) => { value.textContent = values[k]; });
      svg.setAttribute("aria-label", `Accuracy against work as the threshold moves. At ${level(threshold)}: ${values[0]} right with ` +
        `${values[1]} of ${N} steps, ${values[2]} of the multiply-adds; every step: ${percentFine(every[N - 1].accuracy)}; ` +
        `the same exits at random: ${values[3]}.`);
    },
  };
}
