// For a room with a beamer: the player fills the window, its smallest type has 20 pixels at 1280 x 720, and the keyboard
// alone is enough. What is on show is the teacher's choice, and stands in the link.

const PANEL_NAMES = {
  look: "Image", answer: "Answer", curves: "Curves", glimpses: "Glimpses", equations: "Equations", code: "Code", memory: "Memory",
  attention: "Attention", attribution: "Attribution", edits: "Edits", cells: "Cells",
};

// Returns what is to be done whenever the window changes, and the keys; `changed` is called when something else is on show
function presenting(root, model, tell, changed) {
  const { there, usual } = model.showable;
  const named = model.onShow ? model.onShow.split(",") : usual;
  const chooser = root.querySelector(".chooser");
  const parts = new Map(there.map((name) => [name, root.querySelector(`.panels > .${name}`) ?? root.querySelector(`.panel-${name}`)]));
  root.classList.toggle("present", model.present);
  root.querySelector(".enter").hidden = !tell || Boolean(model.together); // two players do not fit, a saved one is alone
  chooser.replaceChildren();
  chooser.hidden = !model.present;
  const off = () => {
    root.style.zoom = root.style.height = "";
    for (const part of parts.values()) part?.classList.remove("absent");
  };
  if (!model.present) {
    off();
    return { fit() {}, keys: {} };
  }
  const shown = new Set(named);
  const keys = { Escape: () => tell("present", ""), h: "halt", t: () => root.querySelector(".your-guess .tell:not([hidden] *)")?.click() };
  const paint = () => {
    for (const [name, part] of parts) part?.classList.toggle("absent", !shown.has(name));
    for (const button of chooser.querySelectorAll("[data-panel]")) button.setAttribute("aria-pressed", shown.has(button.dataset.panel));
  };
  const add = (text, key, action) => {
    const button = chooser.appendChild(element("button", "", text));
    button.append(element("kbd", "", key));
    button.addEventListener("click", action);
    return button;
  };
  there.forEach((name, k) => {
    const change = () => {
      if (!shown.delete(name)) shown.add(name);
      if (!shown.size) shown.add(name); // something stays
      paint();
      changed();
      tell("shown", there.filter((each) => shown.has(each)).join(","));
    };
    keys[String(k + 1)] = change;
    add(PANEL_NAMES[name], String(k + 1), change).dataset.panel = name;
  });
  add("Leave", "Esc", keys.Escape);
  paint();
  return {
    keys,
    fit() {
      const zoom = stageZoom();
      root.style.zoom = zoom;
      root.style.height = `${(innerHeight - Math.max(0, root.getBoundingClientRect().top)) / zoom}px`; // below what went wrong
    },
  };
}
