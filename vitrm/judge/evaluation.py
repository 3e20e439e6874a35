"""What a model is worth on data it has not seen: accuracy and halting, per supervision step. Never trains."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from vitrm.config import GlimpsePolicy, check_policy
from vitrm.data.dataset import Preprocess, Split
from vitrm.judge.report import BATCH, Progress, Tally
from vitrm.losses import classification_loss
from vitrm.model import ViTRM
from vitrm.nets.base import OneStep, evaluating

POLICY = "all {n} supervision steps run for every image; no halting"
ONE_ANSWER = "one answer for every image; this model has no supervision steps and no halting"


@dataclass(frozen=True)
class StepScores:
    """Scores of a split, one entry per supervision step. `halt_auroc` is None where every answer is right, or wrong.

    A model without supervision steps has one, and no entry about halting.
    """

    n: int
    loss: tuple[float, ...]  # cross-entropy, nats
    accuracy: tuple[float, ...]  # 0..1
    halt_prob: tuple[float, ...]  # mean, 0..1
    halt_auroc: tuple[float | None, ...]  # how well the halting logit ranks right above wrong answers; 0.5 = chance

    @property
    def policy(self) -> str:
        return POLICY.format(n=len(self.accuracy)) if self.halt_prob else ONE_ANSWER


@dataclass(frozen=True)
class StepOutputs:
    """What every supervision step made of every image of a split, on the CPU in float32."""

    logits: Tensor  # (N, n, C)
    halt_logit: Tensor | None  # (N, n); None without recursion, as the next
    memory_change: Tensor | None  # (N, n) mean length of a memory token's change since the step before; 0 at the first


def predict_steps(
    model: ViTRM | OneStep,
    preprocess: Preprocess,
    split: Split,
    supervision_steps: int | None = None,
    *,
    seed: int = 0,
    policy: GlimpsePolicy = "random",
    batch_size: int = 256,
) -> StepOutputs:
    """Every step of every image of a split; nothing halts. `policy` says who chooses the glimpses (nets/glimpses.py).

    Image i of the split draws random glimpses from seed and i alone, whatever the batch size.
    """
    how = {"seed": seed, "policy": policy, "batch_size": batch_size}
    return join(list(predict_batches(model, preprocess, split, supervision_steps, **how)))


def predict_batches(
    model: ViTRM | OneStep,
    preprocess: Preprocess,
    split: Split,
    supervision_steps: int | None = None,
    *,
    seed: int = 0,
    policy: GlimpsePolicy = "random",
    batch_size: int = 256,
) -> Iterator[StepOutputs]:
    """`predict_steps`, batch by batch, each computed when it is asked for."""
    how = {"seed": seed, "policy": policy, "batch_size": batch_size}
    return (part for part in _batches(model, preprocess, split, supervision_steps, **how) if part is not None)


@torch.inference_mode()
def _batches(
    model: ViTRM | OneStep,
    preprocess: Preprocess,
    split: Split,
    supervision_steps: int | None,
    *,
    seed: int,
    policy: GlimpsePolicy,
    batch_size: int,
) -> Iterator[StepOutputs | None]:
    """`predict_batches`, with None after every supervision step: whoever shares the model can rest there."""
    device = next(model.parameters()).device
    check_policy(policy, model.config)
    with evaluating(model):
        for start in range(0, len(split), batch_size):
            part = slice(start, start + batch_size)
            images = preprocess.normalize(split.images[part].to(device))
            seeds = image_seeds(seed, start, len(images)).to(device)
            chosen = {"policy": policy} if model.config.recurrent else {}
            steps = []
            for step in model.steps(images, supervision_steps, seeds, **chosen):
                steps.append(step)
                yield None
            logits = torch.stack([step.logits for step in steps]).float().cpu()
            if not model.config.recurrent:
                yield StepOutputs(logits, None, None)
                continue
            memory = torch.stack([steps[0].memory, *(step.memory for step in steps)])  # (1+N, n, K, D)
            change = (memory[1:] - memory[:-1]).norm(dim=-1).mean(dim=-1).float().cpu()
            yield StepOutputs(logits, torch.stack([step.halt_logit for step in steps]).float().cpu(), change)


def predicting(
    model: ViTRM | OneStep,
    split: Split,
    tally: Tally,
    supervision_steps: int | None = None,
    *,
    seed: int = 0,
    policy: GlimpsePolicy = "random",
) -> Generator[Progress, None, StepOutputs]:
    """`predict_steps` of a model with a `.transform` as part of a report: tells how far it is after each step.

    `outputs = yield from predicting(...)`.
    """
    how = {"seed": seed, "policy": policy, "batch_size": BATCH}
    parts = []
    for part in _batches(model, model.transform, split, supervision_steps, **how):
        if part is None:
            yield tally.add()
            continue
        parts.append(part)
        yield tally.add(part.logits.shape[1])
    return join(parts)


def join(parts: list[StepOutputs]) -> StepOutputs:
    """The outputs of consecutive batches as one."""
    found = ([getattr(part, each.name) for part in parts] for each in fields(StepOutputs))
    return StepOutputs(*(None if tensors[0] is None else torch.cat(tensors, dim=1) for tensors in found))


def image_seeds(seed: int, start: int, count: int) -> Tensor:
    """Glimpse seeds (count,) of the images start, start+1, ... of a split."""
    return torch.arange(start, start + count) + torch.tensor(seed) * 10_000_019  # which may wrap around


def evaluate(
    model: ViTRM | OneStep,
    preprocess: Preprocess,
    split: Split,
    supervision_steps: int | None = None,
    *,
    seed: int = 0,
    batch_size: int = 256,
) -> StepScores:
    """Scores per supervision step on a split (policy: every step runs, as in the paper's evaluation)."""
    outputs = predict_steps(model, preprocess, split, supervision_steps, seed=seed, batch_size=batch_size)
    return score(outputs, split.labels)


def score(outputs: StepOutputs, labels: Tensor) -> StepScores:
    """What outputs are worth, given the true classes (n,)."""
    labels, logits, halts = labels.cpu(), outputs.logits, outputs.halt_logit
    right = logits.argmax(dim=-1) == labels  # (N, n)
    return StepScores(
        n=len(labels),
        loss=tuple(float(classification_loss(step, labels)) for step in logits),
        accuracy=tuple(right.float().mean(dim=1).tolist()),
        halt_prob=() if halts is None else tuple(halts.sigmoid().mean(dim=1).tolist()),
        halt_auroc=() if halts is None else tuple(auroc(halt, hit) for halt, hit in zip(halts, right, strict=True)),
    )


def auroc(scores: Tensor, positive: Tensor) -> float | None:
    """Probability that a random positive scores above a random negative; None if there is only one kind, or NaN."""
    if bool(positive.all()) or not bool(positive.any()) or bool(scores.isnan().any()):
        return None
    _, level, count = scores.double().unique(return_inverse=True, return_counts=True)
    ranks = (count.cumsum(0) - (count - 1) / 2)[level]  # from 1; equal scores share the mean of their ranks
    hits = int(positive.sum())
    above = float(ranks[positive].sum()) - hits * (hits + 1) / 2  # pairs in the right order, ties counting a half
    return above / (hits * (len(positive) - hits))


def auroc_interval(scores: Tensor, positive: Tensor, draws: int = 500, seed: int = 0) -> tuple[float, float] | None:
    """The middle 95 % of `auroc` over bootstrap draws of the images; None where `auroc` is None.

    scores and positive are (n,), or (N, n) for N answers per image: these are drawn together, being no independent
    evidence.
    """
    if auroc(scores.flatten(), positive.flatten()) is None:
        return None
    images = scores.shape[-1]
    _, level = np.unique(scores.double().cpu().numpy().ravel(), return_inverse=True)
    order = np.argsort(level, kind="stable")
    first = np.searchsorted(level[order], level[order], side="left")  # where the equal scores begin, and end
    last = np.searchsorted(level[order], level[order], side="right")
    right = positive.cpu().numpy().ravel()[order]
    generator, areas = np.random.default_rng(seed), []
    for _ in range(draws):
        times = np.bincount(generator.integers(0, images, images), minlength=images)  # how often each image was drawn
        times = np.tile(times, scores.numel() // images)[order]
        below = np.concatenate([[0], np.cumsum(times * ~right)])
        hits, misses = times[right].sum(), below[-1]
        if hits and misses:
            areas.append((times * right * (below[first] + below[last]) / 2).sum() / (hits * misses))
    low, high = np.quantile(areas, (0.025, 0.975))
    return float(low), float(high)
