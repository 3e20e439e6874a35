// Draws what `payload` in curves.py describes, with uPlot. A chart is made once; afterwards it is only given points.

const X_STEPS = [1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];
const HEIGHT = 230;

const numbers = (text) => {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return Array.from(new Float32Array(bytes.buffer), (value) => (Number.isFinite(value) ? value : null));
};
const short = (value) => {
  if (value == null) return "–";
  const size = Math.abs(value);
  return size !== 0 && (size < 0.001 || size >= 100_000)
    ? value.toExponential(1)
    : String(Number(value.toPrecision(size >= 1000 ? 5 : 3)));
};

function points(chart) {
  const tables = chart.lines.map((line) => [numbers(line.x), numbers(line.y)]);
  const data = tables.length > 1 ? uPlot.join(tables, tables.map(() => [null, [0]])) : tables[0];
  if (!data?.[0]?.length) return [[], ...chart.lines.map(() => []), ...(chart.level ? [[]] : [])];
  return chart.level ? [...data, data[0].map(() => chart.level[0])] : data;
}

function make(figure, chart, colors) {
  const axis = { stroke: colors.ink, grid: { stroke: colors.line, width: 1 }, ticks: { stroke: colors.line, width: 1, size: 4 }, font: `12px ${colors.font}`, labelFont: `12px ${colors.font}`, labelSize: 18 };
  // Where nobody points, the newest value: of a line the last one that it has.
  const value = (plot, number, k) => {
    const newest = number ?? plot.data[k].findLast((each) => each != null);
    return newest == null ? "" : short(newest);
  };
  const line = (each) => ({ label: each.name, stroke: each.color, width: 2, dash: each.dash ? [6, 4] : undefined, spanGaps: true, points: { size: 5, show: (_, __, from, to) => to - from < 3 }, value });
  const series = [{ label: chart.x_title, value }, ...chart.lines.map(line)];
  if (chart.level) series.push({ label: chart.level[1], stroke: colors.faint, width: 1.5, dash: [3, 4], points: { show: false }, value });
  const range = (_, low, high) => {
    if (low == null) return [chart.low ?? 0, chart.high ?? 1];
    if (chart.log) return uPlot.rangeLog(low, high, 10, false);
    const [from, to] = uPlot.rangeNum(low, high, 0.08, true);
    return [chart.low ?? from, chart.high ?? to];
  };
  return new uPlot(
    {
      width: figure.clientWidth, height: HEIGHT, series,
      scales: { x: { time: false }, y: { range, distr: chart.log ? 3 : 1 } },
      axes: [
        { ...axis, size: 30, label: chart.x_title, incrs: X_STEPS, values: (_, ticks) => ticks.map(short) },
        { ...axis, size: 52, values: (_, ticks) => ticks.map((tick) => (tick == null ? "" : short(tick))) },
      ],
      cursor: { sync: { key: figure.closest(".curves").dataset.sync }, points: { size: 7 }, drag: { x: true, y: false } },
      legend: { live: true },
    },
    points(chart), figure.querySelector(".plot"),
  );
}

// The charts that are there on demand, folded away under their names; none if there are none.
function folded(charts, figures, open) {
  const more = charts.flatMap((chart, k) => (chart.more ? [[chart.y_title, figures[k]]] : []));
  if (!more.length) return [];
  const details = document.createElement("details"), summary = document.createElement("summary");
  const grid = document.createElement("div");
  grid.className = "grid";
  summary.textContent = `${more.length} more: ${more.map(([name]) => name.toLowerCase()).join(", ")}`;
  grid.append(...more.map(([, figure]) => figure));
  details.append(summary, grid);
  details.open = open ?? false;
  return [details];
}

function feed(plot, chart) {
  const old = plot.data[0], { min, max } = plot.scales.x;
  const zoomed = old.length > 1 && min != null && (min > old[0] || max < old.at(-1));
  plot.setData(points(chart), !zoomed);
  if (zoomed) plot.setScale("x", { min, max }); // and y follows
}

function draw({ data, parentElement }) {
  const root = parentElement.querySelector(".curves");
  const style = getComputedStyle(root);
  const colors = { ink: style.color, line: style.getPropertyValue("--line"), faint: style.getPropertyValue("--faint"), font: style.fontFamily };
  const probe = document.createElement("i"); // colours that are computed, as a canvas needs them
  root.append(probe);
  for (const name of ["line", "faint"]) {
    probe.style.color = `var(--${name})`;
    colors[name] = getComputedStyle(probe).color;
  }
  probe.remove();
  root.dataset.sync ??= `curves-${Math.random()}`;
  const shape = JSON.stringify([colors, data.charts.map((chart) => [chart.name, chart.y_title, chart.log, chart.level, chart.lines.map((line) => [line.name, line.color, line.dash])])]);
  if (root.shape !== shape) {
    root.shape = shape;
    root.plots?.forEach((plot) => plot.destroy());
    root.watcher?.disconnect();
    const figures = data.charts.map((chart) => {
      const figure = document.createElement("figure");
      const title = document.createElement("figcaption");
      title.textContent = chart.y_title;
      const plot = document.createElement("div");
      plot.className = "plot";
      plot.setAttribute("role", "img");
      figure.dataset.name = chart.name;
      figure.append(title, plot);
      return figure;
    });
    root.replaceChildren(...figures.filter((_, k) => !data.charts[k].more), ...folded(data.charts, figures, root.querySelector("details")?.open));
    root.figures = figures;
    root.plots = data.charts.map((chart, k) => make(figures[k], chart, colors));
    root.watcher = new ResizeObserver(() => root.plots.forEach((plot, k) => {
      const width = figures[k].clientWidth;
      if (width > 0 && width !== plot.width) plot.setSize({ width, height: HEIGHT });
    }));
    root.watcher.observe(root);
  } else {
    data.charts.forEach((chart, k) => feed(root.plots[k], chart));
  }
  data.charts.forEach((chart, k) => {
    const figure = root.figures[k];
    figure.querySelector(".plot").setAttribute("aria-label", chart.alt);
    figure.dataset.points = String(root.plots[k].data[0].length);
    figure.dataset.last = String(root.plots[k].data[1]?.at(-1) ?? "");
  });
  return () => { // uPlot keeps every plot until it is destroyed
    if (root.isConnected) return; // the host also calls what a drawing returned that newer data have overtaken
    root.watcher.disconnect();
    root.plots.forEach((plot) => plot.destroy());
  };
}

if (!globalThis.vitrmCurves) {
  const box = (globalThis.vitrmCurves = {});
  box.promise = new Promise((resolve) => { box.resolve = resolve; });
}
globalThis.vitrmCurves.resolve(draw);
export default () => {};
