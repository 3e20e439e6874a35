"""Who should choose the glimpses? Every policy on the same test images, with the same number of patches.

Differences between two policies are paired, image by image, and their intervals are bootstraps over the test images:
they say how far other images of the same kind could move them. They say nothing about other trainings of the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from vitrm.config import GLIMPSE_POLICIES, Config, GlimpsePolicy, check_policy, require_recursion
from vitrm.errors import ConfigError
from vitrm.judge.at_once import AtOnce, Control, at_once, check_control
from vitrm.judge.bootstrap import Estimate, estimates
from vitrm.judge.replay import replay
from vitrm.judge.report import Progress, Report, Tally
from vitrm.nets.cost import multiply_adds
from vitrm.reading import Amount, Positive, Seed, Share, entries, expect

if TYPE_CHECKING:  # torch takes seconds to import, and whoever reads a report should not wait for it
    from torch import Tensor

    from vitrm.data.dataset import Dataset, Split
    from vitrm.judge.evaluation import StepOutputs
    from vitrm.model import ViTRM

NAMES: dict[str, str] = {
    "random": "a random draw",
    "fixed": "the fixed order",
    "learned": "the memory's attention",
}


@dataclass(frozen=True)
class PolicyScores:
    """One policy on the test split; N entries per list over supervision steps, means over the draws."""

    draws: tuple[Seed, ...]  # one entry where nothing is drawn
    accuracy: tuple[Estimate, ...]  # if everybody stops at step n
    anytime: Estimate  # their mean over the N steps
    accuracy_by_draw: tuple[tuple[Share, ...], ...]  # one list per seed
    spread: tuple[Share, ...] | None  # standard deviation over the draws; None where nothing is drawn
    halt_auroc: tuple[Share | None, ...]
    pooled_auroc: Share | None  # of the answers after all steps together
    halted_accuracy: Share  # learned halting, with the threshold that validation chose under the same policy
    halted_steps: Amount  # mean supervision steps used
    halted_accuracy_by_draw: tuple[Share, ...]
    halted_steps_by_draw: tuple[Amount, ...]
    multiply_adds: tuple[Positive, ...]  # per image, up to step n


@dataclass(frozen=True)
class Difference:
    """How much more of the test images the first policy gets right than the second."""

    first: GlimpsePolicy
    second: GlimpsePolicy
    anytime: Estimate  # of the mean over the steps
    by_step: tuple[Estimate, ...]


@dataclass(frozen=True)
class GlimpseReport(Report):
    """Judgement on the test split."""

    kind: ClassVar[str] = "glimpses"
    file: ClassVar[str] = "glimpses.json"
    format: ClassVar[int] = 1

    split_sizes: dict[str, Positive]
    seeds: tuple[Seed, ...]
    training_seed: Seed | None
    patches_per_step: Positive
    patches: Positive  # of the whole image
    policies: dict[GlimpsePolicy, PolicyScores]
    differences: tuple[Difference, ...]
    winner: GlimpsePolicy | None  # its anytime accuracy is above every other's, interval included; None: no clear one
    verdict: str  # in words
    control: AtOnce | None = None

    @property
    def steps(self) -> int:
        """N, the supervision steps of every policy."""
        return len(next(iter(self.policies.values())).accuracy)

    def lines(self) -> Iterator[str]:
        sizes = self.split_sizes
        yield ""
        yield (
            f"who chooses the {self.patches_per_step} of {self.patches} patches of a step, test split "
            f"(n = {sizes['test']:,}); thresholds of halting chosen on validation (n = {sizes['val']:,})"
        )
        for policy, scores in self.policies.items():
            right = " ".join(f"{100 * each.mean:.1f}" for each in scores.accuracy)
            spread = "" if scores.spread is None else " ".join(f"{100 * each:.1f}" for each in scores.spread)
            area = "–" if scores.pooled_auroc is None else f"{scores.pooled_auroc:.3f}"
            draws = f" (± {spread} over draws)" if spread else ""
            yield f"  {policy:8} accuracy % by step {right}{draws}; mean {100 * scores.anytime.mean:.1f}"
            yield (
                f"           halting: AUROC {area}, {100 * scores.halted_accuracy:.1f} % right after "
                f"{scores.halted_steps:.2f} steps; {scores.multiply_adds[-1] / 1e6:.1f} M multiply-adds for all steps"
            )
        if self.control is not None:
            given = zip(self.control.patches, self.control.accuracy, strict=True)
            at_once = ", ".join(f"{count} patches {100 * each.mean:.1f}" for count, each in given)
            yield f"  {self.control.name}, a {self.control.title}, given the same random patches at once: {at_once}"
        yield self.verdict

    def check(self, config: Config) -> None:
        size = getattr(config.model, "glimpse_patches", None)
        expect(size is not None, "it is of a model with glimpses, which this is not")
        expect(self.patches_per_step == size, f"patches_per_step={self.patches_per_step}: the model reads {size}")
        expect(self.patches == config.model.num_patches, f"patches={self.patches}: expected {config.model.num_patches}")
        expect({"val", "test"} <= self.split_sizes.keys(), "split_sizes: expected val and test")
        expect(bool(self.policies) and self.steps > 0, "policies has no entries")
        for policy, scores in self.policies.items():
            where, steps = f"policies[{policy}]", self.steps
            lists = {"accuracy": scores.accuracy, "halt_auroc": scores.halt_auroc, "spread": scores.spread}
            lists["multiply_adds"] = scores.multiply_adds
            lists |= {f"accuracy_by_draw[{k}]": draw for k, draw in enumerate(scores.accuracy_by_draw)}
            entries(steps, **{f"{where}.{name}": each for name, each in lists.items() if each is not None})
            expect(bool(scores.draws), f"{where}.draws has no entries")
        for k, each in enumerate(self.differences):
            expect({each.first, each.second} <= self.policies.keys(), f"differences[{k}]: of a policy that is absent")
            entries(self.steps, **{f"differences[{k}].by_step": each.by_step})
        if self.control is not None:
            glimpses = len(self.control.patches)
            expect("random" in self.policies, "policies[random], whose patches the control was given, is absent")
            expect(0 < glimpses <= self.steps, f"control.patches has {glimpses} entries, expected 1 to {self.steps}")
            entries(glimpses, **{"control.accuracy": self.control.accuracy, "control.ahead": self.control.ahead})


def measuring(
    model: ViTRM,
    data: Dataset,
    *,
    policies: Sequence[GlimpsePolicy] = GLIMPSE_POLICIES,
    seeds: Sequence[int] = (0, 1, 2),
    training_seed: int | None = None,
    control: Control | None = None,
) -> Iterator[Progress | GlimpseReport]:
    """Compare policies over the supervision steps that the model was trained with; see `report.measuring`.

    Raises ConfigError for a model without glimpses, or a control that cannot be given the same.
    """
    import torch

    from vitrm.judge.evaluation import predicting

    require_recursion(model.config, "a comparison of glimpses")
    if model.config.glimpse_patches is None:
        raise ConfigError("this model reads every patch at every step; there are no glimpses to compare")
    for policy in policies:
        check_policy(policy, model.config)
    if len(set(policies)) < len(policies) or not policies or not seeds or len(set(seeds)) < len(seeds):
        raise ConfigError(f"policies {', '.join(policies)} with seeds {list(seeds)}: expected different ones of each")
    if control is not None:
        check_control(model, control, policies)
    val, test = data.val, data.test
    draws = {policy: tuple(seeds) if policy == "random" else tuple(seeds[:1]) for policy in policies}
    more = 0 if control is None else len(draws["random"]) * len(test)
    tally = Tally(sum(map(len, draws.values())) * (len(val) + len(test)) + more)
    yield tally.add()
    outputs: dict[GlimpsePolicy, list[tuple[StepOutputs, StepOutputs]]] = {policy: [] for policy in policies}
    for policy in policies:
        for seed in draws[policy]:
            on_val = yield from predicting(model, val, tally, seed=seed, policy=policy)
            on_test = yield from predicting(model, test, tally, seed=seed, policy=policy)
            outputs[policy].append((on_val, on_test))
    right = {
        policy: torch.stack([(each[1].logits.argmax(dim=-1) == test.labels.cpu()).double() for each in made])
        for policy, made in outputs.items()
    }  # (draws, N, n)
    beside = None
    if control is not None:
        beside = yield from at_once(model, control, test, tally, seeds=draws["random"], right=right["random"])
    report = GlimpseReport(
        split_sizes={"val": len(val), "test": len(test)},
        seeds=tuple(seeds),
        training_seed=training_seed,
        patches_per_step=model.config.glimpse_patches,
        patches=model.config.num_patches,
        policies={policy: _scores(model, policy, draws[policy], outputs[policy], (val, test)) for policy in policies},
        differences=tuple(
            _difference(one, other, right[one].mean(dim=0), right[other].mean(dim=0))
            for one, other in combinations(policies, 2)
        ),
        winner=None,
        verdict="",
        control=beside,
    )
    best = winner(report)
    yield replace(report, winner=best, verdict=verdict(report, best))


def winner(report: GlimpseReport) -> str | None:
    """The policy that beats every other in anytime accuracy, interval included; None if there is none."""
    for policy in report.policies:
        against = [_seen_from(policy, each) for each in report.differences if policy in (each.first, each.second)]
        if against and all(difference.low > 0 for difference in against):
            return policy
    return None


def verdict(report: GlimpseReport, best: str | None) -> str:
    """Which policy wins at equal budget, in words; that there is no clear winner is one of them."""
    ranked = sorted(report.policies, key=lambda policy: -report.policies[policy].anytime.mean)
    listed = ", ".join(f"{NAMES[policy]} {100 * report.policies[policy].anytime.mean:.1f} %" for policy in ranked)
    of_all = f"mean over the {len(report.policies[ranked[0]].accuracy)} steps: {listed}"
    if len(ranked) == 1:
        return f"One policy alone cannot win. As {of_all}."
    if best is None:
        first, *others = ranked
        gaps = {other: _between(report, first, other) for other in others}
        level = [other for other in others if gaps[other].low <= 0]
        beaten = [other for other in others if other not in level]
        judged = f"No clear winner: {NAMES[first]} and {_joined(level)} cannot be told apart, they differ by "
        judged += " and ".join(_points(gaps[other]) for other in level)
        judged += "".join(f"; {NAMES[first]} beats {NAMES[other]} by {_points(gaps[other])}" for other in beaten)
    else:
        gaps = {other: _between(report, best, other) for other in ranked if other != best}
        listed_gaps = " and ".join(f"{NAMES[other]} by {_points(gap)}" for other, gap in gaps.items())
        judged = f"At equal budget one wins: {NAMES[best]} beats {listed_gaps}"
    return f"{judged}. As {of_all}. {_where_it_differs(report, ranked)}"


def _between(report: GlimpseReport, one: str, other: str) -> Estimate:
    """How far `one` is before `other`, as a mean over the steps."""
    return next(_seen_from(one, each) for each in report.differences if {one, other} == {each.first, each.second})


def _joined(policies: Sequence[str]) -> str:
    return " and ".join(NAMES[policy] for policy in policies)


def _where_it_differs(report: GlimpseReport, ranked: Sequence[str]) -> str:
    """After the first and after the last step the picture may be another one."""
    said = []
    steps = len(report.policies[ranked[0]].accuracy)
    for name, n in (("first", 0), ("last", steps - 1)):
        order = sorted(ranked, key=lambda policy: -report.policies[policy].accuracy[n].mean)
        values = ", ".join(
            f"{NAMES[policy]} {100 * report.policies[policy].accuracy[n].mean:.1f} %" for policy in order
        )
        pair = {order[0], order[1]}
        gap = next(d for d in report.differences if {d.first, d.second} == pair)
        clear = gap.by_step[n].low > 0 or gap.by_step[n].high < 0
        said.append(f"after the {name} step {values}" + ("" if clear else " (the first two cannot be told apart)"))
    sentence = "; ".join(said)
    return f"{sentence[0].upper()}{sentence[1:]}."


def _seen_from(policy: str, difference: Difference) -> Estimate:
    """The difference with `policy` as the first."""
    gap = difference.anytime
    return gap if difference.first == policy else Estimate(-gap.mean, -gap.high, -gap.low)


def _points(gap: Estimate) -> str:
    return f"{100 * gap.mean:.1f} points (95 % interval {100 * gap.low:.1f} to {100 * gap.high:.1f})"


def _scores(
    model: ViTRM,
    policy: str,
    seeds: tuple[int, ...],
    made: list[tuple[StepOutputs, StepOutputs]],
    splits: tuple[Split, Split],
) -> PolicyScores:
    import torch

    from vitrm.judge.evaluation import auroc

    val, test = splits
    steps = model.config.supervision_steps
    work = tuple(multiply_adds(model.config, n + 1, policy=policy) for n in range(steps))
    costs = torch.tensor(work, dtype=torch.float64)
    played = [(replay(on_val, val), replay(on_test, test)) for on_val, on_test in made]
    right = torch.stack([on_test.right for _, on_test in played])  # (draws, N, n)
    by_draw = right.double().mean(dim=2)  # (draws, N)
    halted = [
        on_test.play("learned", on_val.choose("learned", costs).threshold, costs)[0] for on_val, on_test in played
    ]
    areas = [[auroc(q, hit) for q, hit in zip(on_test.halt_logit, on_test.right, strict=True)] for _, on_test in played]
    pooled = [auroc(on_test.halt_logit.flatten(), on_test.right.flatten()) for _, on_test in played]
    *by_step, anytime = estimates(_with_anytime(right.double().mean(dim=0)))
    return PolicyScores(
        draws=seeds,
        accuracy=tuple(by_step),
        anytime=anytime,
        accuracy_by_draw=tuple(tuple(row) for row in by_draw.tolist()),
        spread=tuple(by_draw.std(dim=0).tolist()) if len(seeds) > 1 else None,
        halt_auroc=tuple(_mean(step) for step in zip(*areas, strict=True)),
        pooled_auroc=_mean(pooled),
        halted_accuracy=float(np.mean([point.accuracy for point in halted])),
        halted_steps=float(np.mean([point.mean_steps for point in halted])),
        halted_accuracy_by_draw=tuple(point.accuracy for point in halted),
        halted_steps_by_draw=tuple(point.mean_steps for point in halted),
        multiply_adds=work,
    )


def _difference(first: str, second: str, one: Tensor, other: Tensor) -> Difference:
    *by_step, anytime = estimates(_with_anytime(one - other))
    return Difference(first, second, anytime, tuple(by_step))


def _with_anytime(values: Tensor) -> Tensor:
    """(N, n) with their mean over the steps as one more row."""
    import torch

    return torch.cat([values, values.mean(dim=0, keepdim=True)])


def _mean(values: Sequence[float | None]) -> float | None:
    return None if any(value is None for value in values) else float(np.mean(values))
