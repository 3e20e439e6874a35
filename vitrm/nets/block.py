"""The block f of Eq. 2 and 3: the layers that a recursion applies again and again, and what they keep of an image."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from vitrm.config import ModelConfig, ViTConfig
from vitrm.nets.layers import ALL, NONE, Layer, drop_path_rates


class Reading(NamedTuple):
    """The patches as the block reads them, computed once per image (or per glimpse) and used M*T times."""

    tokens: Tensor  # (B, L, D)
    projected: tuple[tuple[Tensor, ...], ...]  # joint: first layer's; cross: every layer's keys and values

    def of(self, images: Tensor) -> Reading:
        """The same for some of the images, by index."""
        return Reading(self.tokens[images], tuple(tuple(part[images] for part in layer) for layer in self.projected))


class LayerAttention(NamedTuple):
    """Attention weights of one layer: over the block's own sequence, and over the patches (cross reading only)."""

    mix: Tensor | None  # (B, H, rows, columns)
    cross: Tensor | None  # (B, H, K, L)


class Block(nn.Module):
    """f: the layers that are shared over all updates, or that a plain ViT applies once."""

    def __init__(self, config: ModelConfig | ViTConfig, num_tokens: int, reads: bool) -> None:
        """For sequences of at most `num_tokens`.

        `reads=False` makes a block that never sees the image apart from its sequence: for the answer update alone, or
        for a plain ViT.
        """
        super().__init__()
        self.joint = reads and config.reading == "joint"
        cross = reads and config.reading == "cross"
        rates = drop_path_rates(config)
        self.layers = nn.ModuleList(Layer(config, num_tokens, cross, rate, 1 + self.joint) for rate in rates)
        self.norm = nn.LayerNorm(config.dim) if config.final_norm else nn.Identity()

    def read(self, patches: Tensor) -> Reading:
        """Everything about x that does not change during the recursion (exact saving)."""
        if self.joint:
            queries = NONE if len(self.layers) == 1 else ALL  # a last layer keeps no output of x
            return Reading(patches, (self.layers[0].project(patches, queries),))
        return Reading(patches, tuple(layer.project_image(patches) for layer in self.layers))

    def forward(
        self, tokens: Tensor, keep: slice, reading: Reading | None = None, record: bool = False
    ) -> tuple[Tensor, tuple[LayerAttention, ...] | None]:
        """f([x ; y ; z]) with a reading, f([y ; z]) without; only the outputs `keep` are computed and returned.

        tokens (B, 1+K, D) is [y ; z]; `keep` counts from the end of the sequence for z and from its start for y,
        so it means the same with and without x. Returns (B, kept, D) and, if recorded, each layer's attention.
        """
        attention = []
        for i, layer in enumerate(self.layers):
            positions = keep if i == len(self.layers) - 1 else ALL
            cross = None
            if reading is not None and not self.joint:
                tokens, cross = layer.look(tokens, reading.projected[i], record)
            projected = layer.project(tokens, positions)
            if reading is not None and self.joint and i == 0:
                projected = tuple(torch.cat(pair, dim=-2) for pair in zip(reading.projected[0], projected, strict=True))
                tokens = torch.cat([reading.tokens, tokens], dim=1)  # (B, L+1+K, D)
            tokens, mix = layer(tokens, projected, positions, record)
            attention.append(LayerAttention(mix, cross))
        return self.norm(tokens), tuple(attention) if record else None
