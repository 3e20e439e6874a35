// The pages without a server: light or dark, which recording is on show, and the guess before the answer.

const vitrmData = {}; // recordings by name, as far as their scripts have been added

function vitrmRecorded(name, data) {
  vitrmData[name] = data;
}

(() => {
  const page = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const inLesson = new URLSearchParams(location.search).has("lesson");
  const kept = () => { try { return localStorage.getItem("vitrm-theme"); } catch { return null; } }; // not every file:// has a place for it
  const setTheme = () => (page.dataset.theme = kept() ?? (dark.matches ? "dark" : "light"));
  setTheme();
  document.addEventListener("DOMContentLoaded", () => {
    const stage = document.getElementById("stage") && mountStage(document.getElementById("stage"));
    const redraw = () => stage?.show();
    if (stage && inLesson) add("assets/course.js", () => add("assets/lessons.js"));
    dark.addEventListener("change", () => { setTheme(); redraw(); });
    document.querySelector(".theme").addEventListener("click", () => {
      page.dataset.theme = page.dataset.theme === "dark" ? "light" : "dark";
      try { localStorage.setItem("vitrm-theme", page.dataset.theme); } catch { /* it lasts for this page */ }
      redraw();
    });
  });

  function add(file, then = () => {}) {
    document.head.append(Object.assign(document.createElement("script"), { src: file, onload: then }));
  }

  // As Streamlit does it: a component lives in a shadow of the page, so that neither one's styles reach the other.
  function mountStage(host) {
    const { shown, panels, level, predict, mount } = JSON.parse(document.getElementById("data").textContent);
    const inside = host.attachShadow({ mode: "open" });
    inside.append(document.getElementById("component").content.cloneNode(true));
    const query = new URLSearchParams(location.search);
    const number = (name) => (query.get(name) === null || !Number.isFinite(Number(query.get(name))) ? null : Number(query.get(name)));
    const find = (selector) => document.querySelector(selector);
    const buttons = [...document.querySelectorAll(".choose button")];
    const told = {}; // by recording: the gem that was guessed
    let at = Math.max(0, shown.findIndex(({ name }) => name === query.get("show")));

    function show() {
      const recording = shown[at], data = vitrmData[recording.name];
      buttons.forEach((button) => button.setAttribute("aria-pressed", String(Number(button.dataset.at) === at)));
      find(".caption").textContent = recording.caption;
      askFirst(recording);
      if (!data) return load(recording);
      const halting = mount === "mountExits";
      const known = recording.guess && recording.name in told ? { label: recording.guess.label } : {};
      globalThis[mount]({
        data: {
          ...data, ...known, predict: predict && inLesson, panels, level, view: query.get("view") ?? "", chosenThreshold: number("threshold"),
          start: number(halting ? "threshold" : "position"), address: { show: at ? recording.name : null },
        },
        parentElement: inside, setStateValue() {},
      });
    }
    function load(recording) {
      const script = Object.assign(document.createElement("script"), { src: recording.file });
      script.onload = () => shown[at] === recording && show();
      script.onerror = () => (find(".caption").textContent = `${recording.file} is missing beside this page; write the site again.`);
      document.head.append(script);
    }
    function askFirst({ name, guess }) {
      find(".guess").hidden = !guess;
      if (!guess) return;
      const box = find(".guess .options"), names = guess.options.join();
      if (box.dataset.names !== names) { // others than before; else only the guess has changed, and the focus stays
        box.dataset.names = names;
        box.replaceChildren(...guess.options.map((gem, k) => {
          const button = Object.assign(document.createElement("button"), { type: "button", textContent: gem });
          button.addEventListener("click", () => {
            told[shown[at].name] = k;
            happened("gem guessed");
            show();
          });
          return button;
        }));
      }
      [...box.children].forEach((button, k) => button.setAttribute("aria-pressed", String(told[name] === k)));
      find(".guess .verdict").textContent = name in told ? `${told[name] === guess.label ? "Right." : "No."} ${guess.words}` : "";
    }
    for (const button of buttons) {
      button.addEventListener("click", () => {
        at = Number(button.dataset.at);
        show();
      });
    }
    show();
    return { show };
  }
})();
