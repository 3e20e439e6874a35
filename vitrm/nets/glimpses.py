"""Which patches a supervision step sees when the model may only glimpse, and who chooses them.

========= ==================================================================================================
policy    the S patches of the next supervision step
========= ==================================================================================================
"random"  drawn by seed, as in training (`glimpse_patches`)
"fixed"   from the centre outwards, the same for every image (`centre_outwards`)
"learned" those that the memory attends to most, by their places alone (`attention_to_places`, `most_attended`)
========= ==================================================================================================

The draw is a hash of (image seed, cycle, patch), not a generator's state: the same on every device, for every
batch size and whatever else is in the batch. Under every policy no patch is read twice within a cycle of floor(L/S)
steps, so that every step brings new evidence until the image has been seen; then a new cycle begins. `Looks` goes
through the supervision steps of a batch, under a policy or not.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from vitrm.config import GlimpsePolicy, ModelConfig, check_policy
from vitrm.nets.base import check_images
from vitrm.nets.block import Block, Reading
from vitrm.nets.layers import NONE, PatchEmbed


class Reader(Protocol):
    """What of a model choosing and reading patches takes: a ViTRM has all of it."""

    config: ModelConfig
    training: bool
    patch_embed: PatchEmbed
    block: Block

    def read(self, images: Tensor, patches: Tensor | None = None) -> Reading:
        """(B, C, H, W) images as the block reads them; only the given `patches` (B, S) if any."""


class Looks:
    """What each supervision step reads of the images: all of them, patches that are given, or a policy's choice.

    `patches`, row-major indices (B, S) or None for all of them, and `reading` are those of the step that `at` was
    last called for. Where the weights may move between the steps, each reads the images anew.
    """

    patches: Tensor | None
    reading: Reading

    def __init__(
        self,
        model: Reader,
        images: Tensor,
        steps: int,
        seeds: int | Tensor = 0,
        *,
        policy: GlimpsePolicy = "random",
        patches: Tensor | None = None,
        moving: bool = True,
    ) -> None:
        """Of (B, C, H, W) images in so many supervision steps; `moving` says whether the weights may move between them
        in training. The other arguments are those of `ViTRM.moves`.

        Raises ValueError if the images are not what the model was made for or there are patches for fewer steps,
        ConfigError if the model has no such policy.
        """
        check_images(images, model.config)
        check_policy(policy, model.config)
        self.model, self.images, self.seeds, self.policy = model, images, seeds, policy
        self.chooses = model.config.glimpse_patches is not None and patches is None
        self.patches, self.given = patches, None  # the same at every step, or (N, B, S)
        if patches is not None and patches.ndim == 3:
            if len(patches) < steps:
                raise ValueError(f"patches of {len(patches)} steps, expected one choice for each of {steps}")
            self.given = patches
        fixed_weights = self.chooses and policy == "learned" and not model.training
        self.keys = place_keys(model) if fixed_weights else None
        self.moving = moving and model.training

    def at(self, step: int, memory: Tensor) -> None:
        """Look, in supervision step `step` (from 0), with the memory (B, K, D) that the one before ended with."""
        if self.chooses:
            if step % steps_in_cycle(self.model.config) == 0:
                shape = len(self.images), self.model.config.num_patches
                self.seen = torch.zeros(shape, dtype=torch.bool, device=self.images.device)
            self.patches = choose(self.model, self.policy, step, memory, self.seen, seeds=self.seeds, keys=self.keys)
            self.seen = self.seen.scatter(1, self.patches, True)
        elif self.given is not None:
            self.patches = self.given[step]
        if step == 0 or self.moving or self.chooses or self.given is not None:
            self.reading = self.model.read(self.images, self.patches)

    def keep(self, staying: Tensor) -> None:
        """Go on with some of the images alone, by index."""
        self.images, self.reading = self.images[staying], self.reading.of(staying)
        self.patches = None if self.patches is None else self.patches[staying]
        self.given = None if self.given is None else self.given[:, staying]
        self.seeds = self.seeds[staying] if isinstance(self.seeds, Tensor) else self.seeds
        self.seen = self.seen[staying] if self.chooses else None


@torch.no_grad()
def choose(
    model: Reader,
    policy: GlimpsePolicy,
    step: int,
    memory: Tensor,
    seen: Tensor,
    *,
    seeds: int | Tensor = 0,
    keys: Tensor | None = None,
) -> Tensor:
    """Row-major indices (B, S) of the patches that `policy` has supervision step `step` (from 0) read.

    `memory` (B, K, D) is what the step before ended with; `seen` (B, L) marks what has been read in this cycle. Both
    only matter to "learned", `seeds` only to "random"; `keys` are `place_keys(model)`, if they are at hand.
    """
    config, batch, device = model.config, len(seen), seen.device
    if policy == "random":
        return glimpse_patches(step, seeds, batch, config, device)
    if policy == "fixed":
        return centre_outwards(step, batch, config, device)
    keys = place_keys(model) if keys is None else keys
    return most_attended(attention_to_places(model, memory, keys, seen), config.glimpse_patches)


def place_keys(model: Reader) -> Tensor:
    """(1, H, L, D/H) the keys that the first layer makes of the positional embeddings alone.

    No image comes into it: they are the same for all of them, and for all supervision steps.
    """
    layer, positions = model.block.layers[0], model.patch_embed.positions[None]  # (1, L, D)
    return (layer.project(positions, NONE) if model.block.joint else layer.project_image(positions))[-2]


def attention_to_places(model: Reader, memory: Tensor, keys: Tensor, seen: Tensor) -> Tensor:
    """(B, L) the first layer's attention of the memory (B, K, D) to places not `seen` (B, L), each row summing to 1.

    The queries are those of the memory tokens z in the next memory update, the keys those of the places; softmax over
    the places not seen, then the mean over heads and memory tokens. So it depends on what has been read, through z, and
    on no pixel that has not. It was never trained for choosing: it is the attention that training for the answer has
    left behind, asked about places instead of patches. Seen places have 0; at least one place must not be seen. Before
    the first step z is its learned start, the same for every image.
    """
    layer = model.block.layers[0]
    if model.block.joint:
        query = layer.mix.project_query(layer.norm_mix(memory))  # (B, H, K, D/H)
    else:
        query = layer.cross.project_query(layer.norm_query(memory))
    scores = query * query.shape[-1] ** -0.5 @ keys.mT  # (B, H, K, L)
    return scores.masked_fill(seen[:, None, None], -torch.inf).softmax(dim=-1).mean(dim=(1, 2))


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
