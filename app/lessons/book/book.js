// The lesson's book. What was done is kept here; Python says what follows from it, and what stands on the open leaf.

const SEND_MS = 250, FOLDED = "vitrm-book-folded";

export default function (component) {
  const { data, parentElement, setStateValue, setTriggerValue } = component;
  const root = parentElement.querySelector(".book");
  root.vitrmLeave?.();
  if (root.vitrm?.lesson !== data.lesson) {
    root.vitrm = { lesson: data.lesson, record: recordOf(data.lesson, data.leaves.length), read: 0, heard: 0, drafts: {}, shown: "", timer: 0, done: null };
  }
  const state = root.vitrm, { record } = state, page = root.ownerDocument.documentElement;
  const stop = new AbortController();
  const find = (selector) => root.querySelector(selector);
  const isCurrent = data.counted === record.events.length && data.leaf === record.leaf;

  function save() {
    keep(data.lesson, record);
  }
  function send() {
    clearTimeout(state.timer);
    state.timer = setTimeout(() => setStateValue("told", { lesson: data.lesson, leaf: record.leaf, events: record.events }), SEND_MS);
  }
  function note(event) {
    if (!noted(record, event)) return;
    save();
    send();
  }
  function take() { // what was done on the page, as far as this leaf asks for it
    const wanted = data.leaves[record.leaf]?.needs ?? [], done = window.vitrmEvents ?? [];
    for (const event of done.slice(state.read)) if (wanted.includes(event.kind)) note(event);
    state.read = done.length;
    data.heard.forEach((event, k) => { // a training may have come to its end before the leaf about that was opened
      if (wanted.includes(event.kind) && (k >= state.heard || event.kind === "training finished")) note(event);
    });
    state.heard = data.heard.length;
  }
  function go(leaf) {
    openLeaf(record, leaf);
    save();
    state.read = (window.vitrmEvents ?? []).length; // what was done before it was opened does not count
    clearTimeout(state.timer);
    state.focus = true;
    setStateValue("told", { lesson: data.lesson, leaf: record.leaf, events: record.events });
  }
  const act = { note, go, draft: state.drafts, erase: () => { forgetAll(); } };

  const folded = () => page.dataset.book === "folded";
  const fold = (yes) => {
    page.dataset.book = yes ? "folded" : "open";
    root.classList.toggle("folded", yes);
    const button = find(".fold");
    button.textContent = yes ? "Unfold" : "Fold";
    button.setAttribute("aria-expanded", String(!yes));
    try { sessionStorage.setItem(FOLDED, yes ? "1" : ""); } catch { /* it is unfolded next time */ }
    measure();
  };
  const measure = () => page.style.setProperty("--book", `${root.offsetHeight}px`);
  find(".fold").onclick = () => fold(!folded());
  find(".close").onclick = () => {
    clearTimeout(state.timer); // of a book that is gone the server takes nothing more
    leave();
    replaceAddress({ lesson: null });
    setTriggerValue("close", "1");
  };
  window.addEventListener("vitrm-event", take, { signal: stop.signal });
  const size = new ResizeObserver(measure);
  size.observe(root);
  const leave = () => {
    delete page.dataset.book;
    page.style.removeProperty("--book");
  };
  const still = (root.vitrmLeave = () => { stop.abort(); size.disconnect(); });

  root.dataset.theme = isDark(root) ? "dark" : "light";
  root.setAttribute("aria-label", `Lesson ${data.number}: ${data.title}`);
  find(".which").replaceChildren(element("span", "", `Lesson ${data.number} of ${data.of} `), element("b", "", data.title));
  if (!page.dataset.book) {
    let was = false;
    try { was = sessionStorage.getItem(FOLDED) === "1"; } catch { /* unfolded */ }
    fold(was);
  }
  replaceAddress({ lesson: data.lesson });
  take();
  if (!isCurrent) {
    send(); // Python knows less than is kept here: after a reload, or a restart of the server
  } else {
    tellProgress(state, data, find(".live"));
    Object.assign(record, { done: data.leaves.filter((leaf) => leaf.done).length, of: data.leaves.length, complete: data.complete });
    save();
    const shown = JSON.stringify({ ...data, heard: 0, counted: 0 });
    if (shown !== state.shown) drawBook(root, data, act, state);
    state.shown = shown;
  }
  measure();
  return () => {
    still();
    if (root.vitrmLeave === still) leave(); // else Streamlit ends a call when the next has begun
  };
}

// Said aloud when a leaf is done, and when the lesson is
function tellProgress(state, data, live) {
  const before = state.done, now = data.leaves.map((leaf) => leaf.done);
  state.done = now;
  if (!before || before.length !== now.length) return;
  const fresh = now.findIndex((done, k) => done && !before[k]);
  if (fresh >= 0) live.textContent = `Done: ${data.leaves[fresh].title}${data.complete ? " That was the whole lesson." : ""}`;
}
