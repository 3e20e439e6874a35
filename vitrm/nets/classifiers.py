"""The paper's comparisons, behind ViTRM's interface: `steps` yields one `Step`, without halting logit or memory.

`make_model` is the one place that knows which class belongs to which family of configurations.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn

from vitrm.config import AnyModelConfig, ModelConfig, ResNetConfig, SRViTConfig, ViTConfig
from vitrm.errors import ConfigError
from vitrm.model import Block, PatchEmbed, Step, ViTRM, check_images, init_linear


class OneStep(nn.Module):
    """A family that answers once: a subclass says what it reads its answer from, and this makes the one step of it."""

    config: AnyModelConfig
    classifier: nn.Module  # (B, D) -> (B, C)

    def features(self, images: Tensor) -> Tensor:
        """(B, D) of (B, C, H, W) images: what the classifier reads."""
        raise NotImplementedError

    @property
    def repeated(self) -> tuple[nn.Module, ...]:
        """The modules that do nearly all the work: what is worth compiling."""
        raise NotImplementedError

    def steps(
        self,
        images: Tensor,
        supervision_steps: int | None = None,
        seeds: int | Tensor = 0,
        backprop: str = "supervision_step",
        *,
        unlearned: int = 0,
    ) -> Iterator[Step]:
        """The one answer to (B, C, H, W) images. Glimpse seeds and gradient policies are taken and mean nothing here.

        Raises ConfigError if more than one supervision step is asked for.
        """
        if supervision_steps not in (None, 1):
            raise ConfigError(f"supervision_steps={supervision_steps}: a {self.config.title} answers once, expected 1")
        check_images(images, self.config)
        features = self.features(images)
        yield Step(self.classifier(features), None, features[:, None], None, None)

    def forward(self, images: Tensor, supervision_steps: int | None = None, seeds: int | Tensor = 0) -> Tensor:
        """Class logits (B, C)."""
        (step,) = self.steps(images, supervision_steps, seeds)
        return step.logits


class ViT(OneStep):
    """A plain vision transformer of ViTRM's own layers (Dosovitskiy et al. 2021): class token, pre-norm, final norm.

    The class token has no position of its own, which would be no more than a second bias on it. The last layer computes
    the class token alone, which is all that is read (exact).
    """

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        self.config = config
        self.patch_embed = PatchEmbed(config)
        self.answer_init = nn.Parameter(torch.randn(1, 1, config.dim) * 0.02)
        self.block = Block(config, config.num_patches + 1, reads=False)
        self.classifier = nn.Linear(config.dim, config.num_classes)
        init_linear(self)

    @property
    def repeated(self) -> tuple[nn.Module, ...]:
        return (self.block,)

    def features(self, images: Tensor) -> Tensor:
        answer = self.answer_init.expand(
            images.shape[0], -1, -1
        )  # not len(), which an export would take for a constant
        tokens = torch.cat([answer, self.patch_embed(images)], dim=1)  # (B, 1+L, D)
        return self.block(tokens, slice(0, 1))[0][:, 0]


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


_MODELS: dict[type, type[nn.Module]] = {ModelConfig: ViTRM, ViTConfig: ViT, ResNetConfig: ResNet}


def make_model(config: AnyModelConfig) -> ViTRM | OneStep:
    """An untrained model of the family that `config` belongs to."""
    if isinstance(config, SRViTConfig):
        from vitrm.nets.srvit import SRViT  # which is made of OneStep

        return SRViT(config)
    return _MODELS[type(config)](config)


def resized(model: ViTRM | OneStep, image_size: int) -> ViTRM | OneStep:
    """The same weights for images of another size, in evaluation mode; with the `.class_names` and `.transform`.

    Raises ConfigError unless the positions are relative: learned absolute ones are of one size.
    """
    if getattr(model.config, "positions", "absolute") != "relative":
        raise ConfigError(
            f"this model takes images of {model.config.image_size} pixels only; positions='relative' fit any size"
        )
    other = make_model(replace(model.config, image_size=image_size)).eval()
    other.load_state_dict(model.state_dict())
    other.class_names, other.transform = model.class_names, replace(model.transform, image_size=image_size)
    return other.to(next(model.parameters()).device)
