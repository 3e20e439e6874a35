"""A convolutional stem: patch tokens from a few small convolutions in place of Eq. 1's one linear map."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from vitrm.config import ModelConfig, ViTConfig
from vitrm.config.limits import STEM_GROUPS


class ConvolutionalStem(nn.Module):
    """Two 3 x 3 convolutions, to D/2 and to D maps, with 2 x 2 max pooling after each: a token for each 4 x 4 pixels.

    As in CCT (Hassani et al. 2021, arXiv 2104.05704), but with GELU for ReLU and group normalisation (Wu and He 2018):
    it keeps no statistics, so that the moving average of the weights needs none, and an image's tokens depend on no
    other image. Both come after the pooling, when a quarter of the values is left. A token sees 10 x 10 pixels, and
    through the norms a little of all.
    """

    def __init__(self, config: ModelConfig | ViTConfig) -> None:
        super().__init__()
        widths = config.channels, config.dim // 2, config.dim
        self.convolutions = nn.ModuleList(nn.Conv2d(*pair, 3, padding=1, bias=False) for pair in pairwise(widths))
        self.norms = nn.ModuleList(nn.GroupNorm(STEM_GROUPS, width) for width in widths[1:])

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, L, D), row-major."""
        maps = images.contiguous(memory_format=torch.channels_last)  # as tokens lie; a third faster on a CPU
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            weight = convolution.weight.contiguous(memory_format=torch.channels_last)
            maps = F.gelu(norm(F.max_pool2d(F.conv2d(maps, weight, padding=1), 2)))
        return rearrange(maps, "b d h w -> b (h w) d")
