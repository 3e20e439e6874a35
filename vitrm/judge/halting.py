"""Is the halting any good? `halting_report(...)` judges a model's learned halting on held-out data.

Every step is run once for every image; each policy is then played on what came out, so that all are judged on the
same numbers. Thresholds are chosen on validation and applied once to test.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vitrm.config import require_recursion
from vitrm.data.dataset import Split
from vitrm.judge.evaluation import StepOutputs, auroc, auroc_interval, image_seeds, join, predict_batches
from vitrm.model import ViTRM
from vitrm.nets.cost import multiply_adds

BINS = 10
TOLERANCE = 0.002  # accuracy that halting may cost, against running every step, when its threshold is chosen
EXAMPLES = 8  # images of each kind
_SIGN = {"learned": 1, "entropy": -1, "change": -1}  # whether a high score means "enough", or a low one
BATCH = 64  # images; small enough that whoever shares the model with a judgement waits for tenths of a second


@dataclass(frozen=True)
class Point:
    """One policy played on one split: what it got right and what it cost."""

    threshold: float  # as `Halt` takes it
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
class Beyond:
    """A supervision step after the last one of the training, every image running it."""

    step: int  # from 1
    accuracy: float
    became_right: float  # share of images: wrong at the step before, right now
    became_wrong: float


@dataclass(frozen=True)
class Example:
    """One image of the test split and what became of it; N entries per list over supervision steps."""

    index: int  # in the split
    seed: int  # of its glimpses
    label: int  # the true class
    answers: tuple[int, ...]  # the class it would be given after each step
    halt_prob: tuple[float, ...]
    exit_step: int  # from 1, with the chosen threshold


@dataclass(frozen=True)
class HaltingReport:
    """Judgement on the test split; N entries per list over supervision steps."""

    split_sizes: dict[str, int]
    seed: int
    trained_steps: int
    anytime: tuple[Point, ...]  # everybody stops at step n (its threshold says n)
    beyond: tuple[Beyond, ...]  # the steps after N, up to twice the trained ones
    halt_auroc: tuple[float | None, ...]
    halt_auroc_interval: tuple[tuple[float, float] | None, ...]  # 95 %, bootstrap over images
    rule_auroc: dict[str, tuple[float | None, ...]]  # the same for the rules that need no training
    pooled_auroc: float | None  # of the answers after all steps together
    pooled_auroc_interval: tuple[float, float] | None
    halt_ece: tuple[float, ...]  # expected calibration error of sigmoid(q) against correctness, 0..1
    reliability: tuple[ReliabilityBin, ...]  # all steps together
    became_right: tuple[float, ...]  # share of images: wrong at the step before, right now; the first entry is 0
    became_wrong: tuple[float, ...]
    budgeted: dict[str, tuple[Point, ...]]  # per rule, as its threshold moves
    chosen: Point  # learned halting with the threshold that validation chose
    chosen_on_val: Point
    competitors: dict[str, Point]  # the rules that need no training, their thresholds chosen in the same way
    exits: tuple[Exit, ...]  # of the chosen threshold
    random_exit_accuracy: float  # the same histogram of exits, dealt out at random (its exact mean)
    oracle: Point  # leaves at the first right answer: what perfect halting would reach
    earliest: tuple[Example, ...]  # first to leave, the most certain before the others
    latest: tuple[Example, ...]  # last to leave, the least certain before the others
    made_worse: tuple[Example, ...]  # right after some step, wrong after the last: the largest loss first
    made_worse_count: int  # of all test images
    faults: tuple[str, ...]  # what is wrong with it, each in words; none if it is of use
    verdict: str  # what to think of it, in words
    comparison: str  # with the rules that need no training, in words


@dataclass(frozen=True)
class Progress:
    """How far a judgement has come."""

    done: int  # images that have been run
    total: int


@dataclass(frozen=True)
class Replay:
    """Every step of every image: right (N, n), and per rule the score that `Halt` compares with its threshold."""

    right: Tensor
    halt_logit: Tensor
    scores: dict[str, Tensor]  # (N, n)

    def play(self, rule: str, threshold: float, costs: Tensor) -> tuple[Point, Tensor]:
        """The policy "leave at the first step at which the rule says enough", and each image's exit (from 0)."""
        sign = _SIGN[rule]
        enough = sign * self.scores[rule] > sign * threshold
        enough[-1] = True
        exits = enough.int().argmax(dim=0)  # the first True
        return _point(self.right, exits, costs, threshold), exits

    def choose(self, rule: str, costs: Tensor) -> Point:
        """The cheapest threshold of a rule that costs no more than TOLERANCE against running every step."""
        full = self.right[-1].double().mean().item()
        candidates = [self.play(rule, t, costs)[0] for t in self.thresholds(rule)]
        good = [point for point in candidates if point.accuracy >= full - TOLERANCE]
        return min(good, key=lambda point: (point.mean_steps, -point.accuracy))

    def thresholds(self, rule: str) -> list[float]:
        """Thresholds that let everybody go as soon as can be, nobody go, and 40 levels in between."""
        scores = _SIGN[rule] * self.scores[rule]
        levels = np.quantile(scores[scores.isfinite()].double().numpy(), np.linspace(0, 1, 41))
        ascending = [float(levels[0]) - 1, *sorted(set(levels[:-1].tolist())), float(levels[-1]) + 1]
        return [_SIGN[rule] * level for level in ascending]


