// A link that names a section (?open=NAME), and a button that leads to one, arrive at it: the page scrolls there, and
// again as what stands above comes, until the visitor does something.

const LONGEST_MS = 20_000; // a cold server; then it may stay where it is

function arrive(page, { section, press }) {
  const view = page.defaultView;
  if (press && view.vitrmPress !== press) { // a new one
    view.vitrmPress = press;
    scroll(page, section);
  } else if (!view.vitrmArrived) { // once for each address that the browser opened
    const query = new URLSearchParams(view.location.search), [name] = (query.get("open") ?? "").split(",");
    if (/^\w+$/.test(name) && !query.get("present")) scroll(page, name);
  }
  view.vitrmArrived = true;
}

function scroll(page, name) {
  const main = page.querySelector("[data-testid=stMain]");
  const inside = `.panel-${name}, .extras .${name}`; // of a player
  const found = () => page.querySelector(`.st-key-section_${name}`) ?? [...page.querySelectorAll("[data-testid^=stBidiComponent]")]
    .map((host) => host.shadowRoot?.querySelector(inside)).find(Boolean);
  const go = () => {
    const part = found();
    if (!part) return;
    part.style.scrollMarginTop = "70px"; // below the bar
    part.scrollIntoView({ block: "start" });
  };
  const watch = new ResizeObserver(go), appear = new MutationObserver(go);
  const end = () => {
    watch.disconnect();
    appear.disconnect();
    for (const kind of ["wheel", "keydown", "pointerdown", "touchmove"]) page.removeEventListener(kind, end, true);
  };
  watch.observe(main.querySelector("[data-testid=stMainBlockContainer]"));
  appear.observe(main, { childList: true, subtree: true });
  for (const kind of ["wheel", "keydown", "pointerdown", "touchmove"]) page.addEventListener(kind, end, true);
  setTimeout(end, LONGEST_MS);
}
