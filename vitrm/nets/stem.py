"""A convolutional stem: patch tokens from a few small convolutions in place of Eq. 1's one linear map."""

from __future__ import annotations

from einops import rearrange
from torch import Tensor, nn

from vitrm.config import ModelConfig, ViTConfig
from vitrm.config.limits import STEM_GROUPS


class ConvolutionalStem(nn.Module):
    """Two 3 x 3 convolutions, to D/2 and to D maps, with 2 x 2 max pooling after each: a token for each 4 x 4 pixels.

    As in CCT (Hassani et al. 2021, arXiv 2104.05704), but with GELU for ReLU and group normalisation (Wu and He 2018):
    it keeps no statistics, so that the moving average of the weights needs none, and an image's tokens depend on no
    other image. A token sees 10 x 10 pixels, and through the norms a little of all.
    """

    def __init__(self, config: ModelConfig | ViTConfig) -> None:
        super().__init__()
        layers, before = [], config.channels
        for width in (config.dim // 2, config.dim):
            norm = nn.GroupNorm(STEM_GROUPS, width)
            layers += [nn.Conv2d(before, width, 3, padding=1, bias=False), norm, nn.GELU(), nn.MaxPool2d(2)]
            before = width
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, L, D), row-major."""
        return rearrange(self.layers(images), "b d h w -> b (h w) d")