def halting_report(
    model: ViTRM, val: Split, test: Split, supervision_steps: int | None = None, seed: int = 0
) -> HaltingReport:
    """Judge the learned halting of a model that has a `.transform`; N defaults to the configuration's.

    Raises ConfigError for a model that has no halting.
    """
    *_, report = judging(model, val, test, supervision_steps, seed)
    return report


def judging(
    model: ViTRM, val: Split, test: Split, supervision_steps: int | None = None, seed: int = 0
) -> Iterator[Progress | HaltingReport]:
    """`halting_report` in the making: Progress after every batch, the report last. Closing it is "stop".

    Only up to the Progress that is complete does it use the model.
    """
    require_recursion(model.config, "a judgement of halting")
    steps = supervision_steps or model.config.supervision_steps
    longest = max(steps, 2 * model.config.supervision_steps)  # of test: how it goes on after the last step
    outputs, done, total = [], 0, len(val) + len(test)
    for split, count in ((val, steps), (test, longest)):
        parts = []
        for part in predict_batches(model, model.transform, split, count, seed=seed, batch_size=BATCH):
            parts.append(part)
            done += part.logits.shape[1]
            yield Progress(done, total)
        outputs.append(join(parts))
    yield _report(model, val, test, tuple(outputs), steps=steps, seed=seed)


def _report(
    model: ViTRM, val: Split, test: Split, outputs: tuple[StepOutputs, StepOutputs], *, steps: int, seed: int
) -> HaltingReport:
    on_val, everything = replay(outputs[0], val), replay(outputs[1], test)
    right, beyond = everything.right[:steps], everything.right[steps - 1 :]
    on_test = Replay(right, everything.halt_logit[:steps], {k: v[:steps] for k, v in everything.scores.items()})
    costs = torch.tensor([multiply_adds(model.config, n + 1) for n in range(steps)], dtype=torch.float64)
    chosen_on_val = on_val.choose("learned", costs)
    chosen, exits = on_test.play("learned", chosen_on_val.threshold, costs)
    competitors = {
        rule: on_test.play(rule, on_val.choose(rule, costs).threshold, costs)[0]
        for rule in on_test.scores
        if rule != "learned"
    }
    shares = torch.bincount(exits, minlength=steps).double() / len(test)
    everybody = [torch.full((len(test),), n) for n in range(steps)]
    ever_right = right.any(dim=0)
    first_right = torch.where(ever_right, right.int().argmax(dim=0), steps - 1)
    halts, prob = on_test.halt_logit, on_test.halt_logit.sigmoid()
    gains, losses = _flips(right)
    later_gains, later_losses = _flips(beyond)
    random_exit_accuracy = float((shares * right.double().mean(dim=1)).sum())
    gain = chosen.accuracy - random_exit_accuracy
    worse = ever_right & ~right[-1]
    return HaltingReport(
        split_sizes={"val": len(val), "test": len(test)},
        seed=seed,
        trained_steps=model.config.supervision_steps,
        anytime=tuple(_point(right, exits_n, costs, n + 1) for n, exits_n in enumerate(everybody)),
        beyond=tuple(
            Beyond(steps + n, float(beyond[n].double().mean()), later_gains[n], later_losses[n])
            for n in range(1, len(beyond))
        ),
        halt_auroc=tuple(auroc(scores, hits) for scores, hits in zip(halts, right, strict=True)),
        halt_auroc_interval=tuple(auroc_interval(scores, hits) for scores, hits in zip(halts, right, strict=True)),
        rule_auroc={
            rule: tuple(
                auroc(_SIGN[rule] * scores, hits) if bool(scores.isfinite().all()) else None
                for scores, hits in zip(on_test.scores[rule], right, strict=True)
            )
            for rule in competitors
        },
        pooled_auroc=auroc(halts.flatten(), right.flatten()),
        pooled_auroc_interval=auroc_interval(halts, right),
        halt_ece=tuple(_ece(_reliability(p, hits), len(test)) for p, hits in zip(prob, right, strict=True)),
        reliability=tuple(_reliability(prob.flatten(), right.flatten())),
        became_right=gains,
        became_wrong=losses,
        budgeted={
            rule: tuple(on_test.play(rule, t, costs)[0] for t in on_val.thresholds(rule)) for rule in on_test.scores
        },
        chosen=chosen,
        chosen_on_val=chosen_on_val,
        competitors=competitors,
        exits=tuple(_exits(right, exits, steps)),
        random_exit_accuracy=random_exit_accuracy,
        oracle=_point(right, first_right, costs, 0.0),
        **_examples(outputs[1].logits[:steps], prob, test.labels.cpu(), exits, worse, seed=seed),
        made_worse_count=int(worse.sum()),
        faults=tuple(faults(prob, right, shares, gain)),
        verdict=verdict(prob, right, shares, gain),
        comparison=comparison(chosen, competitors, len(test)),
    )


