// What is presented is chosen by keys; the page is laid out small and then enlarged (stageZoom).

export default ({ data, parentElement, setTriggerValue }) => {
  const root = parentElement.querySelector(".bar"), enter = root.querySelector(".enter"), row = root.querySelector(".panels");
  root.vitrmLeave?.();
  const page = parentElement.ownerDocument, main = page.querySelector("[data-testid=stMainBlockContainer]");
  const stop = new AbortController();
  const changed = enter.hidden !== data.on;
  enter.hidden = data.on;
  enter.onclick = () => setTriggerValue("present", true);
  const leave = () => setTriggerValue("present", false);
  const offered = data.on ? [...data.panels, ["", "Leave"]] : [], names = JSON.stringify(offered);
  if (row.dataset.names !== names) { // others than before; else only the choice has changed, and the focus stays
    row.dataset.names = names;
    row.replaceChildren(...offered.map(([name, title], k) => {
      const button = element("button", "", title);
      Object.assign(button, { type: "button", value: name });
      button.append(element("kbd", "", name ? String(k + 1) : "Esc"));
      return button;
    }));
  }
  for (const button of row.children) if (button.value) button.setAttribute("aria-pressed", String(button.value === data.now));
  row.onclick = (event) => {
    const button = event.target.closest("button");
    if (button?.value) setTriggerValue("panel", button.value);
    else if (button) leave();
  };
  const fit = () => {
    main.style.zoom = data.on ? stageZoom() : "";
    main.style.setProperty("--unzoom", data.on ? 1 / stageZoom() : 1); // for what measures itself on the screen
  };
  fit();
  if (data.on) {
    addEventListener("resize", fit, { signal: stop.signal });
    page.addEventListener("keydown", (event) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.composedPath()[0].matches?.("textarea, input:not([type=range], [type=radio], [type=checkbox])")) return;
      const panel = data.panels[Number(event.key) - 1];
      if (panel) setTriggerValue("panel", panel[0]);
      else if (event.key === "Escape") leave();
    }, { signal: stop.signal });
  }
  if (changed && !data.on) enter.focus({ preventScroll: true });
  else if (changed && [page.body, row.getRootNode().host].includes(page.activeElement)) row.querySelector("[aria-pressed=true]")?.focus({ preventScroll: true }); // unless a figure took it
  replaceAddress(data.address);
  root.vitrmLeave = () => {
    stop.abort();
    main.style.zoom = "";
  };
  return root.vitrmLeave;
};
