// What this browser keeps of the lessons, and nobody else: by key of the lesson {events, leaf, done, of, complete}.

const KEPT = "vitrm-lessons";
const MOST = 580; // events of a lesson: app/events.py reads 600, and there is one for each leaf besides

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
  return isRecord(kept) ? kept : null;
}

function isRecord(kept) {
  return Array.isArray(kept?.events) && Number.isInteger(kept.leaf) && kept.leaf >= 0;
}

function keep(lesson, record) {
  try {
    localStorage.setItem(KEPT, JSON.stringify({ ...allKept(), [lesson]: record }));
  } catch { /* forbidden, or full: it lasts as long as the page */ }
}

// What was kept of a lesson that has so many leaves now, or its begin
function recordOf(lesson, leaves) {
  const kept = keptOf(lesson), record = { ...kept, events: [] };
  for (const event of kept?.events ?? []) {
    if (event?.kind !== "leaf opened") noted(record, event);
    else if (event.leaf < leaves) openLeaf(record, event.leaf);
  }
  openLeaf(record, Math.min(kept?.leaf ?? 0, leaves - 1));
  return record;
}

// What is done at a leaf counts from its first opening (app/lessons/progress.py): only that is among the events.
function openLeaf(record, leaf) {
  record.leaf = leaf;
  if (!record.events.some((each) => each.kind === "leaf opened" && each.leaf === leaf)) record.events.push({ kind: "leaf opened", leaf });
}

// Adds an event to a record, unless it counts for every leaf that has been opened; whether it did
function noted({ events }, event) {
  const since = events.slice(events.findLastIndex((each) => each.kind === "leaf opened")), text = JSON.stringify(event);
  if (!event?.kind || since.some((each) => JSON.stringify(each) === text) || events.length >= MOST) return false;
  events.push(event);
  return true;
}

function forgetAll() {
  try {
    if (location.protocol === "file:") localStorage.setItem(KEPT, JSON.stringify({ erased: Date.now() })); // web/carried.js
    else localStorage.removeItem(KEPT);
  } catch { /* forbidden: nothing was kept */ }
}
