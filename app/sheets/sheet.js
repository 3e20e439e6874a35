// The sheets: room to write where a learner writes, and in the solutions what stands there. What is said comes from the
// lessons (content.py), figures and axes from question.js.

function mountSheet({ data, parentElement }) {
  const root = parentElement.querySelector(".sheet"), pages = root.querySelector(".pages");
  root.querySelector("h1").textContent = `ViTRM explorer: ${data.title}`;
  root.querySelector(".print").onclick = () => window.print();
  pages.replaceChildren(...data.lessons.map(lessonOnPaper), ...(data.test.length ? [testOnPaper(data.test)] : []));
}

function lessonOnPaper(lesson) {
  const leaf = element("section", "leaf"), solved = "is" in lesson || "failed" in lesson, top = leaf.appendChild(element("div", "top"));
  leaf.classList.toggle("solution", solved);
  const head = top.appendChild(element("div"));
  head.append(element("p", "note", `Lesson ${lesson.number} of ${lesson.of}`), element("h2", "", lesson.title));
  if (!solved) head.append(nameLine());
  const link = top.appendChild(element("div", "link"));
  if (lesson.qr) {
    link.innerHTML = lesson.qr; // ours: app/classroom/address.py
    link.setAttribute("role", "img");
    link.setAttribute("aria-label", `QR code of ${lesson.link}`);
  }
  head.append(element("p", "address", lesson.link));
  if (lesson.recall.length) {
    const part = titled(leaf, lesson.headings.recall), two = part.appendChild(element("div", "two"));
    for (const each of lesson.recall) two.append(askedOnPaper(each));
  }
  const predict = titled(leaf, lesson.headings.predict);
  const words = element("div");
  words.append(...paragraphs(lesson.text), element("p", "question", lesson.spec.text));
  const figure = solved ? solution(words, lesson) : blankAnswer(lesson.spec), beside = solved || lesson.spec.kind === "curve";
  predict.appendChild(element("div", beside ? "beside" : "")).append(words, ...(figure ? [figure] : []));
  for (const stop of lesson.stops) leaf.append(stopOnPaper(stop));
  const result = titled(leaf, lesson.headings.result);
  if (!solved) {
    const line = result.appendChild(element("p", "", "It is "));
    line.append(element("span", "blank"), lesson.spec.kind === "choice" ? "" : " How far off was I? ", lesson.spec.kind === "choice" ? "" : element("span", "blank"));
  }
  result.append(element("p", "question", lesson.why), tickBoxes(lesson.reasons));
  leaf.append(stopOnPaper(lesson.fails));
  return leaf;
}

function testOnPaper(questions) {
  const leaf = element("section", "leaf"), solved = "right" in questions[0];
  leaf.append(element("h2", "", "Five questions"));
  if (!solved) leaf.append(nameLine(), tickBoxes([{ text: "before the lessons" }, { text: "after the lessons" }], true));
  questions.forEach((each, k) => {
    const part = leaf.appendChild(askedOnPaper(each, `${k + 1}. `));
    part.classList.add("part");
  });
  return leaf;
}

function nameLine() {
  const line = element("p", "name");
  line.append("Name", element("span"), "Date", element("span"));
  return line;
}

function titled(leaf, title) {
  const part = leaf.appendChild(element("div", "part"));
  part.append(element("h3", "", title));
  return part;
}

function askedOnPaper({ text, options, right, why }, number = "") {
  const box = element("div"), marked = options.map((option, k) => (right === undefined ? { text: option } : { text: option, right: k === right }));
  box.append(element("p", "question", number + text), tickBoxes(marked));
  if (why) box.append(element("p", "solved", why));
  return box;
}

// Boxes to tick: with what is right ticked and the answer to each below it, where the options have them
function tickBoxes(options, short = false) {
  const list = element("ul", short ? "boxes short" : "boxes");
  options.forEach(({ text, right, answer }, k) => {
    const item = list.appendChild(element("li", right ? "right" : "")), box = element("span", "box", right ? "✓" : "");
    item.append(box, short ? text : `${letterOf(k)}\u2002${text}`);
    if (answer) item.append(Object.assign(rich(`**${right ? "Yes." : "No."}** ${answer}`), { className: "said" }));
  });
  return list;
}

function letterOf(k) {
  return String.fromCharCode(65 + k); // as on the screens of a class
}

