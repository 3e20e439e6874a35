// What every component draws with: elements, numbers, the image, colours; the page's address, and what was done on it.

const SVG = "http://www.w3.org/2000/svg";

function element(tag, className = "", text = "") {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.textContent = text;
  return node;
}

function add(parent, tag, attributes, text) {
  const node = parent.appendChild(svgElement(tag, attributes));
  if (text !== undefined) node.textContent = text;
  return node;
}

function countOf(number, name) {
  return `${number} ${name}${number === 1 ? "" : "s"}`;
}

// Whether step n, from 0, gets its number where each step is so many pixels wide: none overprints the next.
function hasNumber(n, width, digits = 2) {
  const every = [1, 2, 4, 8, 12, 24, 48].find((k) => k * width >= 7 * digits + 6) ?? 96;
  return (n + 1) % every === 0;
}

function percent(p) {
  if (p >= 0.9995 && p < 1) return ">\u00a099.9\u00a0%"; // not all of it
  return `${p >= 0.995 && p < 1 ? (100 * p).toFixed(1) : Math.round(100 * p)}\u00a0%`;
}

function isDark(root) {
  const probe = root.appendChild(element("i"));
  probe.style.forcedColorAdjust = "none"; // or its colour would be that of all text
  probe.style.color = "var(--paper, white)"; // with forced colours not the theme's
  const [r, g, b] = getComputedStyle(probe).color.match(/[\d.]+/g).map(Number);
  probe.remove();
  return 0.299 * r + 0.587 * g + 0.114 * b < 128;
}

function percentFine(p) {
  return `${(100 * p).toFixed(1)}\u00a0%`;
}

function signed(value, digits = 1) {
  const size = Math.abs(value).toFixed(digits);
  return Number(size) === 0 ? size : `${value < 0 ? "−" : "+"}${size}`;
}

// A small image's pixels are squares on screen, all of one size: the styles make it a multiple of --pixels wide.
function squarePixels(node, size) {
  const small = size <= 32;
  node.style.setProperty("--pixels", `${small ? size : 1}px`);
  node.style.imageRendering = small ? "pixelated" : "auto";
}

function drawImage(canvas, model, seen, reading) {
  const size = model.imageSize;
  squarePixels(canvas, size);
  const shown = Math.max(1, Math.round((canvas.clientWidth * devicePixelRatio) / size)); // 0 wide: not laid out
  const side = size * shown * Math.max(1, Math.round(512 / size / shown)); // more than is shown, for a saved picture
  if (canvas.width !== side) canvas.width = canvas.height = side;
  const pen = canvas.getContext("2d");
  pen.imageSmoothingEnabled = false;
  pen.drawImage(bitmap(model), 0, 0, side, side);
  if (!model.glimpse) return;
  const p = (model.patchSize * side) / size, across = size / model.patchSize;
  const style = getComputedStyle(canvas);
  for (let k = 0; k < across * across; k++) {
    const left = (k % across) * p, top = Math.floor(k / across) * p;
    if (!seen.has(k)) {
      pen.globalAlpha = 0.82;
      pen.fillStyle = "#7d8592";
      pen.fillRect(left, top, p, p);
      pen.globalAlpha = 1;
    }
    if (reading.has(k)) {
      pen.lineWidth = side / 85;
      pen.strokeStyle = style.getPropertyValue("--class-3");
      pen.strokeRect(left + pen.lineWidth / 2, top + pen.lineWidth / 2, p - pen.lineWidth, p - pen.lineWidth);
    }
  }
}

// The image as given to the model, one canvas pixel each
function bitmap(model) {
  if (!model.bitmap) {
    const size = model.imageSize, plane = size * size, rgba = new Uint8ClampedArray(4 * plane);
    for (let k = 0; k < plane; k++) {
      for (let c = 0; c < 3; c++) rgba[4 * k + c] = model.pixels[(model.channels === 1 ? 0 : c) * plane + k];
      rgba[4 * k + 3] = 255;
    }
    model.bitmap = new OffscreenCanvas(size, size);
    model.bitmap.getContext("2d").putImageData(new ImageData(rgba, size, size), 0, 0);
  }
  return model.bitmap;
}

