// A component, or a part of one, as a PNG: a copy of its elements is drawn as an SVG picture, with no request to anywhere.

async function savePicture(root, name) {
  const { width, height } = root.getBoundingClientRect();
  const scale = 2; // sharp on a projector and in print
  const copy = root.cloneNode(true);
  copy.style.margin = "0";
  for (const word of copy.querySelectorAll(".vitrm-word")) word.replaceWith(word.textContent); // there is nobody to ask
  const canvases = root.querySelectorAll("canvas");
  copy.querySelectorAll("canvas").forEach((canvas, k) => {
    const image = element("img", canvas.className);
    image.src = canvases[k].toDataURL();
    canvas.replaceWith(image);
  });
  const boxes = root.querySelectorAll("select");
  copy.querySelectorAll("select").forEach((box, k) => {
    [...box.options].forEach((option, j) => option.toggleAttribute("selected", j === boxes[k].selectedIndex));
  });
  const sliders = root.querySelectorAll("input");
  copy.querySelectorAll("input").forEach((slider, k) => slider.setAttribute("value", sliders[k].value));
  const style = element("style");
  style.textContent = [...root.getRootNode().querySelectorAll("style")].map((each) => each.textContent).join("\n");
  const outside = getComputedStyle(root);
  const drawing = svgElement("svg", { width: width * scale, height: height * scale, viewBox: `0 0 ${width} ${height}` });
  // In the picture :root is the <svg>: the theme stands there, or the colours made of it would be those without one.
  for (const property of ["--st-text-color", "--st-background-color", "--st-secondary-background-color", "--st-primary-color", "--st-font", "--st-code-font"]) {
    drawing.style.setProperty(property, outside.getPropertyValue(property));
  }
  const page = drawing.appendChild(svgElement("foreignObject", { width: "100%", height: "100%" })).appendChild(element("div"));
  page.style.background = outside.getPropertyValue("--paper");
  page.append(style, copy);
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(new XMLSerializer().serializeToString(drawing))}`;
  await image.decode();
  const canvas = Object.assign(document.createElement("canvas"), { width: Math.round(width * scale), height: Math.round(height * scale) });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  canvas.toBlob((blob) => {
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }, "image/png");
}
