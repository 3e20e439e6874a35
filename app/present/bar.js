// What is presented is chosen by keys; the page is laid out small and then enlarged (stageZoom).

export default ({ data, parentElement, setTriggerValue }) => {
  const root = parentElement.querySelector(".bar"), enter = root.querySelector(".enter"), row = root.querySelector(".panels");
  root.vitrmLeave?.();
  const page = parentElement.ownerDocument, main = page.querySelector("[data-testid=stMainBlockContainer]");
  const stop = new AbortController();
  enter.hidden = data.on;
  enter.onclick = () => setTriggerValue("present", true);
  const leave = () => setTriggerValue("present", false);
  row.replaceChildren(...(data.on ? [...data.panels, [null, "Leave"]] : []).map(([name, title], k) => {
    const button = element("button", "", title);
    button.type = "button";
    button.append(element("kbd", "", name ? String(k + 1) : "Esc"));
    if (name) button.setAttribute("aria-pressed", String(name === data.now));
    button.onclick = () => (name ? setTriggerValue("panel", name) : leave());
    return button;
  }));
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
  replaceAddress(data.address);
  root.vitrmLeave = () => {
    stop.abort();
    main.style.zoom = "";
  };
  return root.vitrmLeave;
};
