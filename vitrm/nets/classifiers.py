"""The paper's comparisons, behind ViTRM's interface: `steps` yields one `Step`, without halting logit or memory."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vitrm.config import ResNetConfig, ViTConfig
from vitrm.nets.base import OneStep
from vitrm.nets.block import Block
from vitrm.nets.layers import PatchEmbed, small_start
from vitrm.nets.start import init_linear


class ViT(OneStep):
    """A plain vision transformer of ViTRM's own layers (Dosovitskiy et al. 2021): class token, pre-norm, final norm.

    The class token has no position of its own, which would be no more than a second bias on it. The last layer computes
    the class token alone, which is all that is read (exact).
    """

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        self.config = config
        self.patch_embed = PatchEmbed(config)
        self.class_token = small_start(1, 1, config.dim)
        self.block = Block(config, config.num_patches + 1, reads=False)
        self.classifier = nn.Linear(config.dim, config.num_classes)
        init_linear(self)

    @property
    def repeated(self) -> tuple[nn.Module, ...]:
        return (self.block,)

    def features(self, images: Tensor, patches: Tensor | None = None) -> Tensor:
        """(B, D) of (B, C, H, W) images, or of the row-major `patches` (B, S) of each alone; absolute positions only.

        In training one with `patch_multiple` draws how many it is given, and for each image which.
        """
        if self.training and patches is None and self.config.patch_multiple is not None:
            patches = self._some_patches(images)
        first = self.class_token.expand(images.shape[0], -1, -1)  # not len(), which an export takes for a constant
        tokens = torch.cat([first, self.patch_embed(images, patches)], dim=1)  # (B, 1+L, D)
        return self.block(tokens, slice(0, 1))[0][:, 0]

    def _some_patches(self, images: Tensor) -> Tensor:
        """As many patches for each image as one glimpse reads, or two, ... or all, at equal odds: (B, S), by chance."""
        size, total = self.config.patch_multiple, self.config.num_patches
        glimpses = int(torch.randint(1, total // size + 1, ()))
        return torch.rand(len(images), total, device=images.device).argsort(dim=1)[:, : glimpses * size]


class ResNet(OneStep):
    """torchvision's ResNet (He et al. 2016), unpretrained."""

    def __init__(self, config: ResNetConfig) -> None:
        import torchvision.models

        super().__init__()
        self.config = config
        makers = {18: "resnet18", 34: "resnet34", 50: "resnet50"}
        network = torchvision.models.get_model(makers[config.layers], weights=None, num_classes=config.num_classes)
        if config.stem == "cifar":
            network.conv1 = nn.Conv2d(config.channels, 64, 3, padding=1, bias=False)
            network.maxpool = nn.Identity()
        elif config.channels != 3:
            network.conv1 = nn.Conv2d(config.channels, 64, 7, stride=2, padding=3, bias=False)
        self.classifier, network.fc = network.fc, nn.Identity()
        self.network = network

    @property
    def repeated(self) -> tuple[nn.Module, ...]:
        return (self.network,)

    def features(self, images: Tensor) -> Tensor:
        return self.network(images)
