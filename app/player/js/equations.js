// What is being computed: the equation, the shapes, and the core's own lines

function equationsPanel(host, model) {
  host.append(element("h2", "", "What is being computed"));
  const list = host.appendChild(element("ol", "equations"));
  const rows = model.equations.map((equation) => {
    const item = list.appendChild(element("li"));
    const head = item.appendChild(element("div", "formula"));
    head.append(element("span", "number", equation.number), coloured(equation.formula));
    item.append(element("div", "shapes", equation.shapes));
    return { id: equation.id, item };
  });
  const where = host.appendChild(element("p", "note"));
  const code = host.appendChild(element("pre", "source"));
  code.tabIndex = 0;
  return {
    layout() {},
    draw(place) {
      const looks = place.t === 0 && place.m === 0 && (place.n === 0 || model.glimpse);
      const now = place.n < 0 ? [] : place.isAnswer ? ["answer", "read"] : looks ? ["look", "memory"] : ["memory"];
      for (const row of rows) row.item.classList.toggle("now", now.includes(row.id));
      const shown = model.equations.filter((equation) => now.includes(equation.id));
      where.textContent = !now.length ? "No line has run yet." : `The lines that do it: ${shown.map((e) => `${e.file}, line ${e.line}`).join("; ")}.`;
      const text = shown.map((equation) => equation.source).join("\n\n");
      if (code.textContent !== text) code.textContent = text;
    },
  };
}

function coloured(formula) {
  const span = element("span");
  for (const part of formula.split(/\b([xyz])\b/)) {
    span.append(/^[xyz]$/.test(part) ? element("b", `token-${part}`, part) : part);
  }
  return span;
}
