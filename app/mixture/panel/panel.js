// The soft mixture of one image: everything is here, so that pointing and choosing send the server nothing; what was
// chosen is reported once. What it draws with is the player's (trace.js, drawing.js).

const USUAL = { stage: 0, token: 0, scale: "whole" };

export default function (component) {
  const { parentElement, setStateValue } = component;
  const root = parentElement.querySelector(".mixture");
  root.vitrmLeave?.();
  const data = decodeMixture(component.data);
  // For new data, another image say, the learner's choices stay with the element, where they still mean something.
  const state = (root.vitrm ??= parseView(data.start));
  if (state.stage >= data.stages.length) state.stage = USUAL.stage;
  if (state.token >= data.tokens) state.token = 0;
  const view = buildMixture(root, data);
  const stop = new AbortController();
  const on = (target, type, handler) => target.addEventListener(type, handler, { signal: stop.signal });
  const leave = () => {
    const text = viewText(state);
    setStateValue("view", text);
    replaceAddress({ ...data.address, mixture_view: text });
  };
  const chosen = () => {
    view.render(state);
    leave();
  };
  const choose = (token) => {
    state.token = token;
    happened("token chosen", { token });
  };
  on(root, "click", (event) => {
    const button = event.target.closest("[data-stage], [data-scale]");
    const token = tokenAt(event.target);
    if (button?.dataset.stage !== undefined) state.stage = Number(button.dataset.stage);
    else if (button) state.scale = button.dataset.scale;
    else if (token !== null) choose(token);
    else return;
    chosen();
  });
  const select = root.querySelector("select");
  on(select, "change", () => {
    choose(Number(select.value));
    chosen();
  });
  const stages = root.querySelector(".stages");
  on(stages, "pointerover", (event) => {
    const token = event.pointerType === "mouse" ? tokenAt(event.target) : null;
    if (token !== null) view.point(state, token);
  });
  on(stages, "pointerleave", () => view.point(state, state.token));
  root.dataset.theme = isDark(root) ? "dark" : "light";
  view.render(state);
  replaceAddress({ ...data.address, mixture_view: viewText(state) });
  root.vitrmLeave = () => stop.abort();
  return root.vitrmLeave;
}

function decodeMixture(data) {
  const weights = floats(data.weights), mean = floats(data.meanStep), entropy = floats(data.entropy);
  const { steps, tokens } = data;
  return {
    ...data,
    pixels: bytes(data.pixels),
    weight: (stage, step, token) => weights[(stage * steps + step) * tokens + token],
    mean: (stage, token) => mean[stage * tokens + token],
    entropy: (stage, token) => entropy[stage * tokens + token],
    largest: weights.reduce((top, weight) => (weight > top ? weight : top), 0), // not one of the missing ones
  };
}

// "stage.token.scale": -1 is all stages, token 0 the class token, scale "whole" or "range".
function parseView(text) {
  if (!text) return { ...USUAL };
  const [stage, token, scale] = text.split(".");
  return { stage: Number(stage), token: Number(token), scale };
}

function viewText({ stage, token, scale }) {
  const usual = stage === USUAL.stage && token === USUAL.token && scale === USUAL.scale;
  return usual ? "" : `${stage}.${token}.${scale}`;
}

function tokenAt(target) {
  const patch = target.closest?.("[data-patch]");
  if (patch) return Number(patch.dataset.patch) + 1;
  return target.closest?.("[data-class]") ? 0 : null;
}

