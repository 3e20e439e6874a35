// Guess before the model does. All of it happens here: the server sends a few images with what the model made of each
// step, and nothing of that is put on the page before it has been earned. What it draws with is the player's.

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const root = parentElement.querySelector(".game");
  root.vitrmLeave?.();
  const fresh = () => ({ key: data.key, at: 0, step: 0, guess: null, rounds: [] });
  if (!root.vitrm || root.vitrm.key !== data.key) root.vitrm = fresh();
  const state = root.vitrm;
  const find = (selector) => root.querySelector(selector);
  const stop = new AbortController();
  const on = (target, type, handler) => target.addEventListener(type, handler, { signal: stop.signal });
  root.dataset.theme = isDark(root) ? "dark" : "light";
  const images = data.images.map((image) => ({ ...data, ...image, pixels: bytes(image.pixels), glimpse: true }));
  const total = (data.imageSize / data.patchSize) ** 2;
  const keyOf = (k) => (data.classes.every((name) => /^[0-9]$/.test(name)) ? data.classes[k] : k < 10 ? String((k + 1) % 10) : "");

  const buttons = data.classes.map((name, k) => {
    const button = element("button", "", name);
    button.type = "button";
    button.dataset.class = k;
    if (keyOf(k) && keyOf(k) !== name) button.append(element("kbd", "", keyOf(k)));
    return button;
  });
  find(".classes").replaceChildren(...buttons);
  const head = element("tr");
  head.append(...["image", "true class", "you said", "after", "model said", "after", "points"].map((name) => element("th", "", name)));
  find("thead").replaceChildren(head);

  const over = () => state.rounds.length === images.length && state.guess !== null;
  const result = (image, guess, step) => {
    const mine = guess === image.label, its = image.answers[image.exit] === image.label;
    const you = mine && (!its || step <= image.exit) ? 1 : 0, model = its && (!mine || image.exit <= step) ? 1 : 0;
    return { guess, step, mine, its, you, model };
  };
  const say = (k) => {
    if (state.guess !== null) return;
    state.guess = k;
    state.rounds.push(result(images[state.at], k, state.step));
    draw();
    find(over() ? "[data-do=again]" : "[data-do=next]").focus();
  };
  const look = () => {
    if (state.guess !== null || state.step >= data.steps - 1) return;
    state.step++;
    draw();
    if (state.step === data.steps - 1) root.focus();
  };
  const next = () => {
    if (state.guess === null) return;
    if (over()) return setTriggerValue("again", true);
    Object.assign(state, { at: state.at + 1, step: 0, guess: null });
    draw();
    root.focus();
  };

  function draw() {
    const image = images[state.at], told = state.guess !== null, canvas = find(".image");
    const read = new Set(image.patches.slice(0, state.step + 1).flat());
    if (told) drawImage(canvas, { ...image, glimpse: false }, new Set(), new Set());
    else drawSeen(canvas, image, read, new Set(image.patches[state.step]));
    const seen = `${percent(read.size / total)} of the image seen, ${countOf(state.step + 1, "glimpse")}`;
    find(".seen").textContent = told ? `the whole image: ${data.classes[image.label]}` : seen;
    canvas.setAttribute("aria-label", told ? `The whole image, a ${data.classes[image.label]}.`
      : `${seen}: ${[...read].sort((a, b) => a - b).map((p) => patchPlace(data, p)).join("; ")}.`);
    find(".round").textContent = `Image ${state.at + 1} of ${images.length}`;
    const answered = image.exit <= state.step; // with what has been seen now; its answer stays hidden
    const status = find(".status");
    if (told) {
      const round = state.rounds.at(-1), its = image.answers[image.exit];
      const right = (yes) => (yes ? "right" : "wrong");
      status.replaceChildren(
        "You said ", element("b", "", data.classes[round.guess]), ` after ${countOf(round.step + 1, "glimpse")}: ${right(round.mine)}. The model ` +
        (image.halted ? "stopped" : "never passed its threshold and answered") + ` after ${countOf(image.exit + 1, "glimpse")} and said `,
        element("b", "", data.classes[its]), ` (${percent(image.sure[image.exit])}): ${right(round.its)}. ` +
        (round.you && round.model ? "As good as each other: a point for both." : round.you ? "The point is yours." : round.model ? "The point is the model's." : "No point for anybody."));
    } else {
      status.replaceChildren(answered ? "The model has stopped and written down its answer. What is it?"
        : "The model wants to see more. What is it? Say it now, or look further.");
    }
    buttons.forEach((button, k) => {
      button.setAttribute("aria-disabled", String(told));
      button.classList.toggle("said", told && k === state.guess);
      button.classList.toggle("truth", told && k === image.label);
    });
    const further = find("[data-do=look]");
    further.hidden = told;
    further.disabled = state.step >= data.steps - 1;
    find("[data-do=next]").hidden = !told || over();
    find("[data-do=again]").hidden = !told || !over();
    const sum = (name) => state.rounds.reduce((points, round) => points + round[name], 0);
    const score = find(".points");
    score.replaceChildren("You ", element("b", "", `${sum("you")}`), " : ", element("b", "", `${sum("model")}`), " model",
      ...(over() ? [` after ${images.length} images. You needed ${mean((round) => round.step + 1)} glimpses on average, the model ${mean((_, k) => images[k].exit + 1)}. ` +
        "So few images do not say who is better."] : [". Right beats wrong; if both are right, fewer glimpses win."]));
    find(".rounds").hidden = !state.rounds.length;
    find("tbody").replaceChildren(...state.rounds.map((round, k) => {
      const tr = element("tr"), one = images[k], its = one.answers[one.exit];
      tr.append(...[`number ${one.index}`, data.classes[one.label], data.classes[round.guess], round.step + 1, data.classes[its], one.exit + 1, `${round.you} : ${round.model}`]
        .map((text) => element("td", "", String(text))));
      return tr;
    }));
  }
  const mean = (of) => (state.rounds.reduce((all, round, k) => all + of(round, k), 0) / state.rounds.length).toFixed(1);

  on(root, "click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.class !== undefined) say(Number(button.dataset.class));
    else ({ look, next, again: next })[button.dataset.do]?.();
  });
  on(root, "keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("details")) return;
    const k = data.classes.findIndex((_, c) => keyOf(c) === event.key);
    if (k >= 0) say(k);
    else if (event.key === "ArrowRight") look();
    else if (event.key === "Enter" && !event.target.closest("button")) next();
    else return;
    event.preventDefault();
  });
  draw();
  root.vitrmLeave = () => stop.abort();
  return root.vitrmLeave;
}

// The image with nothing of what has not been seen
function drawSeen(canvas, model, seen, reading) {
  drawImage(canvas, model, seen, reading);
  const pen = canvas.getContext("2d"), across = model.imageSize / model.patchSize, p = canvas.width / across;
  pen.fillStyle = "#7d8592";
  for (let k = 0; k < across * across; k++) if (!seen.has(k)) pen.fillRect((k % across) * p, Math.floor(k / across) * p, p, p);
}
