// Pictures, one of them chosen: radio buttons, so that the arrow keys choose, too. They only walk: what a choice is to lead
// on from waits for the pointer, Space or Enter. In a popover the keyboard goes along: in with it, and back to its button.

const ABOUT = { pictures: 52, captioned: 52, chips: 26 }; // pixels of one on screen: a whole number for each of its own

export default function ({ data, parentElement, setTriggerValue }) {
  const row = parentElement.querySelector(".row");
  const names = data.images.map((image) => image.name).join(" "), arrives = row.dataset.names === undefined;
  const popover = data.popover && parentElement.ownerDocument.querySelector(`.st-key-${data.popover} button`);
  if (row.dataset.names !== names) { // others than before; else only the choice has changed, and the focus stays
    row.dataset.names = names;
    row.className = `row ${data.look}`;
    parentElement.querySelector("legend").textContent = data.title;
    row.replaceChildren(...data.images.map((image, k) => {
      const label = element("label"), input = label.appendChild(element("input"));
      Object.assign(input, { type: "radio", name: "picture", value: image.name });
      if (data.look === "pictures") input.setAttribute("aria-label", `Picture ${k + 1} of ${data.images.length}`);
      const canvas = label.appendChild(element("canvas")), size = image.imageSize;
      canvas.setAttribute("aria-hidden", "true");
      canvas.width = canvas.height = size;
      canvas.style.width = `${size * Math.max(1, Math.round(ABOUT[data.look] / size))}px`;
      canvas.getContext("2d").drawImage(bitmap({ ...image, pixels: bytes(image.pixels) }), 0, 0);
      if (data.look !== "pictures") label.appendChild(element("span", "", image.name));
      return label;
    }));
  }
  for (const input of row.querySelectorAll("input")) input.checked = input.value === data.chosen;
  if (arrives && popover && !data.settles) (row.querySelector(":checked") ?? row.querySelector("input"))?.focus({ preventScroll: true });
  let walks = false;
  const send = (input) => {
    const settled = !walks && data.settles;
    if (settled) popover?.focus();
    if (settled || input.value !== data.chosen) setTriggerValue("image", { name: input.value, settled });
  };
  row.onpointerdown = () => { walks = false; }; // a handler that gives false would keep the focus away
  row.onkeydown = ({ key, target }) => {
    walks = key.startsWith("Arrow");
    if (key === "Enter" || (key === " " && target.checked)) send(target); // else Space clicks
  };
  row.onclick = ({ target }) => { if (target.matches("input")) send(target); }; // an arrow key clicks, too
}
