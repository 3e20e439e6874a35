"""Is the halting any good? `halting_report(...)` judges a model's learned halting on held-out data.

Every step is run once for every image; each policy is then played on what came out, so that all are judged on the
same numbers. Thresholds are chosen on validation and applied once to test.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vitrm.cost import multiply_adds
from vitrm.data import Split
from vitrm.evaluation import auroc, predict_steps
from vitrm.model import ViTRM

BINS = 10
TOLERANCE = 0.002  # accuracy that halting may cost, against running every step, when its threshold is chosen


@dataclass(frozen=True)
class Point:
    """One policy played on one split: what it got right and what it cost."""

    threshold: float
    accuracy: float  # 0..1
    mean_steps: float  # supervision steps
    mean_multiply_adds: float  # per image


@dataclass(frozen=True)
class Exit:
    """The images that left after one supervision step."""

    step: int  # from 1
    share: float  # of all images
    accuracy: float | None  # None if nobody left here


@dataclass(frozen=True)
class ReliabilityBin:
    """The images whose halting probability lies in one tenth of the scale."""

    halt_prob: float  # mean
    accuracy: float
    count: int


@dataclass(frozen=True)
class HaltingReport:
    """Judgement on the test split; N entries per list over supervision steps."""

    split_sizes: dict[str, int]
    seed: int
    trained_steps: int
    anytime: tuple[Point, ...]  # everybody stops at step n (its threshold says n)
    halt_auroc: tuple[float | None, ...]
    halt_ece: tuple[float, ...]  # expected calibration error of sigmoid(q) against correctness, 0..1
    reliability: tuple[ReliabilityBin, ...]  # all steps together
    became_right: tuple[float, ...]  # share of images: wrong at the step before, right now; the first entry is 0
    became_wrong: tuple[float, ...]
    budgeted: dict[str, tuple[Point, ...]]  # per rule, as its threshold moves
    chosen: Point  # learned halting with the threshold that validation chose
    chosen_on_val: Point
    exits: tuple[Exit, ...]  # of the chosen threshold
    random_exit_accuracy: float  # the same histogram of exits, dealt out at random (its exact mean)
    oracle: Point  # leaves at the first right answer: what perfect halting would reach
    verdict: str  # what to think of it, in words


@dataclass(frozen=True)
class _Run:
    """Every step of every image: right (N, n), and per rule the score that is compared with its threshold."""

    right: Tensor
    halt_logit: Tensor
    scores: dict[str, Tensor]  # (N, n), higher means "enough"

    def play(self, scores: Tensor, threshold: float, costs: Tensor) -> tuple[Point, Tensor]:
        """The policy "leave at the first step whose score exceeds the threshold", and each image's exit (from 0)."""
        enough = scores > threshold
        enough[-1] = True
        exits = enough.int().argmax(dim=0)  # the first True
        return _point(self.right, exits, costs, threshold), exits


def halting_report(
    model: ViTRM, val: Split, test: Split, supervision_steps: int | None = None, seed: int = 0
) -> HaltingReport:
    """Judge the learned halting of a model that has a `.transform`; N defaults to the configuration's."""
    steps = supervision_steps or model.config.supervision_steps
    on_val, on_test = (_run(model, split, steps, seed) for split in (val, test))
    costs = torch.tensor([multiply_adds(model.config, n + 1) for n in range(steps)], dtype=torch.float64)
    full = on_val.right[-1].double().mean().item()
    candidates = [on_val.play(on_val.scores["learned"], t, costs)[0] for t in _thresholds(on_val.scores["learned"])]
    good = [point for point in candidates if point.accuracy >= full - TOLERANCE]
    chosen_on_val = min(good, key=lambda point: (point.mean_steps, -point.accuracy))
    chosen, exits = on_test.play(on_test.scores["learned"], chosen_on_val.threshold, costs)
    shares = torch.bincount(exits, minlength=steps).double() / len(test)
    everybody = [torch.full((len(test),), n) for n in range(steps)]
    flips = on_test.right[1:].int() - on_test.right[:-1].int()
    ever_right = on_test.right.any(dim=0)
    first_right = torch.where(ever_right, on_test.right.int().argmax(dim=0), steps - 1)
    prob, right = on_test.halt_logit.sigmoid(), on_test.right
    return HaltingReport(
        split_sizes={"val": len(val), "test": len(test)},
        seed=seed,
        trained_steps=model.config.supervision_steps,
        anytime=tuple(_point(right, exits_n, costs, n + 1) for n, exits_n in enumerate(everybody)),
        halt_auroc=tuple(auroc(scores, hits) for scores, hits in zip(on_test.halt_logit, right, strict=True)),
        halt_ece=tuple(_ece(_reliability(p, hits), len(test)) for p, hits in zip(prob, right, strict=True)),
        reliability=tuple(_reliability(prob.flatten(), right.flatten())),
        became_right=(0.0, *(flips == 1).double().mean(dim=1).tolist()),
        became_wrong=(0.0, *(flips == -1).double().mean(dim=1).tolist()),
        budgeted={
            rule: tuple(on_test.play(on_test.scores[rule], t, costs)[0] for t in _thresholds(on_val.scores[rule]))
            for rule in on_test.scores
        },
        chosen=chosen,
        chosen_on_val=chosen_on_val,
        exits=tuple(_exits(right, exits, steps)),
        random_exit_accuracy=float((shares * right.double().mean(dim=1)).sum()),
        oracle=_point(right, first_right, costs, 0.0),
        verdict=verdict(prob, right, shares),
    )


