"""AdamW or Muon, which weights they let decay, the learning rate, and the moving average of the weights."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from vitrm.config import TrainConfig
from vitrm.errors import ConfigError


class Together:
    """Optimizers that share a model's parameters out among them, used as one."""

    def __init__(self, *parts: torch.optim.Optimizer) -> None:
        self.parts = parts

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Those of all parts; what is written into one is used."""
        return [group for part in self.parts for group in part.param_groups]

    def zero_grad(self, set_to_none: bool = True) -> None:
        for part in self.parts:
            part.zero_grad(set_to_none)

    def step(self) -> None:
        for part in self.parts:
            part.step()

    def state_dict(self) -> dict[str, Any]:
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for part, kept in zip(self.parts, state["parts"], strict=True):
            part.load_state_dict(kept)


def make_optimizer(model: nn.Module, train: TrainConfig) -> torch.optim.Optimizer | Together:
    """AdamW, with weight decay on matrices and embeddings, or on all parameters if `train.decay` says so.

    With `train.optimizer` "muon" the matrices of the repeated block are Muon's (Jordan et al. 2024). Its updates are as
    long as AdamW's at the same rate (Liu et al. 2025, arXiv 2502.16982), so one learning rate serves both. Raises
    ConfigError if the block has no matrices.
    """
    if train.optimizer == "adamw":
        return _adamw(list(model.parameters()), train)
    layers = [each for part in model.repeated for each in part.modules() if isinstance(each, nn.Linear)]
    matrices = [layer.weight for layer in layers]
    if not matrices:
        raise ConfigError("train.optimizer='muon': expected a model with a transformer's block; use adamw")
    taken = {id(matrix) for matrix in matrices}
    muon = torch.optim.Muon(matrices, lr=train.lr, weight_decay=train.weight_decay, adjust_lr_fn="match_rms_adamw")
    return Together(muon, _adamw([p for p in model.parameters() if id(p) not in taken], train))


def _adamw(parameters: list[nn.Parameter], train: TrainConfig) -> torch.optim.AdamW:
    decayed = [p for p in parameters if p.ndim > 1]
    plain = [p for p in parameters if p.ndim <= 1]
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
