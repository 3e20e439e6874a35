// Marks the terms in a page's texts, once in each section, and says what they mean on hover, focus and tap.
//
// The texts are React's, or a component's. Nothing of theirs is moved or removed: a text node is cut short, and what was
// cut off follows as nodes of ours. When a text is written anew, or taken away, ours go with it. A component's own texts
// are marked in the moment in which they are written, so that a screen reader is told of them once.

const TEXTS = "[data-testid=stMarkdownContainer], [data-testid=stCaptionContainer]";
const OWN_TEXTS = "p, figcaption, h2, h3, caption, th, dt, legend, label, svg text, .name"; // of components
const NOT_IN = "a, button, select, code, pre, summary, h1, [role=tab], [role=radiogroup], [role=option], .vitrm-word, .katex";
const SECTIONS = "h2, h3, [data-testid=stExpander]";
const OWN_SECTIONS = "section, details, .host";
const LOOKS = `.vitrm-word { font-style: inherit; text-decoration: underline dotted; text-underline-offset: 3px; cursor: help; }
  .vitrm-word:focus-visible { outline: 2px solid currentColor; outline-offset: 2px; border-radius: 2px; }
  @media print { .vitrm-word { text-decoration: none; } }`;

function bubble(page) {
  const box = page.createElement("div");
  Object.assign(box, { id: "vitrm-meaning", className: "vitrm-meaning", popover: "manual" });
  box.setAttribute("role", "tooltip");
  page.body.append(box);
  return box;
}

export default function words({ data, parentElement }) {
  if (parentElement.words?.pattern !== data.pattern) { // it is called again at each run
    parentElement.words?.end();
    begin(data, parentElement);
  }
  // Streamlit may end a call when the next has begun: only the newest one's end is that of the words.
  const now = parentElement.words, leave = (now.leave = () => now.leave === leave && now.end());
  return leave;
}

