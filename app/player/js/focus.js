// Much is made anew for new data: the focus goes back to the control that had it, tables stay open, and the page does not jump.
function rememberFocus(root) {
  const extras = root.querySelector(".extras");
  const partOf = (node) => node.closest(".panel, .panels > figure, .chooser, .your-guess")?.className.replace(" absent", "");
  const controls = (part) => [...root.querySelectorAll("button, select, pre, summary, .numbers > div")].filter((node) => partOf(node) === part);
  const tableOf = (details) => `${partOf(details)} ${details.dataset.name}`;
  const focused = root.getRootNode().activeElement;
  const part = focused && root.contains(focused) && partOf(focused);
  const place = part ? controls(part).indexOf(focused) : -1;
  const open = [...root.querySelectorAll("details[open]")].map(tableOf);
  extras.style.minHeight = `${extras.offsetHeight}px`;
  return () => {
    extras.style.minHeight = "";
    for (const details of root.querySelectorAll("details")) details.open = open.includes(tableOf(details));
    if (place >= 0) controls(part)[place]?.focus({ preventScroll: true });
  };
}
