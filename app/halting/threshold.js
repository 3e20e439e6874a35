// The threshold is one thing on the whole page: the panel that moves it says so to whatever follows it.

const MOVED = "vitrm-threshold";

function announce(threshold) {
  window.dispatchEvent(new CustomEvent(MOVED, { detail: threshold }));
}

// Two digits, more near 1, where halting probabilities crowd.
function digits(p) {
  return p.toFixed(p > 0.9895 ? 3 : 2);
}

// A threshold: two digits, or the three it was set to
function level(threshold) {
  return threshold.toFixed(Math.abs(threshold - Number(threshold.toFixed(2))) < 5e-4 ? 2 : 3);
}

// What all test images do at each threshold, as `leaving` of the report: it changes only at those that are listed.
function decodeAll(data) {
  const whole = (text) => new Int32Array(bytes(text).buffer);
  return { ...data, images: whole(data.images), right: whole(data.right) };
}

// Learned halting with a threshold, over all test images: who leaves after each step, and what that comes to.
function played(all, threshold) {
  let low = 0, high = all.thresholds.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (all.thresholds[middle] <= threshold + 5e-5) low = middle; // a link has four digits
    else high = middle - 1;
  }
  const N = all.cost.length, images = all.images.subarray(low * N, low * N + N), right = all.right.subarray(low * N, low * N + N);
  let steps = 0, work = 0, random = 0;
  for (let n = 0; n < N; n++) {
    steps += (images[n] * (n + 1)) / all.n;
    work += (images[n] * all.cost[n]) / all.n / all.cost[N - 1];
    random += (images[n] * all.anytime[n]) / all.n; // the same exits, dealt at random
  }
  return { images, right, accuracy: sum(right) / all.n, steps, work, random };
}

// After which step an image leaves: the first whose halting probability exceeds the threshold, else the last
function exitStep(halt, threshold) {
  const found = halt.findIndex((p) => p > threshold);
  return found < 0 ? halt.length - 1 : found;
}

function each(count, make) {
  return Array.from({ length: count }, (_, n) => make(n));
}
