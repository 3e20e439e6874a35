"""AdamW, which weights it lets decay, its learning rate, and the moving average of the weights."""

from __future__ import annotations

import math

import torch
from torch import nn

from vitrm.config import TrainConfig


def make_optimizer(model: nn.Module, train: TrainConfig) -> torch.optim.AdamW:
    """With weight decay on matrices and embeddings, or on all parameters if `train.decay` says so."""
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    return torch.optim.AdamW(
        [
            {"params": decayed, "weight_decay": train.weight_decay},
            {"params": plain, "weight_decay": train.weight_decay if train.decay == "all" else 0.0},
        ],
        lr=train.lr,
        betas=train.betas,
        fused=True,
    )


def learning_rate(train: TrainConfig, batches: int, epoch: float) -> float:
    """At a fractional epoch of `batches`: linear warm-up from one batch's share, then cosine to min_lr.

    With schedule="epoch" it is constant within an epoch, and the warm-up starts from 0.
    """
    first = 1 / batches
    if train.schedule == "epoch":
        epoch, first = math.floor(epoch), 0.0
    if epoch < train.warmup_epochs:
        return train.lr * (epoch + first) / (train.warmup_epochs + first)
    done = (epoch - train.warmup_epochs) / max(train.epochs - train.warmup_epochs, 1e-9)
    return train.min_lr + (train.lr - train.min_lr) * (1 + math.cos(math.pi * min(done, 1.0))) / 2


@torch.no_grad()
def follow(averaged: nn.Module, model: nn.Module, train: TrainConfig, updates: int) -> None:
    """One step of the moving average after the update number `updates`, from 1."""
    decay = train.ema_decay
    if train.ema_warmup:  # a short memory while there is little to keep
        decay = min(decay, updates / (updates + 10))
    torch._foreach_lerp_(list(averaged.parameters()), list(model.parameters()), 1 - decay)
    for kept, raw in zip(averaged.buffers(), model.buffers(), strict=True):
        kept.copy_(raw)  # running statistics of a batch norm are averages already
