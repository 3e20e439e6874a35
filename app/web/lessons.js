// The lessons without a server: what was done decides here how far one is, as app/lessons/progress.py does it in the app,
// and the same book is drawn of it. What came out was measured when the site was written.

const shelfHost = document.getElementById("shelf");
const open = vitrmCourse.lessons.find(({ key }) => key === new URLSearchParams(location.search).get("lesson"));
if (shelfHost) {
  const shelf = inShadow(shelfHost, vitrmCourse.shelf);
  mountShelf({ data: vitrmCourse, parentElement: shelf });
  followTheme(shelf.querySelector(".shelf"));
}
if (open) openBook(open, inShadow(document.body.appendChild(element("div")), vitrmCourse.book).querySelector(".book"));

function inShadow(host, html) {
  const inside = host.attachShadow({ mode: "open" });
  inside.innerHTML = html; // ours: written with the site
  return inside;
}

// By the button, or with the system: site.js writes it on the page.
function followTheme(root) {
  const shade = () => (root.dataset.theme = isDark(root) ? "dark" : "light");
  new MutationObserver(shade).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  shade();
}

function openBook(lesson, root) {
  const page = document.documentElement, find = (selector) => root.querySelector(selector);
  const record = recordOf(lesson.key, lesson.leaves.length), state = { focus: false };
  let read = (window.vitrmEvents ?? []).length;

  function note(event) {
    if (!noted(record, event)) return;
    draw();
  }
  function go(leaf) {
    openLeaf(record, leaf);
    read = (window.vitrmEvents ?? []).length; // what was done before it was opened does not count
    state.focus = true;
    draw();
  }
  function take() {
    const wanted = (lesson.leaves[record.leaf]?.stop?.done ?? []).map(({ kind }) => kind), done = window.vitrmEvents ?? [];
    const fresh = done.slice(read);
    read = done.length;
    for (const event of fresh) if (wanted.includes(event.kind)) note(event);
  }
  function draw() {
    const leaves = lesson.leaves.map((leaf, k) => ({ ...leaf, done: isDone(lesson, k, record.events) }));
    Object.assign(record, { done: leaves.filter(({ done }) => done).length, of: leaves.length, complete: leaves.every(({ done }) => done) });
    keep(lesson.key, record);
    drawBook(root, { title: lesson.title, number: lesson.number, leaf: record.leaf, leaves, body: bodyOf(lesson, record) }, { note, go, draft: drafts }, state);
    find(".live").textContent = leaves[record.leaf].done ? `Done: ${leaves[record.leaf].title}` : "";
    measure();
  }
  const drafts = {};
  const measure = () => page.style.setProperty("--book", `${root.offsetHeight}px`);
  const fold = (yes) => {
    page.dataset.book = yes ? "folded" : "open";
    root.classList.toggle("folded", yes);
    find(".fold").textContent = yes ? "Unfold" : "Fold";
    find(".fold").setAttribute("aria-expanded", String(!yes));
    measure();
  };
  find(".fold").onclick = () => fold(page.dataset.book !== "folded");
  find(".close").onclick = () => {
    delete page.dataset.book;
    root.remove();
    replaceAddress({ lesson: null });
  };
  window.addEventListener("vitrm-event", take);
  new ResizeObserver(measure).observe(root);
  root.setAttribute("aria-label", `Lesson ${lesson.number}: ${lesson.title}`);
  find(".which").append(element("span", "", `Lesson ${lesson.number} of ${vitrmCourse.lessons.length} `), element("b", "", lesson.title));
  followTheme(root);
  fold(false);
  draw();
}

function isDone(lesson, number, events) {
  const { kind, stop } = lesson.leaves[number], some = (...kinds) => events.some((event) => kinds.includes(event.kind));
  if (kind === "recall") return some("left out") || lesson.recall.every(({ spec }) => chosenOf(spec, events) !== undefined);
  if (kind === "predict") return some("predicted", "shown first");
  if (kind === "result") return events.some((event) => event.kind === "reason chosen" && lesson.reasons[event.number]?.right);
  if (!stop) return true; // the last is a gift
  const opened = events.findIndex((event) => event.kind === "leaf opened" && event.leaf === number);
  const since = opened < 0 ? [] : events.slice(opened);
  return stop.needs ? since.some(({ kind }) => kind === "left out") : stop.done.every((did) => holds(did, since));
}

function holds({ kind, examples, where }, events) {
  const within = (event) => Object.entries(where).every(([name, [low, high]]) => low <= event[name] && event[name] <= high);
  const isOne = (event) => examples.some((example) => Object.entries(example).every(([name, value]) => event[name] === value));
  const found = events.filter((event) => event.kind === kind && (where ? within(event) : isOne(event)));
  return new Set(found.map((event) => JSON.stringify(event))).size >= examples.length;
}

function chosenOf(spec, events) {
  return events.find((event) => event.kind === "recalled" && event.question === spec.key)?.option;
}

// What stands on the open leaf, as `_body` of app/lessons/book/book.py sends it
function bodyOf(lesson, { leaf, events }) {
  const { kind, stop } = lesson.leaves[leaf], value = events.find((event) => event.kind === "predicted")?.value ?? null;
  if (kind === "recall") {
    return { about: lesson.about, questions: lesson.recall.map(({ spec, right, why }) => {
      const chosen = chosenOf(spec, events);
      return { spec, chosen, right, why };
    }) };
  }
  if (kind === "predict") return { text: lesson.text, spec: lesson.spec, value };
  if (stop?.needs) {
    return { text: `${stop.text}\n\n**This part needs the app.**`, hint: "The app is a program for your own machine: see the first page.", then: "You go on without it.", without: "Go on without it" };
  }
  if (stop) return { ...stop, control: /data-testid|st-key/.test(stop.control) ? "" : stop.control }; // of Streamlit's there is nothing here
  const tried = events.filter((event) => event.kind === "reason chosen").map(({ number }) => number);
  const reasons = lesson.reasons.map((reason, k) => ({ ...reason, answer: tried.includes(k) ? reason.answer : "" }));
  const said = value === null ? `It is ${lesson.is}.` : `You said ${inWords(lesson.spec, value)}. It is ${lesson.is}.`;
  const result = lesson.failed ? { failed: lesson.failed } : { spec: lesson.spec, value, result: lesson.result, gap: said, measured: lesson.measured };
  const next = vitrmCourse.lessons.find(({ number }) => number === lesson.number + 1);
  return { ...result, why: lesson.why, reasons, text: lesson.keep.text, link: lesson.keep.link, next, all: "lessons.html" };
}

function inWords(spec, value) {
  if (spec.kind === "choice") return `“${spec.options[value]}”`;
  if (spec.kind === "slider") return amount(value, spec.unit);
  return value.map((each, k) => `${spec.points[k]}: ${amount(each, spec.unit)}`).join(", ");
}
