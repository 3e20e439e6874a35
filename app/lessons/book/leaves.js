// What stands on the leaves of the book. `act` is what can be done there: note an event, go to a leaf, keep a draft.

function drawBook(root, data, act, state) {
  const focused = root.getRootNode().activeElement;
  const way = root.querySelector(".way"), body = root.querySelector(".body"), foot = root.querySelector("footer");
  const reached = data.leaves.findIndex((leaf) => !leaf.done), last = reached < 0 ? data.leaves.length - 1 : reached;
  way.replaceChildren(...data.leaves.map((leaf, k) => {
    const item = element("li"), button = item.appendChild(element("button", leaf.done && k <= last ? "done" : "", leaf.done && k <= last ? "✓" : String(k + 1)));
    button.type = "button";
    button.disabled = k > last;
    button.dataset.name = `leaf ${k}`;
    button.setAttribute("aria-label", `Leaf ${k + 1}: ${leaf.title}${leaf.done && k <= last ? ", done" : ""}`);
    button.title = leaf.title;
    if (k === data.leaf) button.setAttribute("aria-current", "step");
    button.addEventListener("click", () => act.go(k));
    return item;
  }));
  const leaf = data.leaves[data.leaf];
  root.dataset.leaf = leaf.kind;
  body.replaceChildren(element("h2", "", leaf.title));
  const draw = { recall: drawRecall, predict: drawPrediction, stop: drawStop, result: drawResult, fails: drawStop, keep: drawKeep }[leaf.kind];
  const atFoot = draw(body, data, act, leaf);
  foot.replaceChildren();
  if (data.leaf + 1 < data.leaves.length) {
    const next = data.leaves[data.leaf + 1];
    if (leaf.done) foot.append(onward(data, next, act));
    else foot.append(atFoot ?? element("p", "note", "The way on opens when this is done."));
  }
  if (state.focus) {
    state.focus = false;
    body.focus({ preventScroll: true });
    body.scrollTop = 0;
  } else if (focused && !focused.isConnected) { // what has its name now, or the leaf
    (root.querySelector(`[data-name="${CSS.escape(focused.dataset.name ?? "")}"]`) ?? body).focus({ preventScroll: true });
  }
}

// The next leaf; where it is about another state of a page, a link to that
function onward(data, next, act) {
  const name = `Next: ${next.title}`;
  if (next.address === null) return pressed(name, "next main", () => act.go(data.leaf + 1));
  const link = element("a", "next main", name);
  link.href = next.address;
  link.dataset.name = "next";
  link.addEventListener("click", () => act.go(data.leaf + 1)); // kept before the page is left
  return link;
}

function drawRecall(body, data, act, leaf) {
  const missed = data.body.about.some((lesson) => !keptOf(lesson)?.complete); // whoever takes a later lesson first
  body.append(element("p", "note", missed
    ? "Two questions from lessons before, which you have not done in this browser. Guess, or go on without them."
    : "Two questions from lessons before. Remembering is what makes it stay."));
  for (const { spec, chosen, right, why } of data.body.questions) {
    const box = body.appendChild(element("fieldset"));
    box.append(element("legend", "", spec.text));
    let last; // the focus goes from the button to what is said to the answer, which is so read aloud
    if (chosen === null || chosen === undefined) {
      last = askAndCommit(box, spec, act, "Answer", (option) => act.note({ kind: "recalled", question: spec.key, option }));
      box.append(last);
    } else {
      last = element("p", chosen === right ? "yes" : "no", `${chosen === right ? "Right" : "Not quite"}: “${spec.options[right]}”`);
      last.tabIndex = -1;
      box.append(last, rich(why));
    }
    last.dataset.name = `answer ${spec.key}`;
  }
  return missed && !leaf.done ? pressed("Go on without them", "", () => act.note({ kind: "left out" })) : null;
}

// Controls for an answer, which is a draft until the button is pressed, once: the button
function askAndCommit(host, spec, act, text, commit) {
  let draft = act.draft[spec.key] ?? null, committed = false;
  const button = pressed(text, "main", () => {
    if (!committed) commit(draft);
    committed = true;
  });
  button.disabled = draft === null;
  askQuestion(host, spec, draft, (now) => {
    act.draft[spec.key] = draft = now;
    button.disabled = false;
  });
  return button;
}

