"""Does the soft mixture do anything? The report that judges the routers of an SR-ViT on held-out data.

Every image is run once as it is, for its weights, and once for each way to replace the mixture. Nothing is chosen here,
so the test split is enough.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from vitrm.config import Config, SRViTConfig, require_mixture
from vitrm.judge.report import BATCH, Progress, Report, Tally
from vitrm.reading import Amount, Positive, Share, entries, expect

if TYPE_CHECKING:  # torch takes seconds to import, and whoever reads a report should not wait for it
    from torch import Tensor

    from vitrm.data.dataset import Dataset
    from vitrm.nets.srvit import SRViT

Way = Literal["own", "last", "uniform"]  # of the steps that are run: mixed as learned, the last alone, their mean
WAYS: tuple[Way, ...] = ("own", "last", "uniform")
# Limits of our own, in shares of the whole weight. On test images no weight ever reaches 0 or 1.
COLLAPSED = 0.95  # a step that gets this much leaves nothing to mix
UNUSED = 0.05  # a step that gets no more is as good as left out
SAME = 0.02  # spread over tokens, below which all of them are given the same


@dataclass(frozen=True)
class TokenWeights:
    """The weights of one stage over some of the tokens of all images, R entries per list, divided by their sum."""

    stage: Positive
    tokens: Literal["patches", "class token"]
    count: Positive  # tokens of all images together
    mean: tuple[Share, ...]
    spread: tuple[Share, ...]  # standard deviation over these tokens
    largest: tuple[Share, ...]  # share of the tokens whose largest weight is that of this step
    entropy: Share  # mean over tokens, as a share of ln R: 0 is one step alone, 1 all steps alike
    mean_step: Amount  # mean over tokens of the step they listen to on average, 1..R


@dataclass(frozen=True)
class Replaced:
    """What changes if the mixture of every stage is replaced, and the recursion ended after some step."""

    mixture: Way
    steps: Positive  # r of R
    changed: Share  # of the images: given another class than by the model as it is
    became_right: Share  # of the images: wrong as it is, right now
    became_wrong: Share


@dataclass(frozen=True)
class MixtureReport(Report):
    """Judgement on one split.

    `own`, `last` and `uniform` are accuracies if the recursion of every stage ends after step 1, 2, .. R: with the
    model's own mixture of these steps, with the last of them alone and with their mean. It was trained for its own
    mixture of all R only.
    """

    kind: ClassVar[str] = "mixture"
    file: ClassVar[str] = "mixture.json"
    format: ClassVar[int] = 1

    n: Positive  # images
    mixture: Literal["token", "scalar", "uniform", "last"]  # the model's own, as in `SRViTConfig`
    own: tuple[Share, ...]
    last: tuple[Share, ...]
    uniform: tuple[Share, ...]
    token_weights: tuple[TokenWeights, ...]  # by stage, the patches first where they are mixed
    replaced: tuple[Replaced, ...]  # every mixture at every number of steps
    faults: tuple[str, ...]  # what is wrong with the routers, each in words; none if they tell tokens apart
    verdict: str  # what to think of it, in words
    comparison: str  # with the mixture replaced, in words

    def accuracy(self, way: Way) -> tuple[float, ...]:
        """Of the recursion ended after step 1, 2, .. R."""
        return {"own": self.own, "last": self.last, "uniform": self.uniform}[way]

    def weights_of(self, tokens: str) -> tuple[TokenWeights, ...]:
        """Those over "patches", or over the "class token", by stage."""
        return tuple(one for one in self.token_weights if one.tokens == tokens)

    def lines(self) -> Iterator[str]:
        yield ""
        yield self.verdict
        yield self.comparison
        yield "weight of each recursion step, mean and standard deviation over tokens:"
        for one in self.token_weights:
            steps = "  ".join(f"{mean:.2f} ± {spread:.2f}" for mean, spread in zip(one.mean, one.spread, strict=True))
            yield f"  stage {one.stage}, {one.tokens:11}  {steps}  entropy {100 * one.entropy:.0f} % of ln R"
        yield (
            "accuracy % if the recursion ends after each step, with its own mixture of them, the last alone, the mean:"
        )
        for r, row in enumerate(zip(self.own, self.last, self.uniform, strict=True), start=1):
            yield f"{r:4}  {'  '.join(f'{100 * value:6.2f}' for value in row)}"

    def check(self, config: Config) -> None:
        model = config.model
        expect(model.mixes, "it is of a model that mixes its recursion steps, which this one does not")
        depth = model.recursion_depth
        entries(depth, own=self.own, last=self.last, uniform=self.uniform)
        expect(bool(self.weights_of("class token")), "token_weights: the class token is absent")
        for one in self.token_weights:
            entries(depth, mean=one.mean, spread=one.spread, largest=one.largest)
            expect(one.stage <= model.stages, f"stage={one.stage}: the model has {model.stages}")
        found = {(one.mixture, one.steps) for one in self.replaced}
        expect(found == set(product(WAYS, range(1, depth + 1))), "replaced: expected every mixture at every step")


class WeightSums:
    """Running sums over the tokens of one stage, so that a large split takes no more memory than a small one."""

    def __init__(self, steps: int) -> None:
        self.count, self.entropy = 0, 0.0
        self.first, self.second, self.largest = np.zeros(steps), np.zeros(steps), np.zeros(steps)

    def add(self, weights: np.ndarray) -> None:
        """Weights (tokens, R) of further tokens."""
        shares = weights.astype(np.float64)
        shares /= shares.sum(axis=-1, keepdims=True)
        self.count += len(shares)
        self.first += shares.sum(axis=0)
        self.second += np.square(shares).sum(axis=0)
        self.largest += np.bincount(shares.argmax(axis=-1), minlength=shares.shape[-1])
        self.entropy -= float((shares * np.log(np.where(shares > 0, shares, 1))).sum())

    def found(self, stage: int, tokens: str) -> TokenWeights:
        mean = self.first / self.count
        spread = np.sqrt(np.maximum(self.second / self.count - np.square(mean), 0))
        return TokenWeights(
            stage=stage,
            tokens=tokens,
            count=self.count,
            mean=tuple(mean.tolist()),
            spread=tuple(spread.tolist()),
            largest=tuple((self.largest / self.count).tolist()),
            entropy=self.entropy / self.count / math.log(len(mean)),
            mean_step=float((mean * np.arange(1, len(mean) + 1)).sum()),
        )


def measuring(model: SRViT, data: Dataset, *, split: str = "test") -> Iterator[Progress | MixtureReport]:
    """Judge the mixture on one split; see `report.measuring`. Raises ConfigError for a model that mixes no steps."""
    import torch

    from vitrm.nets.base import evaluating

    config, images = model.config, data.split(split)
    require_mixture(config, "a judgement of the mixture")
    depth, labels = config.recursion_depth, images.labels.cpu()
    sums = [{"class token": WeightSums(depth), "patches": WeightSums(depth)} for _ in range(config.stages)]
    # The mean of one step is that step; of its own mixture a sigmoid's weight of it is less than 1.
    ways = [("own", 1), ("last", 1), *product(WAYS, range(2, depth + 1))]
    answers: dict[tuple[Way, int], list[Tensor]] = {way: [] for way in ways}
    tally = Tally(len(images))
    yield tally.add()
    with evaluating(model):
        for start in range(0, len(images), BATCH):
            part = images.images[start : start + BATCH]
            for way, answer, weights in _batch(model, part, ways):
                answers[way].append(answer)
                if way == ("own", depth):
                    _add(sums, weights)
            yield tally.add(len(part))
    weights = tuple(
        sums[tokens].found(stage, tokens)
        for stage, sums in enumerate(sums, start=1)
        for tokens in ("patches", "class token")
        if sums[tokens].count
    )
    given = {way: torch.cat(parts) for way, parts in answers.items()}
    given["uniform", 1] = given["last", 1]
    own = given["own", depth]
    scores = {
        way: tuple(float((given[way, steps] == labels).double().mean()) for steps in range(1, depth + 1))
        for way in WAYS
    }
    replaced = tuple(_replaced(*way, given[way], own, labels) for way in product(WAYS, range(1, depth + 1)))
    yield MixtureReport(
        n=len(images),
        mixture=config.mixture,
        **scores,
        token_weights=weights,
        replaced=replaced,
        faults=tuple(faults(config, weights)),
        verdict=verdict(config, weights),
        comparison=comparison(config, scores, replaced, len(images)),
    )


def _batch(
    model: SRViT, pixels: Tensor, ways: list[tuple[Way, int]]
) -> Iterator[tuple[tuple[Way, int], Tensor, list[Tensor]]]:
    """Of each way to mix: the answers (n,) and the weights (n, 1+L, R) of every stage."""
    import torch

    with torch.inference_mode():
        images = model.transform.normalize(pixels.to(model.class_token.device))
        for mixture, steps in ways:
            read, weights = model.mix(images, None if mixture == "own" else mixture, steps)
            yield (mixture, steps), model.classifier(read).argmax(dim=-1).cpu(), weights


def _add(sums: list[dict[str, WeightSums]], weights: list[Tensor]) -> None:
    for stage, found in zip(sums, weights, strict=True):
        stage["class token"].add(found[:, 0].cpu().numpy())
        if found.shape[1] > 1:
            stage["patches"].add(found[:, 1:].flatten(0, 1).cpu().numpy())


def faults(config: SRViTConfig, weights: tuple[TokenWeights, ...]) -> list[str]:
    """What is wrong with the weights of a learned mixture, stage by stage. A control has none: it is meant to be so."""
    if config.mixture != "token":
        return []
    found = []
    for one in weights:
        where = f"the router of stage {one.stage}" if len(weights) > 1 else "the router"
        whom = f"{where} has collapsed for the {one.tokens}" if one.tokens == "patches" else f"{where} has collapsed"
        most = max(range(len(one.mean)), key=one.mean.__getitem__)
        if one.mean[most] >= COLLAPSED:
            found.append(f"{whom}: step {most + 1} gets {100 * one.mean[most]:.0f} % of the weight")
        elif max(one.spread) < SAME:
            found.append(
                f"{where} gives {'every patch' if one.tokens == 'patches' else 'the class token of every image'} "
                f"the same weights (they vary by less than {SAME}): one number for each step would do"
            )
    return found


def verdict(config: SRViTConfig, weights: tuple[TokenWeights, ...]) -> str:
    """`faults` in a sentence; where there are none, how many of the steps are used."""
    if config.mixture != "token":
        how = {
            "scalar": "one learned weight for each step, the same for every token of every image",
            "uniform": "the plain mean of all steps",
            "last": "the last step alone",
        }[config.mixture]
        return f"This model is a control, without a router: it reads {how}."
    found = faults(config, weights)
    if found:
        return f"Not everything that is routed here is a mixture for each token: {'; '.join(found)}."
    depth = config.recursion_depth
    used = sorted({sum(mean > UNUSED for mean in one.mean) for one in weights})
    steps = f"in every stage {'all' if used[0] == depth else f'{used[0]} of the'} {depth} steps"
    if len(used) > 1:
        steps = f"depending on the stage, between {used[0]} and {used[-1]} of the {depth} steps"
    return (
        f"No router has collapsed: {steps} get more than {100 * UNUSED:.0f} % of the weight on average, and tokens are "
        f"given different weights (standard deviation over tokens up to "
        f"{max(max(one.spread) for one in weights):.2f})."
    )


def comparison(
    config: SRViTConfig, scores: dict[Way, tuple[float, ...]], replaced: tuple[Replaced, ...], images: int
) -> str:
    """What it costs to replace the mixture of all steps, and whether that is more than chance."""
    depth = config.recursion_depth
    names = {"uniform": "the plain mean of all steps", "last": "the last step alone"}
    said = []
    for mixture, name in names.items():
        if mixture == config.mixture:
            continue
        other = next(one for one in replaced if one.mixture == mixture and one.steps == depth)
        worse, better = round(other.became_wrong * images), round(other.became_right * images)
        chance = ", no more than chance explains" if may_be_chance(worse, better) else ""
        said.append(
            f"with {name} {100 * scores[mixture][-1]:.1f} % ({worse:,} right answers become wrong and {better:,} "
            f"wrong ones right{chance})"
        )
    return (
        f"As it is the model answers {100 * scores['own'][-1]:.1f} % of {images:,} images rightly; {'; '.join(said)}. "
        "It was not trained for that: a model trained so from the start may do better."
    )


def may_be_chance(worse: int, better: int) -> bool:
    """Whether so many answers that became wrong, and so many that became right, are no more than chance explains.

    The sign test at 5 %, two-sided and exact: either way alike, so few answers as five never tell.
    """
    from scipy.stats import binomtest  # scikit-learn brings it

    return worse == better or bool(binomtest(worse, worse + better).pvalue > 0.05)


def _replaced(mixture: Way, steps: int, answers: Tensor, own: Tensor, labels: Tensor) -> Replaced:
    right, before = answers == labels, own == labels
    return Replaced(
        mixture=mixture,
        steps=steps,
        changed=float((answers != own).double().mean()),
        became_right=float((right & ~before).double().mean()),
        became_wrong=float((~right & before).double().mean()),
    )
