// A sheet to draw a digit on, light on dark as the digits of the training data are, and a listener for pasted pictures.
// A drawing is a list of strokes, so that undo is exact; the server is told when the hand has come to rest.

const SIDE = 280; // pixels of the picture that is sent; the canvas has two for each
const REST_MS = 350;
const HELD = "vitrm-held"; // in this tab only: how many pictures which session kept. No picture is stored.

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const root = parentElement.querySelector(".sketch");
  root.vitrmLeave?.();
  const find = (selector) => root.querySelector(selector);
  const canvas = find("canvas"), trouble = find(".trouble"), width = find(".width");
  // New data may come in the middle of a stroke: what is being drawn stays with the element.
  const state = (root.vitrm ??= { strokes: [], stroke: null, timer: null, tool: "pen", number: Date.now(), sent: "" });
  const stop = new AbortController();
  const on = (target, type, handler, options = {}) =>
    target.addEventListener(type, handler, { signal: stop.signal, ...options });

  find(".board").hidden = !data.draw;
  find("[data-do=paste]").hidden = !navigator.clipboard?.read; // the browser gives it to https and localhost only

  // Drawing

  const refresh = () => {
    draw(canvas, state.strokes);
    canvas.setAttribute("aria-label", state.strokes.length
      ? `Sheet with ${state.strokes.length} ${state.strokes.length === 1 ? "stroke" : "strokes"}. Keys: Ctrl+Z undoes, Delete clears.`
      : "Empty sheet to draw a digit on, with a finger, a pen or the mouse.");
    for (const name of ["undo", "clear", "next"]) find(`[data-do=${name}]`).disabled = !state.strokes.length;
    for (const name of ["pen", "eraser"]) find(`[data-do=${name}]`).setAttribute("aria-pressed", state.tool === name);
  };
  const tell = () => {
    clearTimeout(state.timer);
    const content = state.strokes.some((s) => !s.erases) ? picture(state.strokes) : "";
    if (content === state.sent) return;
    state.sent = content;
    setTriggerValue("sheet", { number: state.number, content });
  };
  const rest = () => {
    refresh();
    clearTimeout(state.timer);
    state.timer = setTimeout(tell, REST_MS);
  };
  const actions = {
    pen: () => (state.tool = "pen"),
    eraser: () => (state.tool = "eraser"),
    undo: () => state.strokes.pop() && rest(),
    clear() {
      state.strokes = [];
      rest();
    },
    next() {
      if (!state.strokes.length) return;
      tell();
      state.strokes = [];
      state.sent = "";
      state.number = Math.max(Date.now(), state.number + 1);
    },
    paste,
  };
  const point = (event) => {
    const box = canvas.getBoundingClientRect();
    return [(SIDE * (event.clientX - box.left)) / box.width, (SIDE * (event.clientY - box.top)) / box.height];
  };
  on(canvas, "pointerdown", (event) => {
    if (event.button !== 0 || state.stroke) return;
    canvas.setPointerCapture(event.pointerId);
    clearTimeout(state.timer); // not while the next stroke is being drawn
    state.stroke = { pointer: event.pointerId, erases: state.tool === "eraser", width: Number(width.value), points: [point(event)] };
    state.strokes.push(state.stroke);
    refresh();
  });
  on(canvas, "pointermove", (event) => {
    if (state.stroke?.pointer !== event.pointerId) return;
    const moves = event.getCoalescedEvents?.() ?? [];
    for (const move of moves.length ? moves : [event]) state.stroke.points.push(point(move));
    draw(canvas, state.strokes);
  });
  for (const type of ["pointerup", "pointercancel"]) {
    on(canvas, type, (event) => {
      if (state.stroke?.pointer !== event.pointerId) return;
      state.stroke = null;
      rest();
    });
  }
  on(root, "click", (event) => {
    const name = event.target.closest("[data-do]")?.dataset.do;
    if (!name) return;
    actions[name]();
    refresh();
  });
  on(find(".board"), "keydown", (event) => {
    const undo = (event.ctrlKey || event.metaKey) && event.key === "z";
    if (!undo && (event.ctrlKey || event.metaKey || event.altKey)) return;
    const name = undo ? "undo" : { Delete: "clear", Backspace: "clear", p: "pen", e: "eraser", n: "next" }[event.key];
    if (!name) return;
    event.preventDefault();
    actions[name]();
    refresh();
  });

  // Pasting

  on(document, "paste", (event) => {
    const into = event.composedPath()[0];
    if (into.matches?.("textarea, [contenteditable=true], input:not([type=range], [type=radio], [type=checkbox])")) return;
    const file = [...(event.clipboardData?.files ?? [])][0];
    if (!file) {
      trouble.textContent = "The clipboard holds no picture; copy a picture, not its address, and paste again.";
      return;
    }
    event.preventDefault();
    send(file);
  });
  async function paste() {
    trouble.textContent = "";
    try {
      for (const item of await navigator.clipboard.read()) {
        const type = item.types.find((name) => name.startsWith("image/"));
        if (type) return await send(await item.getType(type));
      }
      trouble.textContent = "The clipboard holds no picture; copy one and try again.";
    } catch {
      trouble.textContent = "The browser did not give the clipboard; allow it, or press Ctrl+V.";
    }
  }
  async function send(file) {
    if (file.size > data.maxBytes) {
      trouble.textContent = `The picture has ${(file.size / 1e6).toFixed(1)} MB, more than the ${data.maxBytes / 1e6} accepted; save it smaller.`;
      return;
    }
    trouble.textContent = "";
    setTriggerValue("pasted", { content: base64(await file.arrayBuffer()) });
  }

  // After the server was away the browser is connected again, but the page is not run again by itself.

  const app = document.querySelector("[data-testid=stApp]");
  const connected = () => app?.dataset.testConnectionState === "CONNECTED";
  let was = connected();
  const watch = new MutationObserver(() => {
    if (connected() && !was) setTriggerValue("woken", true);
    was = connected();
  });
  if (app) watch.observe(app, { attributes: true, attributeFilter: ["data-test-connection-state"] });

  const forgotten = state.session !== undefined && state.session !== data.session; // the server started again
  state.session = data.session;
  const redrawn = forgotten && data.draw && Boolean(state.sent);
  if (redrawn) { // what is on the sheet is still here: the server is told again
    state.sent = null;
    rest();
  } else if (forgotten) {
    state.strokes = [];
    state.sent = "";
  }
  tellWhatWasLost(find(".lost"), data, redrawn ? 1 : 0);
  refresh();
  root.vitrmLeave = () => {
    stop.abort();
    watch.disconnect();
  };
  return root.vitrmLeave;
}

