// What is being computed: in the lead, beside picture and answer, the equations with their shapes; on demand the core's
// own lines that do it

function equationsPanel(host, model) {
  const figure = host.closest(".player").querySelector(".panels").appendChild(element("figure", "lead equations"));
  host.remove();
  figure.append(element("figcaption", "", "What is being computed"));
  const list = figure.appendChild(element("ol"));
  const rows = model.equations.map((equation) => {
    const item = list.appendChild(element("li"));
    const head = item.appendChild(element("div", "formula"));
    head.append(element("span", "number", equation.number), coloured(equation.formula));
    item.append(element("div", "shapes", equation.shapes));
    return { id: equation.id, item };
  });
  return {
    layout() {},
    draw(place) {
      const now = atWork(model, place);
      for (const row of rows) {
        row.item.classList.toggle("now", now.includes(row.id));
        row.item.setAttribute("aria-current", now.includes(row.id) ? "step" : "false");
      }
    },
  };
}

function codePanel(host, model) {
  host.append(element("h2", "", "The lines that do it"));
  const where = host.appendChild(element("p", "note"));
  const code = host.appendChild(element("pre", "source"));
  code.tabIndex = 0;
  return {
    layout() {},
    draw(place) {
      const shown = model.equations.filter((equation) => atWork(model, place).includes(equation.id));
      where.textContent = shown.length ? `${shown.map((e) => `${e.file}, line ${e.line}`).join("; ")}.` : "No line has run yet.";
      const text = shown.map((equation) => equation.source).join("\n\n");
      if (code.textContent !== text) code.textContent = text;
    },
  };
}

// Which of the equations a place in the recursion stands for
function atWork(model, place) {
  if (place.n < 0) return [];
  if (place.isAnswer) return ["answer", "read"];
  const looks = place.t === 0 && place.m === 0 && (place.n === 0 || model.glimpse);
  return looks ? ["look", "memory"] : ["memory"];
}

function coloured(formula) {
  const span = element("span");
  for (const part of formula.split(/\b([xyz])\b/)) {
    span.append(/^[xyz]$/.test(part) ? element("b", `token-${part}`, part) : part);
  }
  return span;
}
