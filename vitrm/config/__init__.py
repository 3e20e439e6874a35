"""What a run is set to: a model, its training and its data, as frozen dataclasses, and the presets."""

from vitrm.config.settings import (
    GLIMPSE_POLICIES,
    PRESETS,
    AnyModelConfig,
    Config,
    DataConfig,
    GlimpsePolicy,
    ModelConfig,
    Pass,
    ResNetConfig,
    SRViTConfig,
    TrainConfig,
    ViTConfig,
    check_policy,
    preset,
    require_mixture,
    require_recursion,
)

__all__ = [
    "GLIMPSE_POLICIES",
    "PRESETS",
    "AnyModelConfig",
    "Config",
    "DataConfig",
    "GlimpsePolicy",
    "ModelConfig",
    "Pass",
    "ResNetConfig",
    "SRViTConfig",
    "TrainConfig",
    "ViTConfig",
    "check_policy",
    "preset",
    "require_mixture",
    "require_recursion",
]
