"""The one place that knows which class belongs to which family of configurations, and makes models of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from torch import Tensor, nn

from vitrm.config import AnyModelConfig, Config, ModelConfig, ResNetConfig, SRViTConfig, ViTConfig
from vitrm.data.dataset import Preprocess
from vitrm.errors import ConfigError
from vitrm.model import ViTRM
from vitrm.nets.base import OneStep
from vitrm.nets.classifiers import ResNet, ViT
from vitrm.nets.srvit import SRViT

_MODELS: dict[type, type[nn.Module]] = {ModelConfig: ViTRM, ViTConfig: ViT, ResNetConfig: ResNet, SRViTConfig: SRViT}


RENAMED = {"class_token": "answer_init"}  # weights by the name they had before, in a ViT and an SR-ViT


def make_model(config: AnyModelConfig) -> ViTRM | OneStep:
    """An untrained model of the family that `config` belongs to."""
    return _MODELS[type(config)](config)


def stored_names(stored: Iterable[str], model: nn.Module) -> dict[str, str]:
    """By the names that weights have in `model`, those that they are `stored` under: others where it was long ago."""
    before = {old: new for new, old in RENAMED.items() if new in model.state_dict()}
    return {before.get(name, name): name for name in stored}


def load_weights(model: nn.Module, stored: dict[str, Tensor]) -> None:
    """Give `model` the weights of a state dict, of today or of before. Raises RuntimeError if they do not fit."""
    model.load_state_dict({name: stored[old] for name, old in stored_names(stored, model).items()})


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


def equip(model: ViTRM | OneStep, config: Config) -> ViTRM | OneStep:
    """`model` with `.class_names` and `.transform` (PIL image -> (C, H, W) tensor); plain ones if data is unknown."""
    channels, data = config.model.channels, config.data
    model.class_names = data.classes or tuple(str(i) for i in range(config.model.num_classes))
    model.transform = Preprocess(config.model.image_size, data.mean or (0.5,) * channels, data.std or (0.5,) * channels)
    return model
