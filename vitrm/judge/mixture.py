"""Does the soft mixture do anything? `mixture_report(model, test)` judges the routers of an SR-ViT on held-out data.

Every image is run once as it is, for its weights, and once for each way to replace the mixture. Nothing is chosen here,
so the test split is enough.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from vitrm.config import SRViTConfig, require_mixture
from vitrm.data.dataset import Split
from vitrm.nets.srvit import SRViT

BATCH = 64  # images, as for the judgement of halting
# Limits of our own, in shares of the whole weight. On test images no weight ever reaches 0 or 1.
COLLAPSED = 0.95  # a step that gets this much leaves nothing to mix
UNUSED = 0.05  # a step that gets no more is as good as left out
SAME = 0.02  # spread over tokens, below which all of them are given the same


@dataclass(frozen=True)
class TokenWeights:
    """The weights of one stage over some of the tokens of all images, R entries per list, divided by their sum."""

    stage: int  # from 1
    tokens: str  # "patches" or "class token"
    count: int  # tokens of all images together
    mean: tuple[float, ...]  # 0..1
    spread: tuple[float, ...]  # standard deviation over these tokens
    largest: tuple[float, ...]  # share of the tokens whose largest weight is that of this step
    entropy: float  # mean over tokens, as a share of ln R: 0 is one step alone, 1 all steps alike
    mean_step: float  # mean over tokens of the step they listen to on average, 1..R


@dataclass(frozen=True)
class Replaced:
    """What changes if the mixture of every stage is replaced, and the recursion ended after some step."""

    mixture: str  # "own", "last" or "uniform": of the steps that are run
    steps: int  # r of R
    changed: float  # share of the images that are given another class than by the model as it is
    became_right: float  # share of the images: wrong as it is, right now
    became_wrong: float


@dataclass(frozen=True)
class MixtureReport:
    """Judgement on one split.

    `own`, `last` and `uniform` are accuracies (0..1) if the recursion of every stage ends after step 1, 2, .. R: with
    the model's own mixture of these steps, with the last of them alone and with their mean. It was trained for its own
    mixture of all R only.
    """

    n: int  # images
    mixture: str  # the model's own, as in `SRViTConfig`
    own: tuple[float, ...]
    last: tuple[float, ...]
    uniform: tuple[float, ...]
    token_weights: tuple[TokenWeights, ...]  # by stage, the patches first where they are mixed
    replaced: tuple[Replaced, ...]  # every mixture at every number of steps
    faults: tuple[str, ...]  # what is wrong with the routers, each in words; none if they tell tokens apart
    verdict: str  # what to think of it, in words
    comparison: str  # with the mixture replaced, in words


@dataclass(frozen=True)
class Progress:
    """How far a judgement has come."""

    done: int  # images that have been run
    total: int


class _Sums:
    """Running sums over the tokens of one stage, so that a large split takes no more memory than a small one."""

    def __init__(self, steps: int) -> None:
        self.count, self.entropy = 0, 0.0
        self.first, self.second, self.largest = (torch.zeros(steps, dtype=torch.float64) for _ in range(3))

    def add(self, weights: Tensor) -> None:
        """Weights (tokens, R) of further tokens."""
        shares = weights.double() / weights.double().sum(dim=-1, keepdim=True)
        self.count += len(shares)
        self.first += shares.sum(dim=0)
        self.second += shares.square().sum(dim=0)
        self.largest += torch.bincount(shares.argmax(dim=-1), minlength=shares.shape[-1])
        self.entropy += float(torch.special.entr(shares).sum())

    def found(self, stage: int, tokens: str) -> TokenWeights:
        mean = self.first / self.count
        spread = (self.second / self.count - mean.square()).clamp(min=0).sqrt()
        steps = torch.arange(1, len(mean) + 1, dtype=torch.float64)
        return TokenWeights(
            stage=stage,
            tokens=tokens,
            count=self.count,
            mean=tuple(mean.tolist()),
            spread=tuple(spread.tolist()),
            largest=tuple((self.largest / self.count).tolist()),
            entropy=self.entropy / self.count / math.log(len(mean)),
            mean_step=float((mean * steps).sum()),
        )


def mixture_report(model: SRViT, split: Split) -> MixtureReport:
    """Judge the mixture of a model that has a `.transform`. Raises ConfigError for one that mixes no steps."""
    *_, report = judging(model, split)
    return report


@torch.inference_mode()
def judging(model: SRViT, split: Split) -> Iterator[Progress | MixtureReport]:
    """`mixture_report` in the making: Progress after every batch, the report last. Closing it is "stop"."""
    config = model.config
    require_mixture(config, "a judgement of the mixture")
    device, was_training = model.class_token.device, model.training
    model.eval()
    depth, labels = config.recursion_depth, split.labels.cpu()
    sums = [{"class token": _Sums(depth), "patches": _Sums(depth)} for _ in range(config.stages)]
    kinds = ("own", "last", "uniform")
    ways = [("own", 1), *product(kinds, range(2, depth + 1))]  # after one step there is nothing to mix
    answers: dict[tuple[str, int], list[Tensor]] = {way: [] for way in ways}
    for start in range(0, len(split), BATCH):
        images = model.transform.normalize(split.images[start : start + BATCH].to(device))
        for mixture, steps in ways:
            read, weights = model.mix(images, None if mixture == "own" else mixture, steps)
            answers[mixture, steps].append(model.classifier(read).argmax(dim=-1).cpu())
            if (mixture, steps) == ("own", depth):
                for stage, found in zip(sums, weights, strict=True):
                    stage["class token"].add(found[:, 0].cpu())
                    if found.shape[1] > 1:
                        stage["patches"].add(found[:, 1:].flatten(0, 1).cpu())
        yield Progress(min(start + BATCH, len(split)), len(split))
    model.train(was_training)
    weights = tuple(
        sums[tokens].found(stage, tokens)
        for stage, sums in enumerate(sums, start=1)
        for tokens in ("patches", "class token")
        if sums[tokens].count
    )
    given = {way: torch.cat(parts) for way, parts in answers.items()}
    given |= {(kind, 1): given["own", 1] for kind in kinds}
    own = given["own", depth]
    scores = {
        kind: tuple(float((given[kind, steps] == labels).double().mean()) for steps in range(1, depth + 1))
        for kind in kinds
    }
    replaced = tuple(_replaced(*way, given[way], own, labels) for way in product(kinds, range(1, depth + 1)))
    yield MixtureReport(
        n=len(split),
        mixture=config.mixture,
        **scores,
        token_weights=weights,
        replaced=replaced,
        faults=tuple(faults(config, weights)),
        verdict=verdict(config, weights),
        comparison=comparison(config, scores, replaced, len(split)),
    )


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
    config: SRViTConfig, scores: dict[str, tuple[float, ...]], replaced: tuple[Replaced, ...], images: int
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
        # The sign test's normal form: of n changed answers, either way alike, 95 % lie within 1.96 * sqrt(n).
        chance = abs(worse - better) <= 1.96 * math.sqrt(worse + better)
        said.append(
            f"with {name} {100 * scores[mixture][-1]:.1f} % ({worse:,} right answers become wrong and {better:,} "
            f"wrong ones right{', no more than chance explains' if chance else ''})"
        )
    return (
        f"As it is the model answers {100 * scores['own'][-1]:.1f} % of {images:,} images rightly; {'; '.join(said)}. "
        "It was not trained for that: a model trained so from the start may do better."
    )


def _replaced(mixture: str, steps: int, answers: Tensor, own: Tensor, labels: Tensor) -> Replaced:
    right, before = answers == labels, own == labels
    return Replaced(
        mixture=mixture,
        steps=steps,
        changed=float((answers != own).double().mean()),
        became_right=float((right & ~before).double().mean()),
        became_wrong=float((~right & before).double().mean()),
    )
