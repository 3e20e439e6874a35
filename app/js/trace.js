// A trace as it came from Python, and where a position stands in it. A position counts the moves made: 0 is before the
// first; in each recursion step come M memory updates, then the answer update.

const WALL = 0, START = 2, FIRST_GEM = 3; // cells of a maze, as in vitrm/mazes.py

function decode(data) {
  const [steps, recursions, memory] = data.shape;
  const perRecursion = memory + 1;
  const probs = floats(data.probs);
  const classes = data.classes.length;
  const peak = data.classes.map((_, c) => {
    let top = 0;
    for (let k = c; k < probs.length; k += classes) top = Math.max(top, probs[k]);
    return top;
  });
  return {
    ...data,
    steps, recursions, memory, perRecursion,
    memory_: data.memory, // the memory panel's arrays; `memory` is M
    attention: data.attention && decodeAttention(data.attention),
    ownThreshold: data.threshold, // tau of the configuration; `threshold` is the learner's
    perStep: recursions * perRecursion,
    count: steps * recursions * perRecursion,
    first: data.predict ? 0 : 1, // the position it can be taken back to
    pixels: bytes(data.pixels),
    probs,
    halt: floats(data.halt),
    answerChange: floats(data.answerChange),
    memoryChange: floats(data.memoryChange),
    kl: floats(data.kl),
    shown: data.classColours ? [...peak.keys()] : shownClasses(peak, data.predict),
    classColour: (c, k) => (data.classColours ? data.classColours[c] : `var(--class-${k})`),
  };
}

// The classes that ever got the most, always in the same place, so that rows never jump; where the learner is to predict,
// in an order that tells nothing
function shownClasses(peak, predict) {
  const most = peak.map((_, c) => c).sort((a, b) => peak[b] - peak[a]).slice(0, SHOWN_CLASSES);
  return predict ? most.sort((a, b) => a - b) : most;
}

function bytes(text) {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}

// Where a position stands: step n, recursion t, the read-out it shows (an index into the arrays), and the kind of move.
// Before the first move n and the read-out are -1.
function locate(model, position) {
  if (position === 0) return { n: -1, t: 0, m: 0, isAnswer: false, readout: -1 };
  const i = position - 1;
  const n = Math.floor(i / model.perStep);
  const t = Math.floor((i % model.perStep) / model.perRecursion);
  const m = i % model.perRecursion;
  const isAnswer = m === model.memory;
  const readout = (n * model.recursions + t) * model.memory + Math.min(m, model.memory - 1);
  return { n, t, m, isAnswer, readout };
}

function stops(model, level) {
  const every = { "supervision step": model.perStep, "recursion step": model.perRecursion, "single update": 1 }[level];
  return Array.from({ length: model.count / every }, (_, k) => (k + 1) * every);
}

// Where this trace stands when it is to stand with another one of the same page: the same supervision step and kind of
// move, or the nearest there is; a trace that is over stays at its end.
function follow(model, place) {
  const n = place.n;
  if (n < 0) return model.first;
  if (n >= model.steps) return model.count;
  const t = place.isAnswer ? model.recursions - 1 : Math.min(place.t, model.recursions - 1);
  const m = place.isAnswer ? model.memory : Math.min(place.m, model.memory - 1);
  return n * model.perStep + t * model.perRecursion + m + 1;
}

// The first supervision step whose halting probability exceeds the threshold; null if none does
function haltStep(model, threshold) {
  for (let n = 0; n < model.steps; n++) {
    if (model.halt[(n + 1) * model.recursions * model.memory - 1] > threshold) return n;
  }
  return null;
}

function largest(values) {
  let best = 0;
  for (let k = 1; k < values.length; k++) if (values[k] > values[best]) best = k;
  return best;
}

// Attention weights arrive as shares of 1 in 8 or 16 bits.
function decodeAttention(attention) {
  const read = (text) => (attention.bits === 8 ? bytes(text) : new Uint16Array(bytes(text).buffer));
  const one = 2 ** attention.bits - 1;
  const { toPatches, toState, ofAnswer, rollout } = attention;
  return {
    ...attention, one, toPatches: read(toPatches), toState: read(toState), ofAnswer: read(ofAnswer),
    rollout: Float32Array.from(read(rollout), (share) => share / one),
  };
}

function clamp(position, model) {
  return Math.max(model.first, Math.min(model.count, Math.round(position) || 0));
}

function probabilities(model, readout) {
  const c = model.classes.length;
  return model.probs.subarray(readout * c, (readout + 1) * c);
}

function floats(text) {
  return new Float32Array(bytes(text).buffer);
}
