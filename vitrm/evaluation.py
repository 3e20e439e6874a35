"""What a model is worth on data it has not seen: accuracy and halting, per supervision step. Never trains."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vitrm.data import Preprocess, Split
from vitrm.losses import classification_loss
from vitrm.model import ViTRM

POLICY = "all {n} supervision steps run for every image; no halting"


@dataclass(frozen=True)
class StepScores:
    """Scores of a split, one entry per supervision step. `halt_auroc` is None where every answer is right, or wrong."""

    n: int
    loss: tuple[float, ...]  # cross-entropy, nats
    accuracy: tuple[float, ...]  # 0..1
    halt_prob: tuple[float, ...]  # mean, 0..1
    halt_auroc: tuple[float | None, ...]  # how well the halting logit ranks right above wrong answers; 0.5 = chance

    @property
    def policy(self) -> str:
        return POLICY.format(n=len(self.accuracy))


@dataclass(frozen=True)
class StepOutputs:
    """What every supervision step made of every image of a split, on the CPU in float32."""

    logits: Tensor  # (N, n, C)
    halt_logit: Tensor  # (N, n)
    memory_change: Tensor  # (N, n) mean length of a memory token's change since the step before; 0 at the first


@torch.inference_mode()
def predict_steps(
    model: ViTRM,
    preprocess: Preprocess,
    split: Split,
    supervision_steps: int | None = None,
    *,
    seed: int = 0,
    batch_size: int = 256,
) -> StepOutputs:
    """Every step of every image of a split; nothing halts.

    Image i of the split draws its glimpses from seed and i alone, whatever the batch size.
    """
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    parts = []
    for start in range(0, len(split), batch_size):
        part = slice(start, start + batch_size)
        images = preprocess.normalize(split.images[part].to(device))
        seeds = image_seeds(seed, start, len(images)).to(device)
        steps = list(model.steps(images, supervision_steps, seeds))
        memory = torch.stack([steps[0].memory, *(step.memory for step in steps)])  # (1+N, n, K, D)
        change = (memory[1:] - memory[:-1]).norm(dim=-1).mean(dim=-1)
        logits, halts = (torch.stack([getattr(s, name) for s in steps]) for name in ("logits", "halt_logit"))
        parts.append([tensor.float().cpu() for tensor in (logits, halts, change)])
    model.train(was_training)
    return StepOutputs(*(torch.cat(tensors, dim=1) for tensors in zip(*parts, strict=True)))


def image_seeds(seed: int, start: int, count: int) -> Tensor:
    """Glimpse seeds (count,) of the images start, start+1, ... of a split."""
    return torch.arange(start, start + count) + seed * 10_000_019


def evaluate(
    model: ViTRM,
    preprocess: Preprocess,
    split: Split,
    supervision_steps: int | None = None,
    *,
    seed: int = 0,
    batch_size: int = 256,
) -> StepScores:
    """Scores per supervision step on a split (policy: every step runs, as in the paper's evaluation)."""
    outputs = predict_steps(model, preprocess, split, supervision_steps, seed=seed, batch_size=batch_size)
    logits, halts = outputs.logits, outputs.halt_logit
    right = logits.argmax(dim=-1) == split.labels.cpu()  # (N, n)
    return StepScores(
        n=len(split),
        loss=tuple(float(classification_loss(step, split.labels.cpu())) for step in logits),
        accuracy=tuple(right.float().mean(dim=1).tolist()),
        halt_prob=tuple(halts.sigmoid().mean(dim=1).tolist()),
        halt_auroc=tuple(auroc(halt, hit) for halt, hit in zip(halts, right, strict=True)),
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
