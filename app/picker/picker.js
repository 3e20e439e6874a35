// A row of pictures, one of them chosen: radio buttons, so that the arrow keys choose, too.

const ABOUT = 52; // pixels of a picture on screen; each of its own pixels is a whole number of them

export default function ({ data, parentElement, setTriggerValue }) {
  const row = parentElement.querySelector(".row");
  const names = data.images.map((image) => image.name).join(" ");
  if (row.dataset.names !== names) { // others than before; else only the choice has changed, and the focus stays
    row.dataset.names = names;
    row.classList.toggle("named", data.named);
    parentElement.querySelector("legend").textContent = data.title;
    row.replaceChildren(...data.images.map((image, k) => {
      const label = element("label"), input = label.appendChild(element("input"));
      Object.assign(input, { type: "radio", name: "picture", value: image.name });
      if (!data.named) input.setAttribute("aria-label", `Picture ${k + 1} of ${data.images.length}`);
      const canvas = label.appendChild(element("canvas")), size = image.imageSize;
      canvas.setAttribute("aria-hidden", "true");
      canvas.width = canvas.height = size;
      canvas.style.width = `${size * Math.max(1, Math.round(ABOUT / size))}px`;
      canvas.getContext("2d").drawImage(bitmap({ ...image, pixels: bytes(image.pixels) }), 0, 0);
      if (data.named) label.appendChild(element("span", "", image.name));
      return label;
    }));
  }
  for (const input of row.querySelectorAll("input")) input.checked = input.value === data.chosen;
  row.onchange = (event) => setTriggerValue("image", event.target.value);
}
