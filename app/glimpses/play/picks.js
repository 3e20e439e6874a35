// Choose the patches of the next step yourself. What is being chosen stays here; when a step is complete the server is
// asked, once, and answers with what the model makes of it, and of the other orders up to the same step.
// What it draws with is the player's (trace.js, drawing.js).

export default function (component) {
  const { parentElement, setStateValue } = component;
  const data = { ...component.data, pixels: bytes(component.data.pixels) };
  const root = parentElement.querySelector(".picks");
  root.vitrmLeave?.();
  const state = (root.vitrm ??= { picks: [], key: data.key, peek: false, focus: 0, waiting: false });
  if (state.key !== data.key || state.waiting) state.picks = []; // another image, or an answered step
  Object.assign(state, { key: data.key, waiting: false });
  const find = (selector) => root.querySelector(selector);
  const across = data.imageSize / data.patchSize, total = across * across;
  if (state.focus >= total) state.focus = 0; // the grid before this one was larger
  const done = data.picks.length, seen = new Set(data.picks.flat()), last = new Set(data.picks.at(-1) ?? []);
  const over = done === data.steps;
  const stop = new AbortController();
  const on = (target, type, handler) => target.addEventListener(type, handler, { signal: stop.signal });
  root.dataset.theme = isDark(root) ? "dark" : "light";
  const tones = patchTiles(data);

  const grid = find(".grid");
  grid.style.setProperty("--across", across);
  grid.style.setProperty("--pixels", data.imageSize <= 32 ? `${data.patchSize}px` : "1px"); // a square of each, if they are few
  const focused = root.getRootNode().activeElement?.dataset?.patch;
  grid.replaceChildren(...Array.from({ length: across }, (_, r) => {
    const line = element("div", "line");
    line.setAttribute("role", "row");
    line.append(...Array.from({ length: across }, (_, c) => {
      const cell = element("button"), patch = r * across + c;
      cell.type = "button";
      cell.dataset.patch = patch;
      cell.setAttribute("role", "gridcell");
      return cell;
    }));
    return line;
  }));
  const cells = [...grid.querySelectorAll("button")];

  const paint = () => {
    cells.forEach((cell, patch) => {
      const known = seen.has(patch), chosen = state.picks.includes(patch);
      cell.style.backgroundImage = known || state.peek || over ? `url(${tones[patch]})` : "none";
      cell.classList.toggle("unseen", !known);
      cell.classList.toggle("faint", !known && (state.peek || over));
      cell.classList.toggle("chosen", chosen);
      cell.classList.toggle("last", last.has(patch));
      cell.setAttribute("aria-disabled", String(known || over));
      cell.setAttribute("aria-selected", String(chosen));
      cell.setAttribute("aria-label", `${patchPlace(data, patch)}: ${known ? "seen" : chosen ? "chosen" : "not seen"}`);
      cell.tabIndex = patch === state.focus ? 0 : -1;
    });
    const left = data.size - state.picks.length;
    find("[data-do=show]").disabled = over || left > 0 || state.waiting;
    for (const name of ["attended", "random"]) find(`[data-do=${name}]`).disabled = over || state.waiting;
    find("[data-do=clear]").disabled = over || !state.picks.length;
    find("[data-do=restart]").disabled = !done && !state.picks.length;
    find(".peek").hidden = over;
    find(".status").textContent = state.waiting ? "The model looks at them …"
      : over ? `All ${done} steps are done: ${percent(seen.size / total)} of the image has been read.`
      : `Step ${done + 1} of ${data.steps}: choose ${data.size} patches to read${done ? " next" : " first"}. ` +
        (left ? `${left} to go.` : "Now show them to the model.");
  };
  const toggle = (patch, to) => {
    if (over || state.waiting || seen.has(patch)) return;
    const there = state.picks.includes(patch), wanted = to ?? !there;
    if (wanted === there) return;
    if (wanted && state.picks.length === data.size) return;
    state.picks = wanted ? [...state.picks, patch] : state.picks.filter((other) => other !== patch);
    paint();
  };
  const unseen = () => cells.map((_, patch) => patch).filter((patch) => !seen.has(patch));
  const actions = {
    show() {
      if (state.picks.length !== data.size || over) return;
      state.waiting = true;
      paint();
      setStateValue("picks", { key: data.key, patches: [...data.picks, [...state.picks].sort((a, b) => a - b)] });
    },
    attended: () => (state.picks = [...data.attended]),
    random() {
      const free = unseen().filter((patch) => !state.picks.includes(patch));
      if (state.picks.length === data.size) state.picks = [];
      while (state.picks.length < data.size) {
        const pool = free.filter((patch) => !state.picks.includes(patch));
        state.picks = [...state.picks, pool[Math.floor(Math.random() * pool.length)]];
      }
    },
    clear: () => (state.picks = []),
    restart() {
      state.picks = [];
      if (done) setStateValue("picks", { key: data.key, patches: [] });
    },
  };
  on(root, "click", (event) => {
    const name = event.target.closest("[data-do]")?.dataset.do;
    if (!name) return;
    actions[name]();
    paint();
  });
  let dragging = null; // what the patches under the pointer become: chosen, or not
  on(grid, "pointerdown", (event) => {
    const cell = event.target.closest("[data-patch]");
    if (!cell || event.button !== 0) return;
    dragging = !state.picks.includes(Number(cell.dataset.patch));
    state.focus = Number(cell.dataset.patch);
    toggle(state.focus, dragging);
    cell.releasePointerCapture?.(event.pointerId);
  });
  on(grid, "pointerover", (event) => {
    const cell = event.target.closest("[data-patch]");
    if (dragging !== null && cell && event.buttons & 1) toggle(Number(cell.dataset.patch), dragging);
  });
  on(window, "pointerup", () => (dragging = null));
  on(grid, "click", (event) => { // a press of Space or Enter; the pointer's own came before
    const cell = event.target.closest("[data-patch]");
    if (cell && event.detail === 0) toggle(Number(cell.dataset.patch));
  });
  on(grid, "keydown", (event) => {
    const move = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across }[event.key];
    if (!move) return;
    event.preventDefault();
    const row = Math.floor(state.focus / across), to = state.focus + move;
    if (to < 0 || to >= total || (Math.abs(move) === 1 && Math.floor(to / across) !== row)) return;
    state.focus = to;
    paint();
    cells[to].focus();
  });
  on(find(".peek input"), "change", (event) => {
    state.peek = event.target.checked;
    paint();
  });

  // The answers so far
  const sure = (row) => `${Math.round(100 * row.truth)}`;
  const mark = (row) => (row.answer === data.label ? " ✓" : " ✗");
  const head = element("tr");
  head.append(element("th", "", "after step"), ...data.rows.map((_, n) => element("th", "", String(n + 1))));
  find("thead").replaceChildren(head);
  const line = (name, className, rows, text) => {
    const tr = element("tr", className), th = element("th", "", name);
    th.scope = "row";
    tr.append(th, ...rows.map((row, n) => element("td", row.answer === undefined ? "" : row.answer === data.label ? "right" : "wrong", text(row, n))));
    return tr;
  };
  find("table").hidden = !done;
  find("tbody").replaceChildren(...(done ? [
    line("your choice", "own", data.rows, (row) => sure(row) + mark(row)),
    line("memory's attention", "", data.learned.slice(0, done), (row) => sure(row) + mark(row)),
    line("centre outwards", "", data.fixed.slice(0, done), (row) => sure(row) + mark(row)),
    line(`random, mean of ${data.draws}`, "", data.random.slice(0, done), (row) => sure(row)),
    line("of the draws right", "", data.random.slice(0, done), (row) => `${Math.round(100 * row.right)}`),
    line("halting, yours", "", data.rows, (row) => row.halt.toFixed(2)),
  ] : []));
  const now = data.rows.at(-1);
  find(".verdict").replaceChildren(...(now ? [
    "With your patches the model answers ", element("b", "", data.classes[now.answer]), ` (${percent(now.sure)}), ` +
    `which is ${now.answer === data.label ? "right" : "wrong"}; halting probability ${now.halt.toFixed(2)}.`,
  ] : ["The model has seen nothing yet. Which patches would tell the most?"]));
  find(".agreed").textContent = done
    ? `Where you looked, the memory's attention would have read ${data.agreed.map((count, n) => `${count} of ${data.size} in step ${n + 1}`).join(", ")}: ` +
      "each time asked in your place, after the same patches. The other rows are runs of their own. One image proves no order better; “Which order wins?” counts them all."
    : "Outlined: chosen. The model is told their places and pixels, and nothing of the others.";
  paint();
  if (focused !== undefined) cells[state.focus].focus();
  root.vitrmLeave = () => stop.abort();
  return root.vitrmLeave;
}

// Each patch as a picture of its own
function patchTiles(model) {
  const total = (model.imageSize / model.patchSize) ** 2;
  return Array.from({ length: total }, (_, patch) => patchImage(model, patch));
}