def verdict(halt_prob: Tensor, right: Tensor, exit_shares: Tensor) -> str:
    """What to think of halting probabilities (N, n) beside correctness (N, n) and the share (N,) leaving per step."""
    faults = []
    spread = (halt_prob.quantile(0.95) - halt_prob.quantile(0.05)).item()
    if spread < 0.05:
        faults.append(f"it is flat: nine tenths of all halting probabilities lie within {spread:.3f} of each other")
    elif halt_prob.quantile(0.05) > 0.95:
        faults.append("it is saturated: the halting probability is above 0.95 nearly everywhere")
    area = auroc(halt_prob.flatten(), right.flatten())
    if area is not None and area < 0.6:
        faults.append(f"it hardly knows right from wrong: AUROC {area:.2f}, where 0.5 is chance")
    if exit_shares[0] > 0.95 and len(exit_shares) > 1:
        faults.append(f"it has collapsed: {100 * exit_shares[0]:.0f} % of the images leave after the first step")
    elif exit_shares[-1] > 0.95 and len(exit_shares) > 1:
        faults.append(f"it saves nothing: {100 * exit_shares[-1]:.0f} % of the images run every step")
    if faults:
        return f"The learned halting of this model is of little use: {'; '.join(faults)}."
    used = int((exit_shares > 0.02).sum())
    return (
        f"The learned halting of this model tells images apart: exits are spread over {used} steps, AUROC {area:.2f}."
    )


def _run(model: ViTRM, split: Split, steps: int, seed: int) -> _Run:
    outputs = predict_steps(model, model.transform, split, steps, seed=seed)
    logits, halts, change = outputs.logits, outputs.halt_logit, outputs.memory_change
    log_probs = logits.log_softmax(dim=-1)
    entropy = -(log_probs.exp() * log_probs).sum(dim=-1)
    never = torch.full((1, len(split)), -torch.inf)  # there is no step before the first
    return _Run(
        right=logits.argmax(dim=-1) == split.labels.cpu(),
        halt_logit=halts,
        scores={"learned": halts.sigmoid(), "entropy": -entropy, "change": torch.cat([never, -change[1:]])},
    )


def _thresholds(scores: Tensor) -> list[float]:
    """Thresholds that let everybody go at once, nobody go, and 40 levels in between."""
    finite = scores[scores.isfinite()]
    levels = torch.quantile(finite.double(), torch.linspace(0, 1, 41, dtype=torch.float64))
    return [float(levels[0]) - 1, *sorted(set(levels[:-1].tolist())), float(levels[-1]) + 1]


def _point(right: Tensor, exits: Tensor, costs: Tensor, threshold: float) -> Point:
    hits = right.gather(0, exits[None])[0]
    return Point(
        threshold=float(threshold),
        accuracy=float(hits.double().mean()),
        mean_steps=float(exits.double().mean()) + 1,
        mean_multiply_adds=float(costs[exits].mean()),
    )


def _exits(right: Tensor, exits: Tensor, steps: int) -> list[Exit]:
    hits = right.gather(0, exits[None])[0].double()
    found = []
    for n in range(steps):
        here = exits == n
        accuracy = float(hits[here].mean()) if bool(here.any()) else None
        found.append(Exit(step=n + 1, share=float(here.double().mean()), accuracy=accuracy))
    return found


def _reliability(prob: Tensor, right: Tensor) -> list[ReliabilityBin]:
    place = (prob * BINS).long().clamp(max=BINS - 1)
    bins = []
    for k in range(BINS):
        here = place == k
        if bool(here.any()):
            mean, hits = float(prob[here].double().mean()), float(right[here].double().mean())
            bins.append(ReliabilityBin(halt_prob=mean, accuracy=hits, count=int(here.sum())))
    return bins


def _ece(bins: list[ReliabilityBin], total: int) -> float:
    return sum(b.count / total * abs(b.halt_prob - b.accuracy) for b in bins)
