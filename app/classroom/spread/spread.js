// Draws what `distribution` in app/classroom/figures.py describes. Rows stay while their labels do, so that bars grow.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 640, HEIGHT = 300, LEFT = 58, BOTTOM = 46, TOP = 12;

const made = (name, className, text) => {
  const node = document.createElement(name);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
};

function rows(place, data) {
  const labels = JSON.stringify(data.rows.map((row) => row.label));
  if (place.dataset.labels !== labels) {
    place.dataset.labels = labels;
    const list = made("ul");
    for (const row of data.rows) {
      const item = list.appendChild(made("li"));
      const label = item.appendChild(made("span", "label"));
      label.append(made("span", "", row.label), made("span", "marks"));
      item.append(made("span", "count"));
      const bar = item.appendChild(made("span", "bar"));
      bar.setAttribute("aria-hidden", "true");
      bar.appendChild(made("i")).style.transform = "scaleX(0)";
    }
    place.replaceChildren(list);
    list.getBoundingClientRect(); // drawn empty first
  }
  data.rows.forEach((row, k) => {
    const item = place.firstChild.children[k];
    item.querySelector(".count").textContent = row.count;
    item.querySelector("i").style.transform = `scaleX(${row.length})`;
    item.classList.toggle("result", row.marks.includes("this is it"));
    item.querySelector(".marks").replaceChildren(...row.marks.map((mark) => made("span", mark === "you" ? "mark" : "mark came", mark)));
  });
}

function lines(place, data) {
  delete place.dataset.labels;
  const node = (name, attributes, text) => {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const x = (k) => LEFT + (k * (WIDTH - LEFT - 24)) / (data.points.length - 1);
  const y = (value) => HEIGHT - BOTTOM - ((value - data.low) * (HEIGHT - BOTTOM - TOP)) / (data.high - data.low);
  const path = (values, name) => node("path", { class: name, d: values.map((value, k) => `${k ? "L" : "M"}${x(k)} ${y(value)}`).join("") });
  const svg = node("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true" });
  for (const value of [data.low, (data.low + data.high) / 2, data.high]) {
    svg.append(node("line", { class: "axis", x1: LEFT, x2: WIDTH - 24, y1: y(value), y2: y(value) }));
    svg.append(node("text", { x: LEFT - 8, y: y(value) + 5, "text-anchor": "end" }, Number(value.toPrecision(3))));
  }
  const every = Math.ceil(data.points.length / 10);
  data.points.forEach((point, k) => {
    if (k % every === 0) svg.append(node("text", { x: x(k), y: HEIGHT - 24, "text-anchor": "middle" }, point));
  });
  svg.append(node("text", { x: (LEFT + WIDTH) / 2, y: HEIGHT - 4, "text-anchor": "middle" }, data.along));
  for (const each of data.lines) svg.append(path(each, "all"));
  if (data.own) svg.append(path(data.own, "own"));
  if (data.result) svg.append(path(data.result, "came-out"));
  const legend = made("p");
  if (data.own) legend.append(made("span", "mark", "- - you"));
  if (data.result) legend.append(made("span", "mark came", "— this is it"));
  place.replaceChildren(svg, legend);
}

export default function ({ data, parentElement }) {
  const place = parentElement.querySelector(".drawn");
  parentElement.querySelector(".spread").classList.toggle("wide", Boolean(data.wide));
  (data.kind === "lines" ? lines : rows)(place, data);
  parentElement.querySelector("figcaption").textContent = data.words;
}
