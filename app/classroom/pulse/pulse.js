// Asks the server for news every `seconds`, not while the page is hidden, and at once when it is looked at again. Where
// no answer comes (the server was started anew: it no longer knows this page) the page is loaded anew, once the server
// is there. `go` is where the class is led at act `act`: each act moves a browser once, afterwards it may go elsewhere.

const PATIENCE = 15_000; // a busy server is slow, not gone
// Asked for a part of a page that is being left, Streamlit (1.67) takes the browser for being there again, and shows
// neither; its own timer (run_every) ends with the press, and would not rest where nobody looks
const LEAVING = 5_000; // until the next page is there this part is gone; a link may also lead nowhere

export default function ({ data, parentElement, setTriggerValue }) {
  const node = parentElement.querySelector(".pulse");
  const page = parentElement.ownerDocument.defaultView;
  const state = (node.state ??= { asked: 0, answered: Date.now() });
  Object.assign(state, { data, asked: 0, answered: Date.now(), send: setTriggerValue });
  if (node.textContent !== data.said) node.textContent = data.said;

  const act = `${data.code} ${data.act}`;
  if (followed(page) !== act) {
    page.vitrmClass = act;
    try { page.sessionStorage.setItem("vitrm_class", act); } catch { /* it is known until the browser loads a page */ }
    const here = page.location.pathname + page.location.search;
    if (data.go && data.go !== here) page.location.assign(data.go);
  }
  // Streamlit may end a call when the next has begun: only the newest one's end is the pulse's.
  const leave = (state.leave = () => state.leave === leave && state.end());
  if (state.end) return leave;

  const ask = () => {
    if (page.document.hidden || !node.isConnected || Date.now() < (state.held ?? 0)) return;
    if (state.asked) return void (Date.now() - state.asked > PATIENCE && anew()); // a busy server gets no second beat
    state.asked = Date.now();
    state.send("beat", state.asked);
  };
  const anew = async () => {
    state.asked = Date.now();
    try {
      if ((await page.fetch(state.data.health, { cache: "no-store" })).ok) page.location.reload();
    } catch { /* not there yet */ }
  };
  const wait = () => state.data.seconds * 1000 * (0.9 + 0.2 * Math.random()); // a hundred phones do not ask in step
  const tick = () => { ask(); state.timer = page.setTimeout(tick, wait()); };
  state.timer = page.setTimeout(tick, wait());
  const rest = ({ type, target }) => {
    if (type === "popstate" || target.closest?.("a, [role=menuitem]")) state.held = Date.now() + LEAVING;
  };
  const wake = () => { if (!page.document.hidden) { state.asked = 0; ask(); } };
  page.document.addEventListener("visibilitychange", wake);
  page.document.addEventListener("click", rest, true);
  page.addEventListener("popstate", rest, true);
  state.end = () => {
    page.clearTimeout(state.timer);
    page.document.removeEventListener("visibilitychange", wake);
    page.document.removeEventListener("click", rest, true);
    page.removeEventListener("popstate", rest, true);
    node.state = undefined;
  };
  return leave;
}

function followed(page) {
  try {
    return page.sessionStorage.getItem("vitrm_class");
  } catch {
    return page.vitrmClass; // this site may store nothing
  }
}
