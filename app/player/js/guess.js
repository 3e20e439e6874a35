// What the learner takes it for: the true class is said only after a guess, or when asked for.

const MOST_CHIPS = 12; // classes that are buttons; more of them are a list

function guessing(host, model, state, changed) {
  const hasTruth = model.label !== null, truth = model.classes[model.label];
  const isKnown = () => hasTruth && (!model.ask || state.guess !== null);
  const isOpen = () => hasTruth && model.ask && state.guess === null;
  const guess = (k) => {
    state.guess = k; // -1: only asked
    if (k >= 0) happened("class guessed", { right: k === model.label });
    changed();
  };
  host.replaceChildren();
  const chips = host.appendChild(element("div", "chips"));
  chips.setAttribute("role", "group");
  chips.setAttribute("aria-label", "Your guess");
  if (isOpen()) {
    if (model.classes.length <= MOST_CHIPS) {
      model.classes.forEach((name, k) => chips.appendChild(element("button", "", name)).addEventListener("click", () => guess(k)));
    } else {
      const box = chips.appendChild(element("select"));
      box.setAttribute("aria-label", "Your guess");
      box.append(...["Your guess …", ...model.classes].map((name, k) => Object.assign(element("option", "", name), { value: k - 1 })));
      box.addEventListener("change", () => Number(box.value) >= 0 && guess(Number(box.value)));
    }
    chips.appendChild(element("button", "tell", "Tell me")).addEventListener("click", () => guess(-1));
  }
  const said = host.appendChild(element("p", "told"));
  said.setAttribute("role", "status");
  return {
    isOpen,
    // "true class" or "your guess", beside the name of a class
    markOf: (c) => [...(isKnown() && c === model.label ? ["true class"] : []), ...(c === state.guess ? ["your guess"] : [])].join(", "),
    draw() {
      chips.hidden = !isOpen();
      const name = model.classes[state.guess];
      said.textContent = !model.ask || !isKnown() ? ""
        : state.guess < 0 ? `The true class is ${truth}.`
        : state.guess === model.label ? `You said ${name}: that is the true class.` : `You said ${name}; the true class is ${truth}.`;
    },
  };
}