def faults(halt_prob: Tensor, right: Tensor, exit_shares: Tensor, gain: float | None = None) -> list[str]:
    """What is wrong with halting probabilities (N, n) beside correctness (N, n) and the share (N,) leaving per step.

    `gain` is what these exits are worth in accuracy against the same exits dealt out at random, where it is known.
    """
    found = []
    low, high = np.quantile(halt_prob.double().numpy(), (0.05, 0.95))
    if low > 0.95 or high < 0.05:
        side = "above 0.95" if low > 0.95 else "below 0.05"
        found.append(f"it is saturated: nineteen in twenty of all halting probabilities are {side}")
    elif high - low < 0.05:
        found.append(f"it is flat: nine tenths of all halting probabilities lie within {high - low:.3f} of each other")
    area = auroc(halt_prob.flatten(), right.flatten())
    if area is None:
        kind = "right" if bool(right.any()) else "wrong"
        found.append(f"it cannot be judged: every answer after every step is {kind}")
    elif area < 0.6:
        found.append(f"it hardly knows right from wrong: AUROC {area:.2f}, where 0.5 is chance")
    most, steps = int(exit_shares.argmax()), len(exit_shares)
    if exit_shares[most] > 0.95 and steps > 1:
        share = f"{100 * exit_shares[most]:.0f} % of the images"
        if most == steps - 1:
            found.append(f"it saves nothing: {share} run every step")
        else:
            found.append(f"it has collapsed: {share} leave after step {most + 1}, so it is a fixed number of steps")
    elif gain is not None and gain <= 0:
        found.append("its exits are worth no more than the same exits dealt out at random")
    return found


def verdict(halt_prob: Tensor, right: Tensor, exit_shares: Tensor, gain: float | None = None) -> str:
    """`faults` in a sentence; where there are none, what the halting probability can do."""
    found = faults(halt_prob, right, exit_shares, gain)
    if found:
        return f"The learned halting of this model is of little use: {'; '.join(found)}."
    (steps, images), used = halt_prob.shape, int((exit_shares > 0.02).sum())
    area = auroc(halt_prob.flatten(), right.flatten())
    return (
        f"The learned halting of this model tells images apart: exits are spread over {used} steps, and of a right "
        f"and a wrong answer the right one has the higher halting probability in {100 * area:.0f} % of the cases "
        f"(AUROC {area:.2f} over {steps} steps of {images:,} test images). "
        f"{step_alone(right.double().mean(dim=1).tolist())}"
    )


