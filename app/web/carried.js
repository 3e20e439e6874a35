// From a disk a browser may keep for each page apart what it stores (Firefox does): so what was done in the lessons, and
// light or dark, goes along in the links between the pages, after the #.

if (location.protocol === "file:") {
  const brought = new URLSearchParams(location.hash.slice(1));
  if (brought.has("kept")) {
    unpack(brought);
    history.replaceState(history.state, "", location.pathname + location.search); // or a reload would bring it again
  }
  for (const kind of ["click", "auxclick"]) document.addEventListener(kind, pack); // after the link's own listeners
}

function pack(event) {
  const link = event.composedPath().find((node) => node.href);
  if (link?.protocol !== "file:" || link.pathname === location.pathname) return;
  try {
    const theme = localStorage.getItem("vitrm-theme");
    link.hash = new URLSearchParams({ kept: JSON.stringify(allKept()), ...(theme && { theme }) });
  } catch { /* forbidden: nothing is kept */ }
}

// What it says is as little trusted as what is stored (`recordOf`).
function unpack(brought) {
  try {
    localStorage.setItem(KEPT, JSON.stringify(merged(allKept(), JSON.parse(brought.get("kept")))));
    if (["light", "dark"].includes(brought.get("theme"))) localStorage.setItem("vitrm-theme", brought.get("theme"));
  } catch { /* cut short on the way, or forbidden */ }
}

// Of each lesson the longer record, for one may have gone Back to a page that knows less; but none from before an erasure
function merged(ours, theirs) {
  const [was, is] = [ours, theirs].map(({ erased }) => (Number.isFinite(erased) ? erased : 0));
  const kept = is > was ? { erased: is } : { ...ours };
  if (is < was) return kept;
  for (const [lesson, record] of Object.entries(theirs)) {
    if (!isRecord(record)) continue;
    const longer = isRecord(kept[lesson]) && kept[lesson].events.length > record.events.length ? kept[lesson] : record;
    kept[lesson] = { ...longer, leaf: record.leaf };
  }
  return kept;
}
