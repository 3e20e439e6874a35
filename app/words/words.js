// Marks the terms in a page's texts, once in each section, and says what they mean on hover, focus and tap.
//
// The texts are React's. Nothing of it is moved or removed: its text node is cut short, and what was cut off follows as
// nodes of ours. When React writes a text anew, or takes it away, ours go with it.

const TEXTS = "[data-testid=stMarkdownContainer], [data-testid=stCaptionContainer], [data-words]";
const NOT_IN = "a, button, label, code, pre, summary, h1, [role=tab], [role=radiogroup], [role=option], .vitrm-word, .katex";
const SECTIONS = "h2, h3, [data-testid=stExpander]";

function bubble(page) {
  const box = page.createElement("div");
  Object.assign(box, { id: "vitrm-meaning", className: "vitrm-meaning", popover: "manual" });
  box.setAttribute("role", "tooltip");
  page.body.append(box);
  return box;
}

export default function words({ data, parentElement }) {
  if (parentElement.words?.pattern === data.pattern) return parentElement.words.end; // called again at each run
  parentElement.words?.end();
  const page = parentElement.ownerDocument, view = page.defaultView, main = page.querySelector("[data-testid=stMain]");
  const list = parentElement.querySelector("dl"), told = bubble(page);
  const pattern = new RegExp(data.pattern, "gu");
  const cut = new Map(); // React's text node: what is left of it, and our nodes that follow
  let at = null, timer = 0;

  const term = (text) => {
    const plain = text.replace(/\s+/g, " ");
    return data.writings[plain] ?? data.writings[plain[0].toLowerCase() + plain.slice(1)];
  };
  const restore = (node) => {
    const { left, whole, ours } = cut.get(node);
    for (const each of ours) each.remove();
    if (node.data === left) node.data = whole;
    cut.delete(node);
  };
  const mark = (node, seen) => {
    const found = [...node.data.matchAll(pattern)].filter(([text]) => {
      const fresh = !seen.has(term(text));
      seen.add(term(text));
      return fresh;
    });
    if (!found.length) return;
    const whole = node.data, ours = [];
    found.forEach((match, k) => {
      const word = page.createElement("span");
      Object.assign(word, { className: "vitrm-word", tabIndex: 0, textContent: match[0] });
      word.dataset.term = term(match[0]);
      word.setAttribute("role", "button");
      const end = match.index + match[0].length;
      ours.push(word, page.createTextNode(whole.slice(end, found[k + 1]?.index)));
    });
    node.data = whole.slice(0, found[0].index);
    node.after(...ours);
    cut.set(node, { left: node.data, whole, ours });
  };
  const texts = function* (root) { // sections and texts, in the order of the page
    for (const each of root.querySelectorAll(`${TEXTS}, ${SECTIONS}, [data-testid^=stBidiComponent]`)) {
      yield each;
      if (each.shadowRoot && !each.shadowRoot.contains(list)) yield* texts(each.shadowRoot);
    }
  };
  const scan = () => {
    watch.disconnect();
    const all = new Set();
    let seen = new Set();
    for (const text of texts(main)) {
      if (text.matches(SECTIONS)) seen = new Set();
      if (!text.matches(TEXTS) || text.closest(NOT_IN)) continue;
      for (const word of text.querySelectorAll(".vitrm-word")) seen.add(Number(word.dataset.term));
      const walk = page.createTreeWalker(text, NodeFilter.SHOW_TEXT), nodes = [];
      while (walk.nextNode()) nodes.push(walk.currentNode);
      const ours = new Set([...cut.values()].flatMap((each) => each.ours));
      for (const node of nodes) if (!cut.has(node) && !ours.has(node) && !node.parentElement.closest(NOT_IN)) mark(node, seen);
    }
    for (const word of marked(main)) all.add(Number(word.dataset.term));
    tell([...all]);
    watch.observe(main, { subtree: true, childList: true, characterData: true });
  };
  const marked = function* (root) {
    yield* root.querySelectorAll(".vitrm-word");
    for (const host of root.querySelectorAll("[data-testid^=stBidiComponent]")) if (host.shadowRoot) yield* marked(host.shadowRoot);
  };
  const tell = (numbers) => {
    const shown = numbers.map((k) => data.terms[k]).sort((a, b) => a.name.localeCompare(b.name));
    const said = shown.map(({ name }) => name).join();
    if (list.dataset.said === said) return;
    list.dataset.said = said;
    list.replaceChildren(...shown.map(({ name, meaning }) => {
      const entry = page.createElement("div"), head = page.createElement("dt"), body = page.createElement("dd");
      [head.textContent, body.textContent] = [name, meaning];
      entry.append(head, body);
      return entry;
    }));
  };
  const watch = new MutationObserver(() => {
    for (const [node, { left }] of cut) if (!node.isConnected || node.data !== left) restore(node);
    clearTimeout(timer);
    timer = setTimeout(scan, 120);
  });

  const show = (word) => {
    at?.removeAttribute("aria-describedby");
    at = word;
    const { name, meaning } = data.terms[word.dataset.term];
    const head = page.createElement("b");
    head.textContent = name;
    told.replaceChildren(head, ` ${meaning}`);
    word.setAttribute("aria-describedby", told.id);
    told.showPopover();
    place();
  };
  const place = () => { // under the word, or above it where there is no room
    if (!at) return;
    const box = at.getBoundingClientRect(), { offsetWidth: wide, offsetHeight: high } = told;
    if (!at.isConnected || box.bottom < 0 || box.top > view.innerHeight) return hide();
    const below = box.bottom + high + 12 < view.innerHeight;
    told.style.left = `${Math.max(8, Math.min(box.left, view.innerWidth - wide - 8))}px`;
    told.style.top = `${below ? box.bottom + 4 : Math.max(8, box.top - high - 4)}px`;
  };
  const hide = () => {
    at?.removeAttribute("aria-describedby");
    at = null;
    if (told.matches(":popover-open")) told.hidePopover();
  };
  const of = (event) => event.composedPath().find((node) => node.classList?.contains("vitrm-word"));
  const listeners = {
    pointerover: (event) => {
      const word = of(event);
      if (word) show(word);
      else if (at && !event.composedPath().includes(told) && at.getRootNode().activeElement !== at) hide();
    },
    focusin: (event) => (of(event) ? show(of(event)) : hide()),
    click: (event) => {
      const word = of(event);
      if (word) show(word);
      else if (!event.composedPath().includes(told)) hide();
    },
    keydown: (event) => {
      if (event.key === "Escape" && at) hide();
      else if (of(event) && ["Enter", " "].includes(event.key)) { event.preventDefault(); show(of(event)); }
    },
  };
  for (const [kind, act] of Object.entries(listeners)) page.addEventListener(kind, act);
  main.addEventListener("scroll", place); // the focus of a word scrolls to it
  scan();
  const end = () => {
    clearTimeout(timer);
    watch.disconnect();
    for (const node of [...cut.keys()]) restore(node);
    for (const [kind, act] of Object.entries(listeners)) page.removeEventListener(kind, act);
    main.removeEventListener("scroll", place);
    told.remove();
    delete parentElement.words;
  };
  parentElement.words = { pattern: data.pattern, end };
  return end;
}
