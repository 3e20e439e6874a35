"""Which patches a supervision step sees when the model may only glimpse, and who chooses them.

========= ==================================================================================================
policy    the S patches of the next supervision step
========= ==================================================================================================
"random"  drawn by seed, as in training (`glimpse_patches`)
"fixed"   from the centre outwards, the same for every image (`centre_outwards`)
"learned" those that the memory attends to most, by their places alone (`ViTRM.attention_to_places`, `most_attended`)
========= ==================================================================================================

The draw is a hash of (image seed, cycle, patch), not a generator's state: the same on every device, for every
batch size and whatever else is in the batch. Under every policy no patch is read twice within a cycle of floor(L/S)
steps, so that every step brings new evidence until the image has been seen; then a new cycle begins.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vitrm.config import ModelConfig


def steps_in_cycle(config: ModelConfig) -> int:
    """floor(L/S), the supervision steps in which no patch is read twice."""
    return config.num_patches // config.glimpse_patches


def glimpse_patches(
    step: int, seeds: int | Tensor, batch: int, config: ModelConfig, device: torch.device | str = "cpu"
) -> Tensor:
    """Row-major indices (B, S) of the patches that supervision step `step` (from 0) sees, without repeats.

    `seeds` is one integer for all images or an integer tensor (B,).
    """
    size, total = config.glimpse_patches, config.num_patches
    cycle, part = divmod(step, steps_in_cycle(config))
    if isinstance(seeds, int):
        seeds = torch.full((batch,), seeds)
    keys = _hash(_hash(seeds.to(device)[:, None] * 1_000_003 + cycle) + torch.arange(total, device=device))  # (B, L)
    return keys.argsort(dim=1, stable=True)[:, part * size : (part + 1) * size]


def glimpsed(steps: int, seeds: int | Tensor, batch: int, config: ModelConfig, device="cpu") -> Tensor:
    """Row-major indices (B, steps * S) of what the first `steps` steps of a cycle have seen, as it was read."""
    parts = (glimpse_patches(step, seeds, batch, config, device) for step in range(steps))
    return torch.cat(list(parts), dim=1)


def centre_outwards(step: int, batch: int, config: ModelConfig, device: torch.device | str = "cpu") -> Tensor:
    """Row-major indices (B, S) of what step `step` (from 0) sees of an order by distance from the image's centre.

    Equally distant patches go row by row. Where S does not divide L, the last patches of the order are never read.
    """
    size, across = config.glimpse_patches, config.image_size // config.patch_size
    place = 2 * torch.arange(across, device=device) - (across - 1)  # whole numbers, twice the distance in patches
    distance = (place[:, None] ** 2 + place[None] ** 2).flatten()
    part = step % steps_in_cycle(config)
    return distance.argsort(stable=True)[part * size : (part + 1) * size].expand(batch, -1)


def most_attended(attention: Tensor, size: int) -> Tensor:
    """Row-major indices (B, size) of the largest of `attention` (B, L), the largest first; equal ones row by row."""
    return attention.argsort(dim=1, descending=True, stable=True)[:, :size]


def _hash(values: Tensor) -> Tensor:
    """Well-mixed 32-bit integers of an int64 tensor (a multiply-xorshift finaliser), kept in int64."""
    mask = 0xFFFFFFFF
    values = (values ^ (values >> 32)) & mask
    values = ((values ^ (values >> 16)) * 0x7FEB352D) & mask
    values = ((values ^ (values >> 15)) * 0x846CA68B) & mask
    return values ^ (values >> 16)
