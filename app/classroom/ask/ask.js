// A question of app/lessons/question.js and the button that sends what is chosen.

export default function ({ data, parentElement, setTriggerValue }) {
  const host = parentElement.querySelector(".question"), button = parentElement.querySelector(".press");
  const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
  button.textContent = data.press;
  const state = (host.vitrm ??= {});
  const refresh = () => { button.disabled = state.value === null || same(state.value, state.sent); };
  if (!same(state.spec, data.spec)) { // another question; an answer that has arrived changes only the button
    state.spec = data.spec;
    host.replaceChildren();
    state.value = askQuestion(host, data.spec, data.value, (value) => { state.value = value; refresh(); }) ?? null;
  }
  state.sent = data.value;
  refresh();
  button.onclick = () => setTriggerValue("answer", state.value);
}