function buildMixture(root, data) {
  const find = (selector) => root.querySelector(selector);
  const R = data.steps, S = data.stages.length, patches = data.tokens - 1;
  const steps = Array.from({ length: R }, (_, r) => r);
  drawImage(find(".image"), { ...data, glimpse: false });
  find(".image").setAttribute("aria-label", data.label === null ? "The image" : `The image, true class ${data.classes[data.label]}`);
  find(".truth").textContent = data.label === null ? "" : `true class: ${data.classes[data.label]}`;
  find(".sentence").textContent = data.said;

  const button = (name, key, value) => {
    const made = element("button", "", name);
    made.type = "button";
    made.dataset[key] = value;
    return made;
  };
  find(".which").replaceChildren(
    element("span", "", "Stage"),
    ...(S > 1 ? [button("all", "stage", -1)] : []),
    ...data.stages.map((stage, s) => button(String(s + 1), "stage", s)),
  );
  find(".scales").replaceChildren(
    element("span", "", "Colours"),
    button("whole scale", "scale", "whole"), button("range of this image", "scale", "range"),
  );
  find("select").replaceChildren(...Array.from({ length: data.tokens }, (_, token) => {
    return new Option(token ? `patch, ${patchPlace(data, token - 1)}` : "class token", token);
  }));

  const shown = data.stages.map((stage, s) => buildStage(data, stage, s, steps));
  find(".stages").replaceChildren(...shown.map((one) => one.host));
  const stacks = data.stages.map((stage) => {
    const host = element("div", "stack");
    host.append(element("div", "name", stage.name));
    const bars = steps.map((r) => {
      const bar = host.appendChild(element("div", "bar"));
      const track = element("div", "track"), fill = track.appendChild(element("div", "fill"));
      track.append(Object.assign(element("i", "even"), { style: `left:${100 / R}%` }));
      const value = element("output");
      bar.append(element("span", "", `step ${r + 1}`), track, value);
      return { fill, value };
    });
    return { host, bars, note: host.appendChild(element("p")) };
  });
  find(".weights").replaceChildren(...stacks.map((one) => one.host));
  find(".behind").replaceChildren();
  numbersBehind(find(".behind"), "mixture", () => [
    ["stage", "token", ...steps.map((r) => `weight of step ${r + 1}`), "mean step", "entropy, % of ln R"],
    ...data.stages.flatMap((stage, s) => Array.from({ length: stage.patches ? data.tokens : 1 }, (_, token) => [
      s + 1,
      token ? patchPlace(data, token - 1) : "class token",
      ...steps.map((r) => data.weight(s, r, token).toFixed(3)),
      data.mean(s, token).toFixed(2),
      (100 * data.entropy(s, token)).toFixed(0),
    ])),
  ]);

  function point(state, token) {
    for (const one of shown) one.mark(token);
    find("select").value = token;
    stacks.forEach(({ host, bars, note }, s) => {
      const there = token === 0 || data.stages[s].patches;
      host.hidden = state.stage >= 0 && state.stage !== s;
      bars.forEach(({ fill, value }, r) => {
        fill.style.transform = `scaleX(${there ? data.weight(s, r, token) : 0})`;
        value.textContent = there ? data.weight(s, r, token).toFixed(2) : "–";
      });
      note.textContent = there
        ? `mean step ${data.mean(s, token).toFixed(1)}, entropy ${Math.round(100 * data.entropy(s, token))} %`
        : "patches are not read after this stage";
    });
  }
  return {
    point,
    render(state) {
      for (const made of root.querySelectorAll("[data-stage]")) {
        made.setAttribute("aria-pressed", String(Number(made.dataset.stage) === state.stage));
      }
      for (const made of root.querySelectorAll("[data-scale]")) {
        made.setAttribute("aria-pressed", String(made.dataset.scale === state.scale));
      }
      shown.forEach((one, s) => {
        one.host.hidden = state.stage >= 0 && state.stage !== s;
        if (!one.host.hidden) one.paint(state.scale);
      });
      point(state, patches >= state.token ? state.token : 0);
    },
  };
}

// One stage: a map for each step, the mean step and the entropy, the class token beside each.
function buildStage(data, stage, s, steps) {
  const host = element("section", "stage"), R = data.steps;
  const title = host.appendChild(element("h2", "", `${stage.name} `));
  title.append(element("small", "", stage.what));
  const maps = host.appendChild(element("div", "maps"));
  maps.style.setProperty("--maps", R + 2);
  const make = (name, value, text, alt) => {
    const figure = maps.appendChild(element("figure"));
    figure.append(element("figcaption", "", name));
    const grid = stage.patches ? patchGrid(figure, data, { image: true }) : null;
    grid?.svg.setAttribute("aria-label", `${name}: ${alt}`);
    const hits = grid ? Array.from(grid.svg.querySelectorAll(".cell"), (cell) => {
      const hit = grid.svg.appendChild(cell.cloneNode());
      hit.setAttribute("class", "hit"); // the whole patch: what is coloured is smaller
      return hit;
    }) : [];
    const chip = figure.appendChild(element("div", "class"));
    const square = chip.appendChild(element("i"));
    square.dataset.class = "";
    chip.append(element("b", "", "class token"), element("span", "", text(value(0))));
    return { grid, hits, chip, square, value };
  };
  const two = (w) => w.toFixed(2), one = (w) => w.toFixed(1), whole = (w) => `${Math.round(100 * w)} %`;
  const weights = steps.map((r) => make(`step ${r + 1}`, (token) => data.weight(s, r, token), two, stage.said));
  const mean = make("mean step", (token) => data.mean(s, token), one, stage.said);
  const entropy = make("entropy", (token) => data.entropy(s, token), whole, stage.said);
  const legends = host.appendChild(element("div", "legends"));
  host.append(element("p", "said", stage.said));
  const tokens = Array.from({ length: stage.patches ? data.tokens : 1 }, (_, token) => token);

  function paint(map, [low, high]) {
    const colour = (value) => cividis(high > low ? (value - low) / (high - low) : 0.5);
    map.grid?.paint(tokens.slice(1).map(map.value), colour);
    map.square.style.background = colour(map.value(0));
  }
  return {
    host,
    paint(scale) {
      const range = (value) => [Math.min(...tokens.map(value)), Math.max(...tokens.map(value))];
      const whole_ = scale === "whole";
      const limits = [
        ["weight", whole_ ? [0, 1] : [0, data.largest], two],
        ["mean step", whole_ ? [1, R] : range(mean.value), one],
        ["entropy", whole_ ? [0, 1] : range(entropy.value), whole],
      ];
      for (const map of weights) paint(map, limits[0][1]);
      paint(mean, limits[1][1]);
      paint(entropy, limits[2][1]);
      if (stage.patches) legends.replaceChildren(...limits.map(([name, [low, high], text]) => {
        const legend = element("div", "legend", name);
        const gradient = `linear-gradient(90deg, ${[0, 0.25, 0.5, 0.75, 1].map(cividis).join(",")})`;
        legend.append(scaleBar(text(low), "", text(high), gradient));
        return legend;
      }));
    },
    mark(token) {
      for (const map of [...weights, mean, entropy]) {
        map.chip.classList.toggle("chosen", token === 0);
        map.hits.forEach((hit, patch) => hit.classList.toggle("chosen", patch === token - 1));
      }
    },
  };
}
