// A maze to draw. A cell is a number, as in vitrm/mazes.py: 0 wall, 1 free, 2 start, 3 and up gems. The server is told
// when the hand has come to rest. What it draws with is the player's (drawing.js).

const REST_MS = 300;
const WALL = 0, FREE = 1, START = 2, FIRST_GEM = 3;

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const root = parentElement.querySelector(".board");
  root.vitrmLeave?.();
  const grid = root.querySelector(".cells"), said = root.querySelector(".said");
  // New data come while one draws, too: what is drawn stays with the element, unless the server says it is another maze.
  const state = (root.vitrm ??= { cells: [], undo: [], tool: WALL, version: null, timer: null, at: 0, stroke: null });
  if (state.version !== data.version) {
    if (state.version !== null) state.undo.push(state.cells);
    state.version = data.version;
    state.cells = Array.from(data.maze, (sign) => data.signs.indexOf(sign));
    state.at = Math.max(0, state.cells.indexOf(START));
    clearTimeout(state.timer);
  }
  const names = ["wall", "free", "start", ...data.gems.map((name) => `${name} gem`)];
  const keys = ["W", "F", "S", ...data.gems.map((_, k) => String(k + 1))];
  const text = () => state.cells.map((code) => data.signs[code]).join("");
  const across = () => Math.round(Math.sqrt(state.cells.length));
  const stop = new AbortController();
  const on = (target, type, handler) => target.addEventListener(type, handler, { signal: stop.signal });

  const tools = root.querySelector(".tools");
  tools.replaceChildren(...names.map((name, code) => {
    const button = element("button"), swatch = button.appendChild(element("span", "swatch"));
    button.type = "button";
    button.dataset.code = code;
    button.title = `Set cells to ${name} (${keys[code]})`;
    swatch.style.background = data.colours[code];
    button.append(code < FIRST_GEM ? name[0].toUpperCase() + name.slice(1) : data.gems[code - FIRST_GEM]);
    return button;
  }));
  const note = root.querySelector(".note");
  note.replaceChildren("Click or drag to set cells; the wall tool takes a wall away where there is one.");
  const keyboard = note.appendChild(element("span", "keyboard", " Keys: arrows, "));
  keys.forEach((key, k) => keyboard.append(k ? " " : "", element("kbd", "", key)));
  keyboard.append(" set a cell, ", element("kbd", "", "Space"), " uses the tool.");

  function build() {
    const side = across();
    grid.style.setProperty("--across", side);
    grid.style.gridTemplateColumns = grid.style.gridTemplateRows = `repeat(${side}, minmax(0, 1fr))`;
    grid.setAttribute("aria-rowcount", side);
    grid.setAttribute("aria-colcount", side);
    grid.replaceChildren(...Array.from({ length: side }, (_, row) => {
      const line = element("div", "row");
      line.setAttribute("role", "row");
      line.append(...Array.from({ length: side }, (_, column) => {
        const cell = element("div", "cell");
        cell.setAttribute("role", "gridcell");
        cell.dataset.place = row * side + column;
        return cell;
      }));
      return line;
    }));
  }
  function paint() {
    const side = across(), cells = grid.querySelectorAll(".cell");
    cells.forEach((cell, place) => {
      const code = state.cells[place];
      cell.style.background = data.colours[code];
      cell.dataset.sign = code === START ? "S" : code >= FIRST_GEM ? code - FIRST_GEM + 1 : ""; // seen; the name says it in words
      cell.classList.toggle("gem", code >= FIRST_GEM);
      cell.tabIndex = place === state.at ? 0 : -1;
      cell.setAttribute("aria-label", `row ${Math.floor(place / side) + 1}, column ${(place % side) + 1}, ${names[code]}`);
    });
    for (const button of tools.children) button.setAttribute("aria-pressed", String(Number(button.dataset.code) === state.tool));
    root.querySelector("[data-do=undo]").disabled = !state.undo.length;
    const way = root.querySelector(".way");
    way.replaceChildren();
    if (data.path && data.maze === text()) { // an older answer is none of this maze
      way.setAttribute("viewBox", `0 0 ${side} ${side}`);
      const points = data.path.map(([row, column]) => `${column + 0.5},${row + 0.5}`).join(" ");
      add(way, "polyline", { points, class: "ground" });
      add(way, "polyline", { points });
    }
  }
  function set(place, code) {
    if (state.cells[place] === code) return;
    if (code >= START) state.cells = state.cells.map((other) => (other === code ? FREE : other)); // there is one of each
    state.cells[place] = code;
  }
  function begin() {
    clearTimeout(state.timer);
    state.before = [...state.cells];
  }
  function finish() {
    paint();
    const changed = state.before && state.before.some((code, k) => code !== state.cells[k]);
    if (changed) state.undo.push(state.before);
    state.before = null;
    if (changed) rest();
  }
  function rest() {
    replaceAddress({ ...data.address, maze: text() });
    happened("maze drawn");
    clearTimeout(state.timer);
    state.timer = setTimeout(() => setTriggerValue("maze", text()), REST_MS);
  }
  const toolAt = (place) => (state.tool === WALL && state.cells[place] === WALL ? FREE : state.tool);
  const actions = {
    undo() {
      if (!state.undo.length) return;
      state.cells = state.undo.pop();
      if (grid.querySelectorAll(".cell").length !== state.cells.length) build();
      state.at = Math.min(state.at, state.cells.length - 1);
      rest();
    },
    clear() {
      begin();
      state.cells = state.cells.map(() => FREE);
      finish();
    },
  };
  const placeAt = (event) => {
    const box = grid.getBoundingClientRect(), side = across();
    const [column, row] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height].map((share) => Math.floor(share * side));
    return Math.min(row, column) < 0 || Math.max(row, column) >= side ? null : row * side + column;
  };
  const focus = (place) => {
    state.at = place;
    paint();
    grid.querySelectorAll(".cell")[place].focus({ preventScroll: true });
  };
  on(grid, "pointerdown", (event) => {
    const place = placeAt(event);
    if (event.button !== 0 || place === null || state.stroke) return;
    event.preventDefault();
    grid.setPointerCapture(event.pointerId);
    begin();
    state.stroke = { pointer: event.pointerId, code: toolAt(place) };
    set(place, state.stroke.code);
    focus(place);
  });
  on(grid, "pointermove", (event) => {
    const place = state.stroke?.pointer === event.pointerId ? placeAt(event) : null;
    if (place === null || state.cells[place] === state.stroke.code) return;
    if (state.stroke.code === FREE && state.cells[place] >= START) return; // wiping walls away spares what is set apart
    set(place, state.stroke.code);
    paint();
  });
  for (const type of ["pointerup", "pointercancel"]) {
    on(grid, type, (event) => {
      if (state.stroke?.pointer !== event.pointerId) return;
      state.stroke = null;
      finish();
    });
  }
  on(root, "click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.code) state.tool = Number(button.dataset.code);
    else actions[button.dataset.do]();
    paint();
  });
  on(root, "keydown", (event) => {
    const undo = (event.ctrlKey || event.metaKey) && event.key === "z";
    if (undo) {
      event.preventDefault();
      actions.undo();
      return paint();
    }
    if (event.ctrlKey || event.metaKey || event.altKey || !event.target.closest(".cell")) return;
    const side = across(), row = Math.floor(state.at / side), column = state.at % side;
    const moves = {
      ArrowUp: row ? -side : 0, ArrowDown: row < side - 1 ? side : 0, ArrowLeft: column ? -1 : 0, ArrowRight: column < side - 1 ? 1 : 0,
      Home: -column, End: side - 1 - column,
    };
    const pressed = { "-": "F", Delete: "F", Backspace: "F", " ": null, Enter: null }[event.key];
    const code = pressed === null ? toolAt(state.at) : keys.indexOf(pressed ?? event.key.toUpperCase());
    if (!(event.key in moves) && code < 0) return;
    event.preventDefault();
    event.stopPropagation(); // the player listens to arrows, too
    if (event.key in moves) return focus(state.at + moves[event.key]);
    begin();
    set(state.at, code);
    finish();
    focus(state.at);
    said.textContent = `${names[code]}`;
  });

  if (grid.querySelectorAll(".cell").length !== state.cells.length) build();
  paint();
  replaceAddress({ ...data.address, maze: text() });
  root.vitrmLeave = () => stop.abort();
  return root.vitrmLeave;
}
