"""SR-ViT, Soft Mixture-of-Recursions (arXiv 2607.00774): a plain ViT whose layers are applied R times and then mixed.

The layers are cut into stages. Of one stage, with f its layers, D the width and L the number of patches:

    h_0  the tokens that it is given                                     (B, 1+L, D)
    h_r  = f(h_(r-1)) for r = 1..R, with the same weights every time     (B, 1+L, D)
    w    the weights of its R steps, for each token its own              (B, 1+L, R)
    out  = w_1 h_1 + ... + w_R h_R, which the next stage is given        (B, 1+L, D)

The class token is mixed like every other, and read after the last stage. At R = 1 there is nothing to mix: the model
is then a plain ViT, weight for weight. Which of this is published and which is our reading: see `SRViTConfig`.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitrm.config import SRViTConfig
from vitrm.nets.base import OneStep, check_images
from vitrm.nets.layers import ALL, Layer, PatchEmbed, drop_path_rates, small_start
from vitrm.nets.start import init_linear

CLASS_TOKEN = slice(0, 1)


class Stage(nn.Module):
    """f: consecutive layers of the transformer, applied again and again."""

    def __init__(self, config: SRViTConfig, drop_paths: list[float]) -> None:
        """One layer for each of `drop_paths`."""
        super().__init__()
        self.layers = nn.ModuleList(Layer(config, 1 + config.num_patches, False, rate) for rate in drop_paths)

    def forward(self, tokens: Tensor, steps: int, keep: slice) -> list[Tensor]:
        """h_1..h_R of tokens (B, 1+L, D), R being `steps`: the kept positions (B, kept, D) of each.

        The last layer of the last step computes no more than those (exact); the others are read by what follows.
        """
        states = []
        for r in range(steps):
            for i, layer in enumerate(self.layers):
                closing = r == steps - 1 and i == len(self.layers) - 1
                positions = keep if closing else ALL
                tokens, _ = layer(tokens, layer.project(tokens, positions), positions, record=False)
            states.append(tokens if closing else tokens[:, keep])
        return states


class Mixer(nn.Module):
    """Weights of the recursion steps of a stage; a subclass says how the steps are scored.

    All scores start at 0, which is the mean of the steps with either normaliser: no longer than the longest of them,
    however deep the recursion, and with the same gradient for each, so that none is given up before any image was seen.
    """

    def __init__(self, config: SRViTConfig) -> None:
        super().__init__()
        self.steps, self.normaliser = config.recursion_depth, config.normaliser

    def scores(self, start: Tensor, states: list[Tensor]) -> Tensor:
        """h_0 and h_1..h_r, each (B, S, D) -> (B, S, r). With r < R the later steps are left out."""
        raise NotImplementedError

    def forward(self, start: Tensor, states: list[Tensor]) -> Tensor:
        """The weights (B, S, r), from what `scores` takes."""
        scores = self.scores(start, states)
        if self.normaliser == "softmax":
            return scores.softmax(dim=-1)
        return (scores - math.log(self.steps - 1)).sigmoid()  # of 0: 1/R


class Router(Mixer):
    """Each token scores the steps for itself: D -> hidden -> R, or D -> R without a hidden layer.

    It reads tokens as layers do, normalised, but without a learned scale, which its first map has already.
    """

    def __init__(self, config: SRViTConfig) -> None:
        super().__init__(config)
        self.reads = config.router_input
        inputs = config.dim * (config.recursion_depth if self.reads == "all" else 1)
        self.norm = nn.LayerNorm(config.dim, elementwise_affine=False)
        self.into = nn.Linear(inputs, config.router_width) if config.router_width else None
        self.out = nn.Linear(config.router_width or inputs, config.recursion_depth)
        init_linear(self)
        nn.init.zeros_(self.out.weight)

    def scores(self, start: Tensor, states: list[Tensor]) -> Tensor:
        weight, bias = self.out.weight[: len(states)], self.out.bias[: len(states)]
        if self.reads == "state":  # of h_r only the score of step r
            rows = [slice(r, r + 1) for r in range(len(states))]
            hidden = [self._hidden(self.norm(state)) for state in states]
            return torch.cat([F.linear(h, weight[r], bias[r]) for h, r in zip(hidden, rows, strict=True)], dim=-1)
        read = [start] if self.reads == "start" else states
        return F.linear(self._hidden(torch.cat([self.norm(tokens) for tokens in read], dim=-1)), weight, bias)

    def _hidden(self, tokens: Tensor) -> Tensor:
        """What is scored. Of all states side by side, those of later steps may be missing: zeros stand for them."""
        first = self.out if self.into is None else self.into
        tokens = F.pad(tokens, (0, first.in_features - tokens.shape[-1]))
        return tokens if self.into is None else F.gelu(self.into(tokens))


class SharedScores(Mixer):
    """The control without a router: one learned score for each recursion step, the same for all tokens."""

    def __init__(self, config: SRViTConfig) -> None:
        super().__init__(config)
        self.learned = nn.Parameter(torch.zeros(config.recursion_depth))

    def scores(self, start: Tensor, states: list[Tensor]) -> Tensor:
        return self.learned[: len(states)].expand(*start.shape[:2], -1)


class SRViT(OneStep):
    """The recursive ViT. `config` decides every option; see `SRViTConfig`.

    As in `ViT`, the class token has no position of its own, and the last layer computes nothing but the class token.
    """

    config: SRViTConfig

    def __init__(self, config: SRViTConfig) -> None:
        super().__init__()
        self.config = config
        self.patch_embed = PatchEmbed(config)
        self.class_token = small_start(1, 1, config.dim)
        size, rates = config.layers_per_stage, drop_path_rates(config)
        self.stages = nn.ModuleList(Stage(config, rates[i : i + size]) for i in range(0, config.depth, size))
        self.norm = nn.LayerNorm(config.dim)
        self.classifier = nn.Linear(config.dim, config.num_classes)
        init_linear(self)
        # Last of all: whatever is mixed and how, a seed starts all other weights alike, and alike in a plain ViT.
        mixer = {"token": Router, "scalar": SharedScores}.get(config.mixture) if config.mixes else None
        self.mixers = nn.ModuleList(mixer(config) for _ in self.stages) if mixer else None

    @property
    def repeated(self) -> tuple[nn.Module, ...]:
        return (*self.stages, *(self.mixers or ()))

    def features(self, images: Tensor) -> Tensor:
        return self.mix(images)[0]

    def mix(
        self,
        images: Tensor,
        mixture: Literal["last", "uniform"] | None = None,
        recursion_depth: int | None = None,
    ) -> tuple[Tensor, list[Tensor]]:
        """What the classifier reads of (B, C, H, W) images, (B, D), and the weights of each stage, (B, 1+L, R).

        `mixture` replaces the model's own in every stage, and `recursion_depth`, at most the R it was made for, ends
        the recursion of every stage early: so "last" with a depth of 2 is what step 2 alone has to say. Of the last
        stage only the class token is read, so its weights are (B, 1, R). Raises ValueError for another depth, or an
        unknown mixture.
        """
        if mixture not in (None, "last", "uniform"):
            raise ValueError(f"mixture={mixture!r}: expected 'last', 'uniform' or None, the model's own")
        steps = self.config.recursion_depth if recursion_depth is None else recursion_depth
        if not 1 <= steps <= self.config.recursion_depth:
            raise ValueError(f"recursion_depth={steps}: expected 1 to {self.config.recursion_depth}")
        check_images(images, self.config)
        first = self.class_token.expand(images.shape[0], -1, -1)  # not len(), which an export takes for a constant
        tokens, weights = torch.cat([first, self.patch_embed(images)], dim=1), []  # (B, 1+L, D)
        for i, stage in enumerate(self.stages):
            keep = CLASS_TOKEN if i == len(self.stages) - 1 else ALL
            states = stage(tokens, steps, keep)
            tokens, found = self._mixed(i, tokens[:, keep], states, mixture)
            weights.append(found)
        return self.norm(tokens)[:, 0], weights

    def _mixed(
        self, stage: int, start: Tensor, states: list[Tensor], mixture: Literal["last", "uniform"] | None
    ) -> tuple[Tensor, Tensor]:
        """The mixture (B, S, D) of a stage's states, and its weights (B, S, r)."""
        config, (batch, length, _), steps = self.config, start.shape, len(states)
        mixture = mixture or (config.mixture if config.mixes else "last")
        if mixture == "last":
            only = torch.eye(steps, device=start.device, dtype=start.dtype)[-1]
            return states[-1], only.expand(batch, length, -1)
        if mixture == "uniform":
            weights = start.new_full((batch, length, steps), 1 / steps)
        else:
            weights = self.mixers[stage](start, states)
        return sum(weights[..., r, None] * state for r, state in enumerate(states)), weights

    def logits_with(
        self,
        images: Tensor,
        mixture: Literal["last", "uniform"] | None = None,
        recursion_depth: int | None = None,
    ) -> Tensor:
        """Class logits (B, C) with the mixture replaced, or the recursion ended early, as in `mix`."""
        return self.classifier(self.mix(images, mixture, recursion_depth)[0])