function stopOnPaper({ title, text, picture, then }) {
  const part = element("div", picture ? "part stop" : "part"), words = element("div"), isMaze = Boolean(picture?.maze);
  if (picture) part.append(isMaze ? mazeOnPaper(picture) : imageOnPaper(picture));
  part.classList.toggle("maze", isMaze);
  part.append(words);
  const head = words.appendChild(element("div", "head"));
  head.append(element("h3", "", title), ...(isMaze ? [element("p", "note", gemsOf(picture))] : []));
  words.append(...paragraphs(text));
  if (then === undefined) words.append(element("div", "line"), element("div", "line"));
  else words.append(Object.assign(rich(then), { className: "solved" }));
  return part;
}

function imageOnPaper(picture) {
  const box = element("div", "picture"), across = picture.imageSize / picture.patchSize;
  const canvas = box.appendChild(element("canvas")), svg = box.appendChild(svgElement("svg", { class: "patches", viewBox: `0 0 ${across} ${across}` }));
  drawImage(canvas, { ...picture, pixels: bytes(picture.pixels) });
  for (let k = 1; k < across; k++) add(svg, "path", { d: `M${k} 0V${across}M0 ${k}H${across}` });
  box.setAttribute("role", "img");
  box.setAttribute("aria-label", `The picture, cut in ${across} × ${across} patches`);
  return box;
}

// Gems have a letter besides their colour: not every printer has colours.
function mazeOnPaper({ maze, colours }) {
  const box = element("div", "picture"), size = Math.round(Math.sqrt(maze.length));
  const svg = box.appendChild(svgElement("svg", { viewBox: `0 0 ${size} ${size}`, role: "img", "aria-label": "The maze" }));
  [...maze].forEach((sign, k) => {
    const code = codeOf(sign), x = k % size, y = Math.floor(k / size);
    add(svg, "rect", { x, y, width: 1.01, height: 1.01, fill: code === WALL ? "#555" : code < FIRST_GEM ? "#fff" : colours[code] });
    if (code < START) return;
    add(svg, "text", { x: x + 0.5, y: y + 0.81, "text-anchor": "middle", "font-size": 0.9, "font-weight": 700 }, code === START ? "S" : letterOf(code - FIRST_GEM));
  });
  return box;
}

function gemsOf({ maze, gems }) {
  const there = [...new Set(maze)].map((sign) => codeOf(sign) - FIRST_GEM).filter((k) => k >= 0).sort();
  return `S is the start. ${there.map((k) => `${letterOf(k)} ${gems[k]}`).join(", ")}.`;
}

function codeOf(sign) {
  const code = "w-s".indexOf(sign); // as in app/mazes/maze.py
  return code < 0 ? FIRST_GEM - 1 + Number(sign) : code;
}

// What a prediction is written on: boxes, a scale to mark, axes to draw on
function blankAnswer(spec) {
  if (spec.kind === "choice") return tickBoxes(spec.options.map((text) => ({ text })));
  if (spec.kind === "curve") {
    const { svg } = frame(spec);
    svg.classList.add("draw-here");
    return svg;
  }
  const svg = svgElement("svg", { class: "paper-scale", viewBox: "0 0 440 46" }), x = (v) => 20 + (400 * (v - spec.low)) / (spec.high - spec.low);
  add(svg, "line", { class: "axis", x1: x(spec.low), x2: x(spec.high), y1: 18, y2: 18 });
  for (let k = 0; k <= 10; k++) {
    const v = spec.low + (k * (spec.high - spec.low)) / 10;
    add(svg, "line", { class: "axis", x1: x(v), x2: x(v), y1: 11, y2: 25 });
    add(svg, "text", { x: x(v), y: 40, "text-anchor": "middle" }, amount(v, k % 10 || spec.unit !== "%" ? "" : "%"));
  }
  return svg;
}

// The words of the solution go on below the question; returns its figure, null where it could not be measured.
function solution(words, lesson) {
  const said = words.appendChild(element("div", "solved"));
  if (lesson.failed) {
    said.append(element("p", "", lesson.failed));
    return null;
  }
  said.append(element("p", "right", `It is ${lesson.is}.`), element("p", "note", lesson.measured));
  const figure = element("div");
  showAnswer(figure, lesson.spec, null, lesson.result, lesson.is);
  return figure;
}