function drawPrediction(body, data, act, leaf) {
  const { text, spec, value } = data.body;
  body.append(...paragraphs(text), element("p", "question", spec.text));
  if (leaf.done) {
    body.append(element("p", "yes", value === null ? "You look first. That is fine." : "Your prediction is kept. Now look."));
    return;
  }
  const commit = askAndCommit(body, spec, act, "This is my prediction", (value) => act.note({ kind: "predicted", value }));
  const row = element("div", "row"); // at the foot of the book, always in view
  row.append(commit, pressed("Show me first", "", () => act.note({ kind: "shown first" })));
  return row;
}

function drawStop(body, data, act, leaf) {
  const { text, then, hint, control, without } = data.body;
  body.append(...paragraphs(text));
  if (leaf.done) {
    body.append(element("p", "yes", "Done."), rich(then));
    return null;
  }
  const help = body.appendChild(element("details")), head = help.appendChild(element("summary", "", "Help"));
  head.dataset.name = "help";
  help.append(rich(hint));
  if (control) help.append(pressed("Show me where", "", () => pointAt(control)));
  if (leaf.address) {
    const again = help.appendChild(element("a", "again", "Begin this part again"));
    again.href = leaf.address;
  }
  return without ? pressed(without, "", () => act.note({ kind: "left out" })) : null;
}

function drawResult(body, data, act) {
  drawFigure(body, data);
  const { why, reasons } = data.body;
  const box = body.appendChild(element("fieldset"));
  box.append(element("legend", "", why));
  reasons.forEach(({ text, answer, right }, number) => {
    const choice = box.appendChild(pressed(text, "reason", () => act.note({ kind: "reason chosen", number })));
    choice.dataset.name = `reason ${number}`;
    choice.setAttribute("aria-pressed", String(answer !== ""));
    if (answer) {
      const said = box.appendChild(rich(`**${right ? "Yes." : "No."}** ${answer}`));
      said.className = right ? "yes" : "no";
    }
  });
}

function drawFigure(body, data) {
  const { failed, spec, value, result, gap, measured } = data.body;
  if (failed) {
    body.append(element("p", "no", failed));
    return null;
  }
  const figure = body.appendChild(element("figure"));
  figure.dataset.theme = body.closest(".book").dataset.theme; // it may be saved without the book around it
  figure.append(element("p", "which", data.title), element("p", "question", spec.text));
  showAnswer(figure, spec, value, result, gap);
  figure.append(element("p", "gap-words", gap), element("p", "note", measured));
  return figure;
}

function drawKeep(body, data, act) {
  const { text, link, next, all } = data.body;
  body.append(...paragraphs(text));
  const figure = drawFigure(body, data), row = body.appendChild(element("div", "row"));
  if (figure) {
    row.append(pressed("Save this picture", "", () => {
      savePicture(figure, `lesson-${data.number}.png`);
      act.note({ kind: "kept", what: "picture" });
    }));
  }
  if (link) {
    const open = row.appendChild(element("a", "again", "Open it as a link"));
    Object.assign(open, { href: link, target: "_blank" });
    open.addEventListener("click", () => act.note({ kind: "kept", what: "link" }));
  }
  if (next) {
    const on = body.appendChild(element("a", "next main", `Next lesson: ${next.title}`));
    on.href = next.address;
  }
  body.appendChild(element("a", "again", "All lessons")).href = all;
}

// Scrolls to the control that a hint is about, and frames it for a while: the page's, or inside a component
function pointAt(selector) {
  const look = (place) => {
    const found = place.querySelector(selector);
    if (found) return found;
    for (const host of place.querySelectorAll("[data-testid^=stBidiComponent], #stage")) {
      const inside = host.shadowRoot && look(host.shadowRoot);
      if (inside) return inside;
    }
    return null;
  };
  const control = look(document);
  if (!control) return;
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  control.scrollIntoView({ block: "center", behavior: still ? "auto" : "smooth" });
  const frame = { outline: "3px solid #e69f00", outlineOffset: "3px" };
  control.animate([frame, frame], 4000); // its own style stays as it is
  control.focus?.({ preventScroll: true });
}

function pressed(text, kind, act) {
  const button = element("button", kind, text);
  button.type = "button";
  button.dataset.name = text;
  button.addEventListener("click", act);
  return button;
}