def step_alone(accuracy: Sequence[float]) -> str:
    """How much of a pooled AUROC the number of the step explains: of answers after all steps (N,) the later ones are
    right more often, and have the higher halting probability, whatever the image.
    """
    right = torch.tensor(accuracy, dtype=torch.float64)
    wrong = 1 - right
    before = wrong.cumsum(0) - wrong / 2  # a right answer of the same step ties with half of its wrong ones
    area = float((right * before).sum() / (right.sum() * wrong.sum()))
    return f"Answers of different steps are pooled in this; the number of the step alone reaches {area:.2f}."


def comparison(learned: Point, others: dict[str, Point], images: int) -> str:
    """How learned halting stands beside the rules that need no training."""
    names = {"entropy": "low entropy of the prediction", "change": "little change of the memory"}

    def no_worse(one: Point, other: Point) -> bool:
        return one.accuracy >= other.accuracy and one.mean_multiply_adds <= other.mean_multiply_adds

    def even(point: Point) -> bool:
        work = point.mean_multiply_adds / learned.mean_multiply_adds
        return abs(point.accuracy - learned.accuracy) <= TOLERANCE and abs(work - 1) <= 0.05

    def measured(point: Point) -> str:
        return f"{100 * point.accuracy:.1f} % right with {point.mean_steps:.2f} steps"

    rivals = [name for name, point in others.items() if even(point) or no_worse(point, learned)]
    listed = "; ".join(f"{names[name]}: {measured(point)}" for name, point in others.items())
    if rivals:
        judged = f"{' and '.join(names[name] for name in rivals).capitalize()} did about as well, or better"
    elif all(no_worse(learned, point) for point in others.values()):
        judged = "Learned halting did better than both"
    else:
        judged = "None was better in both accuracy and cost"
    return (
        f"Rules that need no training, with thresholds chosen in the same way, reach this on the test split "
        f"(n = {images:,}): {listed}. Learned halting: {measured(learned)}. {judged}. One image is "
        f"{100 / images:.2f} points here."
    )


def replay(outputs: StepOutputs, split: Split) -> Replay:
    """What came out of every step of a split, so that halting policies can be played on it."""
    logits, halts, change = outputs.logits, outputs.halt_logit, outputs.memory_change
    log_probs = logits.log_softmax(dim=-1)
    entropy = -(log_probs.exp() * log_probs).sum(dim=-1)
    never = torch.full((1, len(split)), torch.inf)  # there is no step before the first
    return Replay(
        right=logits.argmax(dim=-1) == split.labels.cpu(),
        halt_logit=halts,
        scores={"learned": halts.sigmoid(), "entropy": entropy, "change": torch.cat([never, change[1:]])},
    )


def _examples(
    logits: Tensor, prob: Tensor, labels: Tensor, exits: Tensor, worse: Tensor, *, seed: int
) -> dict[str, tuple[Example, ...]]:
    """The images worth looking at: logits (N, n, C), prob (N, n), exits (n,) from 0, worse (n,) of `made_worse`."""
    answers, images = logits.argmax(dim=-1), torch.arange(len(labels))
    at_exit, seeds = prob[exits, images], image_seeds(seed, 0, len(labels))
    of_truth = logits.softmax(dim=-1)[:, images, labels]  # (N, n)
    best = torch.where(answers == labels, of_truth, 0).max(dim=0).values
    loss = torch.where(worse, best - of_truth[-1], 0)

    def example(index: int) -> Example:
        return Example(
            index=index,
            seed=int(seeds[index]),
            label=int(labels[index]),
            answers=tuple(answers[:, index].tolist()),
            halt_prob=tuple(round(p, 4) for p in prob[:, index].tolist()),
            exit_step=int(exits[index]) + 1,
        )

    def first(*keys: Tensor, count: int = EXAMPLES) -> tuple[Example, ...]:
        order = np.lexsort([key.double().numpy() for key in reversed(keys)])
        return tuple(example(int(index)) for index in order[: min(count, EXAMPLES)])

    return {
        "earliest": first(exits, -at_exit),
        "latest": first(-exits, at_exit),
        "made_worse": first(-loss, count=int(worse.sum())),
    }


def _flips(right: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Share of images that became right, and wrong, at each step of (N, n); both start with 0."""
    flips = right[1:].int() - right[:-1].int()
    return tuple((0.0, *(flips == sign).double().mean(dim=1).tolist()) for sign in (1, -1))


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