function begin(data, parentElement) {
  const page = parentElement.ownerDocument, view = page.defaultView, main = page.querySelector("[data-testid=stMain]");
  const list = parentElement.querySelector("dl"), told = bubble(page);
  const pattern = new RegExp(data.pattern, "gu");
  const cut = new Map(); // a text node of theirs: what is left of it, and our nodes that follow
  const owned = new WeakSet();
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
    const whole = node.data, ours = [], space = node.parentElement.namespaceURI;
    const drawn = Boolean(node.parentElement.closest("svg, [role=img]"));
    found.forEach((match, k) => {
      const word = page.createElementNS(space, space.endsWith("/svg") ? "tspan" : "dfn");
      word.classList.add("vitrm-word");
      word.textContent = match[0];
      word.dataset.term = term(match[0]);
      if (!drawn) { // a drawing is one thing to the keyboard; its words stand in the list, too
        word.tabIndex = 0;
        word.setAttribute("role", "button");
        word.setAttribute("aria-description", meaning(word));
      }
      const end = match.index + match[0].length;
      ours.push(word, page.createTextNode(whole.slice(end, found[k + 1]?.index)));
    });
    node.data = whole.slice(0, found[0].index);
    node.after(...ours);
    for (const each of ours) owned.add(each);
    cut.set(node, { left: node.data, whole, ours });
  };
  const markText = (text, seen) => {
    if (text.closest(NOT_IN)) return;
    for (const word of text.querySelectorAll(".vitrm-word")) seen.add(Number(word.dataset.term)); // from before
    const walk = page.createTreeWalker(text, NodeFilter.SHOW_TEXT), nodes = [];
    while (walk.nextNode()) nodes.push(walk.currentNode);
    for (const node of nodes) if (!cut.has(node) && !owned.has(node) && !node.parentElement.closest(NOT_IN)) mark(node, seen);
  };
  const dropLost = () => {
    for (const [node, { left }] of cut) if (!node.isConnected || node.data !== left) restore(node);
  };
  const roots = () => [...main.querySelectorAll("[data-testid^=stBidiComponent]")].map((host) => host.shadowRoot)
    .filter((root) => root && !root.contains(list));
  // Marks what a component has just written: of its texts those that `changed`, or all.
  const markOwn = (root, changed) => {
    const { observer } = shadows.get(root);
    observer.disconnect();
    for (const text of changed ?? root.querySelectorAll(OWN_TEXTS)) {
      const section = text.closest(OWN_SECTIONS) ?? root, kind = text.namespaceURI.endsWith("/svg") ? "tspan" : "dfn";
      const here = [...section.querySelectorAll(`${kind}.vitrm-word`)].filter((word) => (word.closest(OWN_SECTIONS) ?? root) === section);
      markText(text, new Set(here.map((word) => Number(word.dataset.term))));
    }
    observer.observe(root, { subtree: true, childList: true, characterData: true });
  };
  const shadows = new Map();
  const look = (root) => {
    if (shadows.has(root)) return;
    const style = new view.CSSStyleSheet();
    style.replaceSync(LOOKS);
    root.adoptedStyleSheets = [...root.adoptedStyleSheets, style];
    const observer = new MutationObserver((records) => {
      dropLost();
      const changed = new Set();
      for (const { target, addedNodes } of records) {
        const around = (target.closest ? target : target.parentElement)?.closest(OWN_TEXTS);
        if (around) changed.add(around);
        else for (const node of addedNodes) {
          if (node.matches?.(OWN_TEXTS)) changed.add(node);
          for (const text of node.querySelectorAll?.(OWN_TEXTS) ?? []) changed.add(text);
        }
      }
      if (!changed.size) return;
      markOwn(root, changed);
      clearTimeout(timer);
      timer = setTimeout(scan, 120); // the list
    });
    root.addEventListener("focusin", listeners.focusin); // from one place in it to another, which the page is not told
    shadows.set(root, { observer, style });
    markOwn(root);
  };
  const leave = (root) => {
    const { observer, style } = shadows.get(root);
    observer.disconnect();
    root.removeEventListener("focusin", listeners.focusin);
    root.adoptedStyleSheets = root.adoptedStyleSheets.filter((each) => each !== style);
    shadows.delete(root);
  };
  const scan = () => {
    watch.disconnect();
    let seen = new Set();
    for (const text of main.querySelectorAll(`${TEXTS}, ${SECTIONS}`)) { // in the order of the page
      if (text.matches(SECTIONS)) seen = new Set();
      if (text.matches(TEXTS)) markText(text, seen);
    }
    const there = roots();
    for (const root of [...shadows.keys()]) if (!there.includes(root)) leave(root);
    there.forEach(look);
    tell([...standing(there)]);
    watch.observe(main, { subtree: true, childList: true, characterData: true });
  };
  // All terms that stand on the page: those that are marked, and those in what can be pressed
  const standing = (there) => {
    const all = new Set();
    for (const root of [main, ...there]) {
      for (const word of root.querySelectorAll(".vitrm-word")) all.add(Number(word.dataset.term));
      for (const pressed of root.querySelectorAll("button, summary, option, [role=option], h1")) {
        if (pressed.matches(".vitrm-word")) continue;
        for (const [text] of pressed.textContent.matchAll(pattern)) all.add(term(text));
      }
    }
    return all;
  };
  const tell = (numbers) => {
    const shown = numbers.map((k) => data.terms[k]).sort((a, b) => a.name.localeCompare(b.name));
    const said = shown.map(({ name }) => name).join();
    if (list.dataset.said === said) return;
    list.dataset.said = said;
    list.parentElement.hidden = !said; // where no term stands there is nothing to open
    list.replaceChildren(...shown.map(({ name, meaning }) => {
      const entry = page.createElement("div"), head = page.createElement("dt"), body = page.createElement("dd");
      [head.textContent, body.textContent] = [name, meaning];
      entry.append(head, body);
      return entry;
    }));
  };
  const watch = new MutationObserver(() => {
    dropLost();
    clearTimeout(timer);
    timer = setTimeout(scan, 120);
  });

  const meaning = (word) => `${data.terms[word.dataset.term].name}: ${data.terms[word.dataset.term].meaning}`;
  const show = (word) => {
    at = word;
    const { name, meaning: text } = data.terms[word.dataset.term];
    const head = page.createElement("b");
    head.textContent = name;
    told.replaceChildren(head, ` ${text}`);
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
    at = null;
    if (told.matches(":popover-open")) told.hidePopover();
  };
  const of = (event) => event.composedPath().find((node) => node.classList?.contains("vitrm-word"));
  const listeners = {
    pointermove: (event) => {
      const word = of(event);
      if (word) word !== at && show(word);
      else if (at && !event.composedPath().includes(told) && at.getRootNode().activeElement !== at) hide();
    },
    focusin: (event) => (of(event) ? show(of(event)) : hide()),
    click: (event) => {
      const word = of(event);
      if (word) show(word);
      else if (!event.composedPath().includes(told)) hide();
      if (word?.closest("label")) event.preventDefault(); // it is no press of what the label names
    },
    keydown: (event) => {
      if (event.key === "Escape" && at) hide();
      else if (!of(event) || !["Enter", " "].includes(event.key)) return;
      else show(of(event));
      event.preventDefault();
      event.stopPropagation(); // nor of a key that a component listens for
    },
  };
  for (const [kind, act] of Object.entries(listeners)) page.addEventListener(kind, act, true);
  main.addEventListener("scroll", place); // the focus of a word scrolls to it
  scan();
  const end = () => {
    clearTimeout(timer);
    watch.disconnect();
    for (const root of [...shadows.keys()]) leave(root);
    for (const node of [...cut.keys()]) restore(node);
    for (const [kind, act] of Object.entries(listeners)) page.removeEventListener(kind, act, true);
    main.removeEventListener("scroll", place);
    told.remove();
    delete parentElement.words;
  };
  parentElement.words = { pattern: data.pattern, end };
}