function patchImage(model, patch) {
  const p = model.patchSize, across = model.imageSize / p;
  const canvas = Object.assign(document.createElement("canvas"), { width: p, height: p });
  canvas.getContext("2d").drawImage(bitmap(model), (patch % across) * p, Math.floor(patch / across) * p, p, p, 0, 0, p, p);
  return canvas.toDataURL();
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

function attentionScale(high = "") {
  return scaleBar("0", "", high, `linear-gradient(90deg, ${[0, 0.25, 0.5, 0.75, 1].map(cividis).join(",")})`);
}

function svgElement(tag, attributes) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

// The path of a line through points [x, y]; of a single one, where a line shows nothing, a ring around it.
function linePath(points) {
  if (points.length === 1) return `M${(points[0][0] - 3).toFixed(1)} ${points[0][1].toFixed(1)}a3 3 0 1 0 6 0a3 3 0 1 0 -6 0`;
  return points.map(([x, y], k) => `${k ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
}

function sum(values) {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

function patchPlace(model, patch) {
  const across = model.imageSize / model.patchSize;
  return `row ${Math.floor(patch / across) + 1}, column ${(patch % across) + 1}`;
}

// How much what is presented is enlarged: it is laid out for 768 x 432, so that 12 pixels are 20 at 1280 x 720.
function stageZoom() {
  return Math.max(1, Math.min(innerWidth / 768, innerHeight / 432));
}

// The patches as a grid of cells, made once and then painted with one value each (undefined: the patch was not read).
function patchGrid(host, model, { image = false, numbers = false, onPatch = null }) {
  const across = model.imageSize / model.patchSize, total = across * across, side = 240 / across;
  const svg = host.appendChild(svgElement("svg", { class: "heat", viewBox: "0 0 240 240", role: "img" }));
  squarePixels(svg, model.imageSize);
  if (image) add(svg, "image", { href: imageAddress(model), width: 240, height: 240, style: "image-rendering:inherit" });
  const cells = Array.from({ length: total }, (_, patch) => {
    const x = (patch % across) * side, y = Math.floor(patch / across) * side;
    const cell = add(svg, "rect", { x, y, width: side, height: side, class: image ? "cell over" : "cell" });
    cell.dataset.patch = patch;
    const text = numbers && total <= 64
      ? add(svg, "text", { x: x + side / 2, y: y + side / 2 + 4, "text-anchor": "middle", "font-size": total > 36 ? 13.5 : 14 }, "") : null;
    return { cell, text };
  });
  if (onPatch) {
    svg.classList.add("asks");
    svg.addEventListener("click", (event) => {
      const clicked = event.target.closest?.("[data-patch]")?.dataset.patch;
      if (clicked !== undefined) onPatch(Number(clicked));
    });
  }
  return {
    svg,
    paint(values, colour, { chosen = null, text = String, bright = () => false } = {}) {
      cells.forEach(({ cell, text: label }, patch) => {
        const value = values[patch];
        cell.classList.toggle("unread", value === undefined);
        cell.classList.toggle("chosen", patch === chosen);
        cell.setAttribute("fill", value === undefined ? "" : colour(value));
        if (!label) return;
        label.textContent = value === undefined ? "" : text(value);
        if (value !== undefined) label.setAttribute("fill", bright(value) ? "#111" : "#fff");
      });
    },
  };
}

// The table behind a figure, filled when it is opened and kept up to date while it is open
function numbersBehind(host, name, rows) {
  const details = host.appendChild(element("details", "numbers"));
  details.dataset.name = name;
  details.append(element("summary", "", "The numbers behind this figure"));
  const box = details.appendChild(element("div"));
  box.tabIndex = 0; // or the keyboard could not scroll it
  details.fill = () => {
    const [head, ...body] = rows();
    const table = element("table", "compare");
    const line = (cells, tag) => {
      const tr = element("tr");
      cells.forEach((cell, k) => tr.append(element(k ? tag : "th", "", String(cell))));
      return tr;
    };
    table.append(line(head, "th"), ...body.map((cells) => line(cells, "td")));
    box.replaceChildren(table);
  };
  details.addEventListener("toggle", () => details.open && details.fill());
}

function refreshNumbers(host) {
  for (const details of host.querySelectorAll("details.numbers[open]")) details.fill();
}

function imageAddress(model) {
  if (!model.imageAddress) {
    const canvas = Object.assign(document.createElement("canvas"), { width: model.imageSize, height: model.imageSize });
    canvas.getContext("2d").drawImage(bitmap(model), 0, 0);
    model.imageAddress = canvas.toDataURL();
  }
  return model.imageAddress;
}

// The address always says what is on screen; null or "" leaves a name out. It is replaced, so that the browser's Back
// leaves the page at once.
function replaceAddress(values) {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(values)) {
    if (value === null || value === "") query.delete(name);
    else query.set(name, value);
  }
  const text = query.toString();
  history.replaceState(history.state, "", location.pathname + (text && `?${text}`) + location.hash);
}

// What the learner did, for the lesson book (app/lessons/book): its kind and values are those of app/events.py.
function happened(kind, values = {}) {
  (window.vitrmEvents ??= []).push({ kind, ...values });
  window.dispatchEvent(new CustomEvent("vitrm-event"));
}
