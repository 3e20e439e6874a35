"""Who should choose the glimpses? Every policy on the same test images, with the same number of patches.

Differences between two policies are paired, image by image, and their intervals are bootstraps over the test images:
they say how far other images of the same kind could move them. They say nothing about other trainings of the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vitrm.config import GLIMPSE_POLICIES, GlimpsePolicy, check_policy, require_recursion
from vitrm.data.dataset import Split
from vitrm.errors import ConfigError
from vitrm.judge.evaluation import StepOutputs, auroc, image_seeds, join, predict_batches
from vitrm.judge.halting import BATCH, Progress, replay
from vitrm.model import ViTRM
from vitrm.nets.classifiers import ViT
from vitrm.nets.cost import multiply_adds
from vitrm.nets.glimpses import glimpsed, steps_in_cycle

DRAWS = 1000  # of the bootstrap
NAMES: dict[str, str] = {
    "random": "a random draw",
    "fixed": "the fixed order",
    "learned": "the memory's attention",
}


@dataclass(frozen=True)
class Estimate:
    """A mean over the test images, 0..1 or a difference of such, and the middle 95 % of its bootstrap over images."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class PolicyScores:
    """One policy on the test split; N entries per list over supervision steps, means over the draws."""

    draws: tuple[int, ...]  # seeds; one entry where nothing is drawn
    accuracy: tuple[Estimate, ...]  # if everybody stops at step n
    anytime: Estimate  # their mean over the N steps
    accuracy_by_draw: tuple[tuple[float, ...], ...]  # one list per seed
    spread: tuple[float, ...] | None  # standard deviation over the draws; None where nothing is drawn
    halt_auroc: tuple[float | None, ...]
    pooled_auroc: float | None  # of the answers after all steps together
    halted_accuracy: float  # learned halting, with the threshold that validation chose under the same policy
    halted_steps: float  # mean supervision steps used
    halted_accuracy_by_draw: tuple[float, ...]
    halted_steps_by_draw: tuple[float, ...]
    multiply_adds: tuple[int, ...]  # per image, up to step n


@dataclass(frozen=True)
class Difference:
    """How much more of the test images the first policy gets right than the second."""

    first: str
    second: str
    anytime: Estimate  # of the mean over the steps
    by_step: tuple[Estimate, ...]


@dataclass(frozen=True)
class AtOnce:
    """A plain transformer that was given the patches of the first glimpses at once: what seeing more is worth alone.

    One entry per glimpse of a cycle, in which no patch is read twice; the draws are those of the policy "random".
    """

    name: str
    title: str
    parameters: int
    training_seed: int | None
    patches: tuple[int, ...]  # of how many it was given
    accuracy: tuple[Estimate, ...]
    ahead: tuple[Estimate, ...]  # by how much the model with steps is right more often, after as many patches


@dataclass(frozen=True)
class GlimpseReport:
    """Judgement on the test split."""

    split_sizes: dict[str, int]
    seeds: tuple[int, ...]
    training_seed: int | None
    patches_per_step: int
    patches: int  # of the whole image
    policies: dict[str, PolicyScores]
    differences: tuple[Difference, ...]
    winner: (
        str | None
    )  # the policy whose anytime accuracy is above every other's, interval included; None: no clear one
    verdict: str  # in words
    control: AtOnce | None = None


class Control(NamedTuple):
    """What a model with glimpses is held against."""

    name: str
    model: ViT  # with a `patch_multiple` of as many patches, and a `.transform`
    training_seed: int | None


def glimpse_report(
    model: ViTRM,
    val: Split,
    test: Split,
    *,
    policies: Sequence[GlimpsePolicy] = GLIMPSE_POLICIES,
    seeds: Sequence[int] = (0, 1, 2),
    training_seed: int | None = None,
    control: Control | None = None,
) -> GlimpseReport:
    """Compare the policies of a model that has a `.transform`, over the supervision steps it was trained with.

    Raises ConfigError for a model without glimpses.
    """
    *_, report = comparing(
        model, val, test, policies=policies, seeds=seeds, training_seed=training_seed, control=control
    )
    return report