function draw(canvas, strokes) {
  const pen = canvas.getContext("2d");
  pen.setTransform(canvas.width / SIDE, 0, 0, canvas.height / SIDE, 0, 0);
  pen.fillStyle = "#000";
  pen.fillRect(0, 0, SIDE, SIDE);
  pen.lineCap = pen.lineJoin = "round";
  for (const { points, width, erases } of strokes) {
    pen.strokeStyle = erases ? "#000" : "#fff";
    pen.lineWidth = width;
    pen.beginPath();
    pen.moveTo(...points[0]);
    for (const [x, y] of points.length > 1 ? points.slice(1) : points) pen.lineTo(x, y);
    pen.stroke();
  }
}

function picture(strokes) {
  const sheet = document.createElement("canvas");
  sheet.width = sheet.height = SIDE;
  draw(sheet, strokes);
  return sheet.toDataURL("image/png").split(",")[1];
}

function base64(buffer) {
  const bytes = new Uint8Array(buffer);
  let text = "";
  for (let k = 0; k < bytes.length; k += 32768) text += String.fromCharCode(...bytes.subarray(k, k + 32768));
  return btoa(text);
}

// Pictures live in the server's memory, for one session. This tab notes how many, to say so when they are gone.
function tellWhatWasLost(note, data, redrawn) {
  try {
    const before = JSON.parse(sessionStorage.getItem(HELD) ?? "null");
    if (before && before.session !== data.session) {
      const lost = before.held - redrawn, many = lost > 1;
      note.textContent = `The ${many ? `${lost} pictures` : "picture"} you had here ${many ? "were" : "was"} kept in memory only, ` +
        `and ${many ? "are" : "is"} gone: the server or the page was started again. Please choose ${many ? "them" : "it"} again.`;
      note.hidden = lost <= 0;
      note.vitrmRedrawn = redrawn;
    } else if (data.held > (note.vitrmRedrawn ?? 0)) {
      note.hidden = true; // something has been chosen again
    }
    sessionStorage.setItem(HELD, JSON.stringify({ session: data.session, held: data.held }));
  } catch {
    note.hidden = true; // a browser that keeps nothing for pages
  }
}
