"""Which patches a supervision step sees when the model may only glimpse.

The draw is a hash of (image seed, cycle, patch), not a generator's state: the same on every device, for every
batch size and whatever else is in the batch. Within a cycle of floor(L/S) steps no patch is drawn twice, so
every step brings new evidence until the image has been seen; then a new cycle with a new order begins.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vitrm.config import ModelConfig


def glimpse_patches(
    step: int, seeds: int | Tensor, batch: int, config: ModelConfig, device: torch.device | str = "cpu"
) -> Tensor:
    """Row-major indices (B, S) of the patches that supervision step `step` (from 0) sees, without repeats.

    `seeds` is one integer for all images or an integer tensor (B,).
    """
    size, total = config.glimpse_patches, config.num_patches
    cycle, part = divmod(step, total // size)
    if isinstance(seeds, int):
        seeds = torch.full((batch,), seeds)
    keys = _hash(_hash(seeds.to(device)[:, None] * 1_000_003 + cycle) + torch.arange(total, device=device))  # (B, L)
    return keys.argsort(dim=1, stable=True)[:, part * size : (part + 1) * size]


def _hash(values: Tensor) -> Tensor:
    """Well-mixed 32-bit integers of an int64 tensor (a multiply-xorshift finaliser), kept in int64."""
    mask = 0xFFFFFFFF
    values = (values ^ (values >> 32)) & mask
    values = ((values ^ (values >> 16)) * 0x7FEB352D) & mask
    values = ((values ^ (values >> 15)) * 0x846CA68B) & mask
    return values ^ (values >> 16)
