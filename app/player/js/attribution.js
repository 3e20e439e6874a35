// What mattered, by three methods, beside what was attended to: at the supervision step on show

function attributionPanel(host, model) {
  host.append(element("h2", "", "What mattered: attribution beside attention"));
  const shown = model.attribution;
  if (!shown) {
    host.append(element("p", "note", "Not computed yet for this image: press the button below the player."));
    return { layout() {}, draw() {} };
  }
  const total = (model.imageSize / model.patchSize) ** 2;
  const maps = host.appendChild(element("div", "maps four"));
  const figures = shown.maps.map(({ name, how, values: encoded, signed: hasSign }) => {
    const values = floats(encoded), top = Math.max(...values.map(Math.abs), 1e-12);
    const box = maps.appendChild(element("figure"));
    box.append(element("figcaption", "", name));
    const grid = patchGrid(box, model, { image: true });
    box.append(hasSign
      ? scaleBar(`−${top.toPrecision(2)}`, "0", `+${top.toPrecision(2)}`, `linear-gradient(90deg, ${[-1, -0.5, 0, 0.5, 1].map(diverging).join(",")})`)
      : attentionScale(top.toPrecision(2)));
    const note = box.appendChild(element("p", "note"));
    const of = (n) => values.subarray(n * total, (n + 1) * total);
    numbersBehind(box, name, () => [
      ["patch", name], ...Array.from(of(last), (v, p) => [patchPlace(model, p), v.toPrecision(3)]),
    ]);
    const colour = hasSign ? (v) => diverging(v / top) : (v) => cividis(v / top);
    return { name, how, grid, note, of, colour };
  });
  const said = host.appendChild(element("p", "note"));
  let last = 0;
  return {
    layout() {},
    draw(place) {
      last = place.n;
      for (const { name, how, grid, note, of, colour } of figures) {
        const values = of(place.n), top = largest(values.map(Math.abs));
        grid.paint(values, colour);
        const agreement = name in shown.agreement ? ` Rank correlation with rollout${model.glimpse ? " over the patches read so far" : ""}: ${signed(shown.agreement[name][place.n], 2)}.` : "";
        note.textContent = `${how} Strongest: ${patchPlace(model, top)}.${agreement}`;
        grid.svg.setAttribute("aria-label", `${name} after supervision step ${place.n + 1}. ${note.textContent}`);
      }
      said.textContent = `All for the answer ${model.classes[shown.target]} after supervision step ${place.n + 1}, on scales fixed over the steps. ` +
        "Where the maps disagree, none of them is simply the truth: each answers a question of its own, and an edit can put them to the test.";
      refreshNumbers(host);
    },
  };
}
