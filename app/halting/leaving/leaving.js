// Who leaves when, and rightly, at the threshold of the page: this follows it, and sends the server nothing.

const BAR = { height: 220, top: 22, bottom: 38 }; // pixels
const FEW = 10; // images, of which a share says too little
const WRONG_AT_LEAST = 3; // pixels of a bar, so that a few wrong ones are seen

export default function (component) {
  const { data, parentElement } = component;
  const root = parentElement.querySelector(".leaving");
  root.vitrmLeave?.();
  const all = decodeAll(data.all), stop = new AbortController();
  const state = (root.vitrm ??= { threshold: data.start });
  const bars = buildBars(root.querySelector(".bars"), root.querySelector(".said"), all);
  const images = buildImages(root.querySelector(".steps"), data, all.cost.length);
  const show = (threshold) => {
    state.threshold = threshold;
    bars.render(threshold);
    images.render(threshold);
  };
  window.addEventListener(MOVED, (event) => show(event.detail), { signal: stop.signal });
  const resize = new ResizeObserver(() => {
    bars.layout();
    bars.render(state.threshold);
  });
  resize.observe(root.querySelector(".said"));
  root.dataset.theme = isDark(root) ? "dark" : "light";
  bars.layout();
  show(state.threshold);
  root.vitrmLeave = () => {
    stop.abort();
    resize.disconnect();
  };
  return root.vitrmLeave;
}

function buildBars(svg, said, all) {
  const N = all.cost.length;
  let wide = 0, column = 0;
  return {
    layout() {
      wide = svg.clientWidth || svg.parentElement.clientWidth;
      column = Math.min(120, wide / N);
    },
    render(threshold) {
      const { images, right } = played(all, threshold), floor = BAR.height - BAR.bottom;
      const tall = (count) => ((floor - BAR.top) * count) / all.n; // the same scale at every threshold
      svg.replaceChildren();
      add(svg, "line", { class: "axis", x1: 0, x2: column * N, y1: floor, y2: floor });
      const parts = each(N, (n) => {
        const middle = column * (n + 0.5), width = Math.min(64, 0.7 * column), left = middle - width / 2;
        const wrong = images[n] - right[n], up = tall(right[n]), above = wrong && Math.max(WRONG_AT_LEAST, tall(wrong));
        add(svg, "rect", { class: "right", x: left, y: floor - up, width, height: up });
        if (above) {
          add(svg, "rect", { class: "wrong", x: left, y: floor - up - above, width, height: above });
          for (let k = 0; k < above - 6; k += 8) add(svg, "path", { class: "stripe", d: `M${left} ${floor - up - k - 1}l${width} -5` });
        }
        add(svg, "text", { class: "count", x: middle, y: floor - up - above - 6, "text-anchor": "middle" }, images[n] ? `${images[n].toLocaleString("en")}` : "");
        add(svg, "text", { x: middle, y: floor + 16, "text-anchor": "middle" }, String(n + 1));
        return `${images[n]} after step ${n + 1}, ${wrong} of them wrong`;
      });
      add(svg, "text", { x: 0, y: BAR.height - 4 }, "images that leave after supervision step");
      svg.setAttribute("aria-label", `Test images by the step after which they leave, at threshold ${level(threshold)}: ${parts.join("; ")}.`);
      said.textContent = late(images, right, threshold);
    },
  };
}

// Whether those that leave last are the harder ones: by how many of them are right, as far as so few can tell.
function late(images, right, threshold) {
  const used = [...images.keys()].filter((n) => images[n] > 0), last = used.at(-1);
  if (used.length === 1) return `At ${level(threshold)} all images leave after step ${last + 1}.`;
  const before = sum(used.slice(0, -1).map((n) => images[n])), hits = sum(used.slice(0, -1).map((n) => right[n]));
  const early = hits / before, after = right[last] / images[last];
  const error = Math.sqrt((early * (1 - early)) / before + (after * (1 - after)) / images[last]);
  const judged = images[last] < FEW ? "these are too few to tell"
    : early - after > 2 * error ? "hard images leave late" : "that the late ones are harder does not show";
  const found = images[last] < FEW ? right[last] : percentFine(after); // of few a percentage says more than there is
  return `At ${level(threshold)}: of those that leave last, after step ${last + 1}, ${found} of ` +
    `${images[last].toLocaleString("en")} are right, of those before them ${percentFine(early)}: ${judged}.`;
}

// The images that the report names, under the step after which they leave now.
function buildImages(host, data, N) {
  const rows = each(N, (n) => {
    const row = element("div", "step"), images = element("div", "images");
    row.append(element("span", "name", `after step ${n + 1}`), images);
    return { row, images };
  });
  host.replaceChildren(...rows.map(({ row }) => row));
  const shown = data.examples.map((example) => {
    const link = element("a", "image"), answer = element("b");
    Object.assign(link, { href: example.link, target: "_blank", rel: "noopener" });
    if (example.picture) {
      const image = link.appendChild(Object.assign(element("img"), { src: example.picture, alt: "" }));
      image.onload = () => squarePixels(image, image.naturalWidth);
    }
    else link.append(element("div", "", `image ${example.index}`));
    const truth = element("div", "", `is ${data.classes[example.label]}`);
    link.append(answer, truth);
    return { example, link, answer };
  });
  return {
    render(threshold) {
      const places = rows.map(() => []);
      for (const { example, link, answer } of shown) {
        const exit = exitStep(example.halt, threshold), right = example.answers[exit] === example.label;
        link.className = right ? "image" : "image wrong";
        answer.textContent = `${data.classes[example.answers[exit]]} ${right ? "✓" : "✗"}`;
        const path = example.answers.map((k) => data.classes[k]).filter((name, n, list) => n === 0 || name !== list[n - 1]).join(" → ");
        link.title = `${example.why.join(", ")}; answers over the steps: ${path}`;
        link.setAttribute("aria-label", `Test image ${example.index}, a ${data.classes[example.label]}: leaves after step ${exit + 1} ` +
          `with ${data.classes[example.answers[exit]]}, which is ${right ? "right" : "wrong"}. Opens the player in a new tab.`);
        places[exit].push(link);
      }
      rows.forEach(({ images }, n) => {
        if (images.children.length === places[n].length && places[n].every((link, k) => images.children[k] === link)) return;
        images.replaceChildren(...places[n]); // moving what has the focus would take it
      });
    },
  };
}
