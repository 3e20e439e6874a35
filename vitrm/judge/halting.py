"""Is the halting any good? The report that judges a model's learned halting on held-out data.

Every step is run once for every image; each policy is then played on what came out (see replay.py), so that all are
judged on the same numbers. Thresholds are chosen on validation and applied once to test.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from operator import le
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from vitrm.config import Config, require_halting
from vitrm.judge.pictures import check_png, png
from vitrm.judge.replay import (
    SIGN,
    Exit,
    Leaving,
    Point,
    ReliabilityBin,
    Rule,
    calibration,
    calibration_error,
    exit_counts,
    flips,
    leaving,
    point,
    replay,
)
from vitrm.judge.report import Progress, Report, Tally
from vitrm.judge.verdict import comparison, faults, verdict
from vitrm.nets.cost import multiply_adds
from vitrm.reading import Count, Positive, Seed, Share, entries, expect

if TYPE_CHECKING:  # torch takes seconds to import, and whoever reads a report should not wait for it
    from torch import Tensor

    from vitrm.data.dataset import Dataset, Split
    from vitrm.judge.evaluation import StepOutputs
    from vitrm.model import ViTRM

EXAMPLES = 8  # images of each kind


@dataclass(frozen=True)
class Beyond:
    """A supervision step after the last one of the training, every image running it."""

    step: Positive
    accuracy: Share
    became_right: Share  # of all images: wrong at the step before, right now
    became_wrong: Share


@dataclass(frozen=True)
class Example:
    """One image of the test split and what became of it; N entries per list over supervision steps."""

    index: Count  # in the split
    seed: Seed  # of its glimpses
    label: Count  # the true class
    answers: tuple[Count, ...]  # the class it would be given after each step
    halt_prob: tuple[Share, ...]
    exit_step: Positive  # with the chosen threshold


@dataclass(frozen=True)
class HaltingReport(Report):
    """Judgement on the test split; N entries per list over supervision steps."""

    kind: ClassVar[str] = "halting"
    file: ClassVar[str] = "halting.json"
    format: ClassVar[int] = 6

    split_sizes: dict[str, Positive]
    seed: Seed
    trained_steps: Positive
    anytime: tuple[Point, ...]  # everybody stops at step n (its threshold says n)
    beyond: tuple[Beyond, ...]  # the steps after N, up to twice the trained ones
    halt_auroc: tuple[Share | None, ...]
    halt_auroc_interval: tuple[tuple[Share, Share] | None, ...]  # 95 %, bootstrap over images
    rule_auroc: dict[Rule, tuple[Share | None, ...]]  # the same for the rules that need no training
    pooled_auroc: Share | None  # of the answers after all steps together
    pooled_auroc_interval: tuple[Share, Share] | None
    halt_ece: tuple[Share, ...]  # expected calibration error of sigmoid(q) against correctness
    reliability: tuple[ReliabilityBin, ...]  # all steps together
    became_right: tuple[Share, ...]  # share of images: wrong at the step before, right now; the first entry is 0
    became_wrong: tuple[Share, ...]
    budgeted: dict[Rule, tuple[Point, ...]]  # as the rule's threshold moves
    chosen: Point  # learned halting with the threshold that validation chose
    chosen_on_val: Point
    competitors: dict[Rule, Point]  # the rules that need no training, their thresholds chosen in the same way
    exits: tuple[Exit, ...]  # of the chosen threshold
    leaving: tuple[Leaving, ...]  # learned halting as its threshold rises from 0 to 1: wherever that changes anything
    random_exit_accuracy: Share  # the same histogram of exits, dealt out at random (its exact mean)
    oracle: Point  # leaves at the first right answer: what perfect halting would reach
    earliest: tuple[Example, ...]  # first to leave, the most certain before the others
    latest: tuple[Example, ...]  # last to leave, the least certain before the others
    made_worse: tuple[Example, ...]  # right after some step, wrong after the last: the largest loss first
    made_worse_count: Count  # of all test images
    faults: tuple[str, ...]  # what is wrong with it, each in words; none if it is of use
    verdict: str  # what to think of it, in words
    comparison: str  # with the rules that need no training, in words
    images: dict[int, bytes] = field(default_factory=dict)  # small pictures (PNG) of the examples, by index; or none

    @property
    def examples(self) -> tuple[Example, ...]:
        return self.earliest + self.latest + self.made_worse

    def lines(self) -> Iterator[str]:
        everything, sizes = self.anytime[-1], self.split_sizes
        intervals = (self.pooled_auroc_interval, *self.halt_auroc_interval)
        areas = [
            "–" if area is None else f"{area:.3f}" + ("" if near is None else f" ({near[0]:.3f} to {near[1]:.3f})")
            for area, near in zip((self.pooled_auroc, *self.halt_auroc), intervals, strict=True)
        ]
        by_step = "".join(f"; step {n} {area}" for n, area in enumerate(areas[1:], start=1))
        yield ""
        yield self.verdict
        yield f"AUROC of the halting logit on test, with 95 % bootstrap interval: all steps {areas[0]}{by_step}"
        yield f"thresholds chosen on validation (n = {sizes['val']:,}), applied once to test (n = {sizes['test']:,}):"
        rules = {"every step": everything, "learned halting": self.chosen}
        rules |= {f"rule {name}": each for name, each in self.competitors.items()}
        for name, each in rules.items():
            yield (
                f"  {name:16} {100 * each.accuracy:.2f} %, {each.mean_steps:.2f} of {len(self.anytime)} steps, "
                f"{each.mean_multiply_adds / everything.mean_multiply_adds:.2f} of the multiply-adds"
                + ("" if each is everything else f", threshold {each.threshold:.4f}")
            )
        yield f"  learned halting's exits dealt out at random: {100 * self.random_exit_accuracy:.2f} %"
        yield f"  perfect halting: {100 * self.oracle.accuracy:.2f} % after {self.oracle.mean_steps:.2f} steps"
        for out in self.exits:
            right = "" if out.accuracy is None else f", {100 * out.accuracy:.1f} % of them right"
            yield f"  left after step {out.step}: {100 * out.share:.1f} %{right}"
        yield f"  right after some step and wrong after the last: {self.made_worse_count} images"
        yield self.comparison

    def check(self, config: Config) -> None:
        steps, classes = len(self.anytime), config.model.num_classes
        expect(config.model.recurrent, "it is of a model with halting, which this is not")
        expect(steps > 0, "anytime has no entries")
        entries(
            steps,
            halt_auroc=self.halt_auroc,
            halt_auroc_interval=self.halt_auroc_interval,
            halt_ece=self.halt_ece,
            became_right=self.became_right,
            became_wrong=self.became_wrong,
            exits=self.exits,
            **{f"rule_auroc[{rule}]": areas for rule, areas in self.rule_auroc.items()},
        )
        for rule in SIGN:
            expect(bool(self.budgeted.get(rule)), f"budgeted[{rule}] is absent")
        expect(set(self.competitors) == set(SIGN) - {"learned"}, "competitors: expected entropy and change")
        expect({"val", "test"} <= self.split_sizes.keys(), "split_sizes: expected val and test")
        expect(bool(self.reliability), "reliability has no entries")
        expect(abs(sum(out.share for out in self.exits) - 1) < 1e-3, "exits: their shares do not add up to 1")
        for k, out in enumerate(self.exits):
            expect((out.accuracy is None) == (out.share == 0), f"exits[{k}].accuracy is of images that left there")
        expect(bool(self.leaving) and self.leaving[0].threshold == 0, "leaving: expected to begin with threshold 0")
        for before, after in pairwise(self.leaving):
            expect(before.threshold < after.threshold, "leaving: expected rising thresholds")
        for k, out in enumerate(self.leaving):
            entries(steps, **{f"leaving[{k}].images": out.images, f"leaving[{k}].right": out.right})
            expect(sum(out.images) == self.split_sizes["test"], f"leaving[{k}].images: expected all test images")
            expect(all(map(le, out.right, out.images)), f"leaving[{k}].right: more than have left")
        expect((self.pooled_auroc is None) == (self.pooled_auroc_interval is None), "pooled_auroc lacks its interval")
        for example in self.examples:
            entries(steps, answers=example.answers, halt_prob=example.halt_prob)
            expect(example.index < self.split_sizes["test"], f"index={example.index}: there is no such test image")
            for label in (example.label, *example.answers):
                expect(label < classes, f"label={label}: there are {classes} classes")
        for index, content in self.images.items():
            check_png(content, f"images[{index}]")


def measuring(
    model: ViTRM, data: Dataset, *, supervision_steps: int | None = None, seed: int = 0, pictures: bool = False
) -> Iterator[Progress | HaltingReport]:
    """Judge the learned halting over N supervision steps, by default the trained ones; see `report.measuring`.

    `pictures` says whether the images it names are kept with it. Raises ConfigError as `require_halting` does.
    """
    from vitrm.judge.evaluation import predicting

    require_halting(model.config, supervision_steps)
    steps = supervision_steps or model.config.supervision_steps
    longest = max(steps, 2 * model.config.supervision_steps)  # of test: how it goes on after the last step
    tally = Tally(len(data.val) + len(data.test))
    yield tally.add()
    on_val = yield from predicting(model, data.val, tally, steps, seed=seed)
    on_test = yield from predicting(model, data.test, tally, longest, seed=seed)
    report = _report(model, data.val, data.test, (on_val, on_test), steps=steps, seed=seed)
    named = sorted({example.index for example in report.examples}) if pictures else ()
    yield replace(report, images={index: png(data.test.images[index].cpu().numpy()) for index in named})


def _report(
    model: ViTRM, val: Split, test: Split, outputs: tuple[StepOutputs, StepOutputs], *, steps: int, seed: int
) -> HaltingReport:
    import torch

    from vitrm.judge.evaluation import auroc, auroc_interval

    on_val, everything = replay(outputs[0], val), replay(outputs[1], test)
    on_test, beyond = everything.first(steps), everything.right[steps - 1 :]
    right = on_test.right
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
    gains, losses = flips(right)
    later_gains, later_losses = flips(beyond)
    random_exit_accuracy = float((shares * right.double().mean(dim=1)).sum())
    gain = chosen.accuracy - random_exit_accuracy
    worse = ever_right & ~right[-1]
    return HaltingReport(
        split_sizes={"val": len(val), "test": len(test)},
        seed=seed,
        trained_steps=model.config.supervision_steps,
        anytime=tuple(point(right, exits_n, costs, n + 1) for n, exits_n in enumerate(everybody)),
        beyond=tuple(
            Beyond(steps + n, float(beyond[n].double().mean()), later_gains[n], later_losses[n])
            for n in range(1, len(beyond))
        ),
        halt_auroc=tuple(auroc(scores, hits) for scores, hits in zip(halts, right, strict=True)),
        halt_auroc_interval=tuple(auroc_interval(scores, hits) for scores, hits in zip(halts, right, strict=True)),
        rule_auroc={
            rule: tuple(
                auroc(SIGN[rule] * scores, hits) if bool(scores.isfinite().all()) else None
                for scores, hits in zip(on_test.scores[rule], right, strict=True)
            )
            for rule in competitors
        },
        pooled_auroc=auroc(halts.flatten(), right.flatten()),
        pooled_auroc_interval=auroc_interval(halts, right),
        halt_ece=tuple(calibration_error(calibration(p, hits), len(test)) for p, hits in zip(prob, right, strict=True)),
        reliability=tuple(calibration(prob.flatten(), right.flatten())),
        became_right=gains,
        became_wrong=losses,
        budgeted={
            rule: tuple(on_test.play(rule, t, costs)[0] for t in on_val.thresholds(rule)) for rule in on_test.scores
        },
        chosen=chosen,
        chosen_on_val=chosen_on_val,
        competitors=competitors,
        exits=tuple(_exits(right, exits)),
        leaving=tuple(leaving(on_test, [chosen.threshold, model.config.halt_threshold])),
        random_exit_accuracy=random_exit_accuracy,
        oracle=point(right, first_right, costs, 0.0),
        **examples(outputs[1].logits[:steps], prob, test.labels.cpu(), exits, worse, seed=seed),
        made_worse_count=int(worse.sum()),
        faults=tuple(faults(prob, right, shares, gain)),
        verdict=verdict(prob, right, shares, gain),
        comparison=comparison(chosen, competitors, len(test)),
    )


def examples(
    logits: Tensor, prob: Tensor, labels: Tensor, exits: Tensor, worse: Tensor, *, seed: int
) -> dict[str, tuple[Example, ...]]:
    """The images worth looking at: logits (N, n, C), prob (N, n), exits (n,) from 0, worse (n,) of `made_worse`."""
    import torch

    from vitrm.judge.evaluation import image_seeds

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


def _exits(right: Tensor, exits: Tensor) -> Iterator[Exit]:
    for n, (left, hits) in enumerate(zip(*exit_counts(right, exits), strict=True), start=1):
        yield Exit(step=n, share=left / len(exits), accuracy=hits / left if left else None)
