"""What a run is set to: a model, its training and its data, as frozen dataclasses, and the presets."""

from vitrm.config.comparisons import ResNetConfig, SRViTConfig, ViTConfig
from vitrm.config.data import SOURCES, DataConfig
from vitrm.config.limits import Pass
from vitrm.config.models import (
    GLIMPSE_POLICIES,
    AnyModelConfig,
    GlimpsePolicy,
    ModelConfig,
    check_policy,
    require_halting,
    require_mixture,
    require_recursion,
)
from vitrm.config.presets import PRESETS, as_command, preset
from vitrm.config.settings import Config
from vitrm.config.train import TrainConfig
from vitrm.config.words import SETTINGS, Setting

__all__ = [
    "GLIMPSE_POLICIES",
    "PRESETS",
    "SETTINGS",
    "SOURCES",
    "AnyModelConfig",
    "Config",
    "DataConfig",
    "GlimpsePolicy",
    "ModelConfig",
    "Pass",
    "ResNetConfig",
    "SRViTConfig",
    "Setting",
    "TrainConfig",
    "ViTConfig",
    "as_command",
    "check_policy",
    "preset",
    "require_halting",
    "require_mixture",
    "require_recursion",
]
