// A row of pictures, one of them chosen: radio buttons, so that the arrow keys choose, too.

export default function ({ data, parentElement, setTriggerValue }) {
  const row = parentElement.querySelector(".row");
  const names = data.images.map((image) => image.name).join(" ");
  if (row.dataset.names !== names) { // others than before; else only the choice has changed, and the focus stays
    row.dataset.names = names;
    row.replaceChildren(...data.images.map((image, k) => {
      const label = element("label"), input = label.appendChild(element("input"));
      Object.assign(input, { type: "radio", name: "picture", value: image.name });
      input.setAttribute("aria-label", `Picture ${k + 1} of ${data.images.length}`);
      const canvas = label.appendChild(element("canvas"));
      canvas.setAttribute("aria-hidden", "true");
      canvas.width = canvas.height = image.imageSize;
      canvas.getContext("2d").drawImage(bitmap({ ...image, pixels: bytes(image.pixels) }), 0, 0);
      return label;
    }));
  }
  for (const input of row.querySelectorAll("input")) input.checked = input.value === data.chosen;
  row.onchange = (event) => setTriggerValue("image", event.target.value);
}
