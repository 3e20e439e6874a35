// What this browser keeps of the lessons, and nobody else: by key of the lesson {events, leaf, done, of, complete}.

const KEPT = "vitrm-lessons";

function allKept() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEPT));
    return kept && typeof kept === "object" && !Array.isArray(kept) ? kept : {};
  } catch {
    return {}; // forbidden, or no JSON
  }
}

function keptOf(lesson) {
  const kept = allKept()[lesson];
  return Array.isArray(kept?.events) && Number.isInteger(kept.leaf) && kept.leaf >= 0 ? kept : null;
}

function keep(lesson, record) {
  try {
    localStorage.setItem(KEPT, JSON.stringify({ ...allKept(), [lesson]: record }));
  } catch { /* forbidden, or full: it lasts as long as the page */ }
}

// Adds an event to a record, once for each time that a leaf is opened; whether it did
function noted({ events }, event) {
  const since = events.slice(events.findLastIndex((each) => each.kind === "leaf opened")), text = JSON.stringify(event);
  if (since.some((each) => JSON.stringify(each) === text) || events.length >= 600) return false;
  events.push(event);
  return true;
}

function forgetAll() {
  try {
    localStorage.removeItem(KEPT);
  } catch { /* forbidden: nothing was kept */ }
}
