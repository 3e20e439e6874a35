// How far one is in each lesson: read from this browser, and erased there.

function mountShelf({ data, parentElement }) {
  const root = parentElement.querySelector(".shelf"), list = root.querySelector("ol"), erase = root.querySelector(".erase");
  const draw = () => {
    const all = allKept();
    const states = data.lessons.map(({ key }) => (all[key]?.complete === true ? "done" : keptOf(key) ? "begun" : "new"));
    const next = states.findIndex((state) => state !== "done");
    list.replaceChildren(...data.lessons.map(({ key, number, title, address }, k) => {
      const item = element("li"), link = item.appendChild(element("a", `${states[k]}${k === next ? " next" : ""}`));
      const { done, of } = all[key] ?? {};
      link.href = address;
      link.append(element("span", "number", states[k] === "done" ? "✓" : String(number)), element("b", "", title));
      const far = states[k] === "done" ? "Done" : states[k] === "new" ? "Five minutes" : Number.isInteger(done) && Number.isInteger(of) ? `${done - 1} of ${of - 1} parts done` : "Begun";
      link.append(element("span", "far", far));
      return item;
    }));
    const count = states.filter((state) => state === "done").length, begun = states.some((state) => state !== "new");
    root.querySelector(".sum").textContent = begun ? `${count} of ${states.length} lessons done.` : "";
    erase.replaceChildren("What you have done is kept in this browser alone. ");
    if (!begun) return;
    const button = erase.appendChild(element("button", "", "Erase my progress"));
    button.type = "button";
    button.addEventListener("click", () => {
      if (button.dataset.sure) { forgetAll(); return draw(); }
      button.dataset.sure = "1";
      button.textContent = "Erase all of it? Press again";
      setTimeout(() => { delete button.dataset.sure; button.textContent = "Erase my progress"; }, 6000);
    });
  };
  root.dataset.theme = isDark(root) ? "dark" : "light";
  draw();
}
