// How Streamlit mounts the charts: drawn as soon as the library is there (curves.js), which also says how they are taken down

export default (component) => {
  if (!globalThis.vitrmCurves) {
    const box = (globalThis.vitrmCurves = {});
    box.promise = new Promise((resolve) => { box.resolve = resolve; });
  }
  return globalThis.vitrmCurves.promise.then((draw) => draw(component));
};
