"""Halting policies played on what came out of every step of every image, so that all are judged on the same numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from vitrm.reading import Amount, Count, Positive, Share

if TYPE_CHECKING:  # torch takes seconds to import, and whoever reads a report should not wait for it
    from torch import Tensor

    from vitrm.data.dataset import Split
    from vitrm.judge.evaluation import StepOutputs

Rule = Literal["learned", "entropy", "change"]
BINS = 10
TOLERANCE = 0.002  # accuracy that halting may cost, against running every step, when its threshold is chosen
SIGN: dict[Rule, int] = {"learned": 1, "entropy": -1, "change": -1}  # whether a high score means "enough", or a low one


@dataclass(frozen=True)
class Point:
    """One policy played on one split: what it got right and what it cost."""

    threshold: float  # as `Halt` takes it
    accuracy: Share
    mean_steps: Amount  # supervision steps
    mean_multiply_adds: Amount  # per image


@dataclass(frozen=True)
class Exit:
    """The images that left after one supervision step."""

    step: Positive
    share: Share  # of all images
    accuracy: Share | None  # None if nobody left here


@dataclass(frozen=True)
class Leaving:
    """Who leaves when under learned halting with one threshold; N entries per list over supervision steps."""

    threshold: Share
    images: tuple[Count, ...]  # how many leave after each step
    right: tuple[Count, ...]  # of them answered rightly


@dataclass(frozen=True)
class ReliabilityBin:
    """The images whose halting probability lies in one tenth of the scale."""

    halt_prob: Share  # mean
    accuracy: Share
    count: Positive


@dataclass(frozen=True)
class Replay:
    """Every step of every image: right (N, n), and per rule the score that `Halt` compares with its threshold."""

    right: Tensor
    halt_logit: Tensor
    scores: dict[Rule, Tensor]  # (N, n)

    def first(self, steps: int) -> Replay:
        """The same of the first `steps` steps."""
        scores = {rule: score[:steps] for rule, score in self.scores.items()}
        return Replay(self.right[:steps], self.halt_logit[:steps], scores)

    def play(self, rule: Rule, threshold: float, costs: Tensor) -> tuple[Point, Tensor]:
        """The policy "leave at the first step at which the rule says enough", and each image's exit (from 0)."""
        sign = SIGN[rule]
        enough = sign * self.scores[rule] > sign * threshold
        enough[-1] = True
        exits = enough.int().argmax(dim=0)  # the first True
        return point(self.right, exits, costs, threshold), exits

    def choose(self, rule: Rule, costs: Tensor) -> Point:
        """The cheapest threshold of a rule that costs no more than TOLERANCE against running every step."""
        full = self.right[-1].double().mean().item()
        candidates = [self.play(rule, t, costs)[0] for t in self.thresholds(rule)]
        good = [each for each in candidates if each.accuracy >= full - TOLERANCE]
        return min(good, key=lambda each: (each.mean_steps, -each.accuracy))

    def thresholds(self, rule: Rule) -> list[float]:
        """Thresholds that let everybody go as soon as can be, nobody go, and 40 levels in between."""
        scores = SIGN[rule] * self.scores[rule]
        levels = np.quantile(scores[scores.isfinite()].double().numpy(), np.linspace(0, 1, 41))
        ascending = [float(levels[0]) - 1, *sorted(set(levels[:-1].tolist())), float(levels[-1]) + 1]
        return [SIGN[rule] * level for level in ascending]


def replay(outputs: StepOutputs, split: Split) -> Replay:
    """What came out of every step of a split, so that halting policies can be played on it."""
    import torch

    logits, halts, change = outputs.logits, outputs.halt_logit, outputs.memory_change
    log_probs = logits.log_softmax(dim=-1)
    entropy = -(log_probs.exp() * log_probs).sum(dim=-1)
    never = torch.full((1, len(split)), torch.inf)  # there is no step before the first
    return Replay(
        right=logits.argmax(dim=-1) == split.labels.cpu(),
        halt_logit=halts,
        scores={"learned": halts.sigmoid(), "entropy": entropy, "change": torch.cat([never, change[1:]])},
    )


def point(right: Tensor, exits: Tensor, costs: Tensor, threshold: float) -> Point:
    """What it is worth that the images (n,) of right (N, n) leave at `exits`, from 0, at costs (N,)."""
    hits = right.gather(0, exits[None])[0]
    return Point(
        threshold=float(threshold),
        accuracy=float(hits.double().mean()),
        mean_steps=float(exits.double().mean()) + 1,
        mean_multiply_adds=float(costs[exits].mean()),
    )


def exit_counts(right: Tensor, exits: Tensor) -> tuple[list[int], list[int]]:
    """How many images (n,) of right (N, n) leave at each step, by `exits` from 0, and how many of these are right."""
    import torch

    hits = right.gather(0, exits[None])[0]
    return (
        torch.bincount(exits, minlength=len(right)).tolist(),
        torch.bincount(exits[hits], minlength=len(right)).tolist(),
    )


def leaving(run: Replay, more: list[float]) -> Iterator[Leaving]:
    """Learned halting at every thousandth from 0 to 1 and at the thresholds `more`, those within that range.

    A threshold at which everybody leaves as at the one before is left out.
    """
    costs, before = run.right.new_zeros(len(run.right)).double(), None
    for threshold in sorted({k / 1000 for k in range(1001)} | {t for t in more if 0 <= t <= 1}):
        images, right = exit_counts(run.right, run.play("learned", threshold, costs)[1])
        if (images, right) != before:
            yield Leaving(threshold, tuple(images), tuple(right))
        before = images, right


def flips(right: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Share of images that became right, and wrong, at each step of (N, n); both start with 0."""
    flips = right[1:].int() - right[:-1].int()
    return tuple((0.0, *(flips == sign).double().mean(dim=1).tolist()) for sign in (1, -1))


def calibration(prob: Tensor, right: Tensor) -> list[ReliabilityBin]:
    """Halting probabilities and correctness (n,) by tenth of the scale; a tenth in which none lies is left out."""
    place = (prob * BINS).long().clamp(max=BINS - 1)
    bins = []
    for k in range(BINS):
        here = place == k
        if bool(here.any()):
            mean, hits = float(prob[here].double().mean()), float(right[here].double().mean())
            bins.append(ReliabilityBin(halt_prob=mean, accuracy=hits, count=int(here.sum())))
    return bins


def calibration_error(bins: list[ReliabilityBin], total: int) -> float:
    """ECE, 0..1: how far halting probability and correctness are apart, weighted by the `total` answers."""
    return sum(b.count / total * abs(b.halt_prob - b.accuracy) for b in bins)