def comparing(
    model: ViTRM,
    val: Split,
    test: Split,
    *,
    policies: Sequence[GlimpsePolicy] = GLIMPSE_POLICIES,
    seeds: Sequence[int] = (0, 1, 2),
    training_seed: int | None = None,
    control: Control | None = None,
) -> Iterator[Progress | GlimpseReport]:
    """`glimpse_report` in the making: Progress after every batch, the report last. Closing it is "stop"."""
    require_recursion(model.config, "a comparison of glimpses")
    if model.config.glimpse_patches is None:
        raise ConfigError("this model reads every patch at every step; there are no glimpses to compare")
    for policy in policies:
        check_policy(policy, model.config)
    if len(set(policies)) < len(policies) or not policies or not seeds or len(set(seeds)) < len(seeds):
        raise ConfigError(f"policies {', '.join(policies)} with seeds {list(seeds)}: expected different ones of each")
    if control is not None:
        _check_control(model, control, policies)
    draws = {policy: tuple(seeds) if policy == "random" else tuple(seeds[:1]) for policy in policies}
    done, total = 0, sum(map(len, draws.values())) * (len(val) + len(test))
    outputs: dict[str, list[tuple[StepOutputs, StepOutputs]]] = {}
    for policy in policies:
        outputs[policy] = []
        for seed in draws[policy]:
            pair = []
            for split in (val, test):
                parts = []
                for part in predict_batches(model, model.transform, split, seed=seed, policy=policy, batch_size=BATCH):
                    parts.append(part)
                    done += part.logits.shape[1]
                    yield Progress(done, total)
                pair.append(join(parts))
            outputs[policy].append(tuple(pair))
    right = {
        policy: torch.stack([(each[1].logits.argmax(dim=-1) == test.labels.cpu()).double() for each in made])
        for policy, made in outputs.items()
    }  # (draws, N, n)
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
        control=None if control is None else _at_once(model, control, draws["random"], right["random"], test),
    )
    best = winner(report)
    yield replace(report, winner=best, verdict=verdict(report, best))


def _check_control(model: ViTRM, control: Control, policies: Sequence[GlimpsePolicy]) -> None:
    """Raises ConfigError for a control that cannot be given the same patches, or no random draw to share."""
    theirs, own = control.model.config, model.config
    shape = ("image_size", "channels", "patch_size", "num_classes")
    if getattr(theirs, "patch_multiple", None) != own.glimpse_patches or any(
        getattr(theirs, name) != getattr(own, name) for name in shape
    ):
        raise ConfigError(
            f"'{control.name}' cannot be the control: expected a plain ViT for the same images and classes that was "
            f"trained with model.patch_multiple={own.glimpse_patches}, such as digits-glimpse-vit"
        )
    if "random" not in policies:
        raise ConfigError("the control is given the patches of the policy 'random'; name it with --policies, too")


@torch.inference_mode()
def _at_once(model: ViTRM, control: Control, seeds: Sequence[int], right: Tensor, test: Split) -> AtOnce:
    """The control on the patches of the first glimpse, the first two, ... of each draw; right is (draws, N, n)."""
    network, device = control.model.eval(), next(control.model.parameters()).device
    glimpses = range(1, min(steps_in_cycle(model.config), right.shape[1]) + 1)
    hits = []  # (draws, glimpses, n)
    for seed in seeds:
        parts = []
        for start in range(0, len(test), BATCH):
            part = slice(start, start + BATCH)
            images = network.transform.normalize(test.images[part].to(device))
            drawn = image_seeds(seed, start, len(images)).to(device)
            given = [glimpsed(count, drawn, len(images), model.config, device) for count in glimpses]
            answers = [network.classifier(network.features(images, patches)).argmax(dim=-1) for patches in given]
            parts.append(torch.stack(answers).cpu() == test.labels[part].cpu())
        hits.append(torch.cat(parts, dim=1))
    at_once = torch.stack(hits).double().mean(dim=0)
    return AtOnce(
        name=control.name,
        title=network.config.title,
        parameters=sum(weights.numel() for weights in network.parameters()),
        training_seed=control.training_seed,
        patches=tuple(count * model.config.glimpse_patches for count in glimpses),
        accuracy=tuple(_estimates(at_once)),
        ahead=tuple(_estimates(right.mean(dim=0)[: len(glimpses)] - at_once)),
    )


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
    *by_step, anytime = _estimates(_with_anytime(right.double().mean(dim=0)))
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
    *by_step, anytime = _estimates(_with_anytime(one - other))
    return Difference(first, second, anytime, tuple(by_step))


def _with_anytime(values: Tensor) -> Tensor:
    """(N, n) with their mean over the steps as one more row."""
    return torch.cat([values, values.mean(dim=0, keepdim=True)])


def _estimates(values: Tensor, seed: int = 0) -> list[Estimate]:
    """Of each row of (R, n), the images drawn together for all rows."""
    rows, generator = values.numpy().T.copy(), np.random.default_rng(seed)  # (n, R)
    drawn = np.stack([rows[generator.integers(0, len(rows), len(rows))].mean(axis=0) for _ in range(DRAWS)])
    low, high = np.quantile(drawn, (0.025, 0.975), axis=0)
    return [Estimate(*map(float, each)) for each in zip(rows.mean(axis=0), low, high, strict=True)]


def _mean(values: Sequence[float | None]) -> float | None:
    return None if any(value is None for value in values) else float(np.mean(values))
