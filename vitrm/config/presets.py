"""The presets: configurations with a name, each with what it is for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from vitrm.config.data import DataConfig
from vitrm.config.fields import nearest
from vitrm.config.models import ModelConfig, ResNetConfig, SRViTConfig, ViTConfig
from vitrm.config.settings import FOUND, Config
from vitrm.config.train import TrainConfig
from vitrm.errors import ConfigError


def _small(**changes: Any) -> TrainConfig:
    """The recipe of the small presets: the paper's, less what a model of this size does not need."""
    plain = TrainConfig(randaugment_ops=0, mixup_alpha=0.0, cutmix_alpha=0.0, patience=0, stop_unrolling=False)
    return replace(plain, **changes)


_TINY = ModelConfig(
    dim=128,
    depth=2,
    num_heads=4,
    mlp_dim=256,
    memory_tokens=16,
    memory_steps=1,
    supervision_steps=4,
    glimpse_patches=16,
    final_norm=True,
    dropout=0.0,
)
_DIGITS = ModelConfig(
    image_size=8,
    channels=1,
    patch_size=2,
    dim=64,
    depth=2,
    num_heads=4,
    mlp_dim=128,
    memory_tokens=8,
    memory_steps=3,
    final_norm=True,
    dropout=0.0,
)

_SR_TINY = SRViTConfig(image_size=32, patch_size=4, dim=64, depth=2, num_heads=2, mlp_dim=96, feed_forward="swiglu")

# An 8 x 8 digit fills its frame: whole-pixel shifts cut strokes off, small rotations and zooms do not.
_DIGIT_IMAGES = {"crop_pad": 0, "flip": False, "affine": 0.1}

# Clothes of 28 x 28 pixels: 49 patches.
_FASHION = ModelConfig(
    image_size=28,
    channels=1,
    patch_size=4,
    dim=96,
    depth=2,
    num_heads=4,
    mlp_dim=192,
    memory_tokens=16,
    memory_steps=1,
    supervision_steps=6,
    final_norm=True,
    dropout=0.0,
)
# Gradients through all steps: what one leaves for the next is taught, and the first is not all that is learned.
_THROUGH = {"backprop": "all", "update": "batch"}
_FASHION_RECIPE = {"batch_size": 64, "crop_pad": 2, "lr": 1.5e-3, "warmup_epochs": 1, "ema_decay": 0.998}
# A first trial, one seed: results/README.md, “Muon”. The rate lies between the two of that trial and was not searched.
_MUON = {"optimizer": "muon", "lr": 4e-3}
# CutMix, as small models soon know their images by heart, and none at the end, to fit whole ones.
_CUT_AT_FIRST = {"cutmix_alpha": 1.0, "unmixed_share": 0.25}

# A cell of a maze is a patch of 2 x 2 pixels; one layer that reads near cells alone, so that what a cell knows of
# others travels step by step, and a larger maze is nothing new.
_MAZES = ModelConfig(
    num_classes=3,
    image_size=14,
    patch_size=2,
    dim=32,
    depth=1,
    num_heads=2,
    mlp_dim=64,
    positions="relative",
    reference_side=7,
    attention_within=3,
    memory_steps=1,
    supervision_steps=6,
    final_norm=True,
    dropout=0.0,
)
# What a step should leave for the next one is only taught by gradients that go through both.
_MAZE_RECIPE = {
    **{"batch_size": 64, "warmup_epochs": 0.5, "ema_decay": 0.99, "weight_decay": 0.01},
    **{"backprop": "all", "update": "batch", "crop_pad": 0, "flip": False},
}
# Once nearly all is right gradients are small, and so is what Adam divides them by: one hard batch then threw the
# weights back, to 75 % in training, again and again. So a shorter memory than its usual 0.999, and clipping that such a
# batch feels; the last epochs mend what still jumps.
_MAZE_LONG = _MAZE_RECIPE | {
    **{"lr": 5e-4, "min_lr": 2.5e-5, "ema_decay": 0.995},
    **{"betas": (0.9, 0.95), "grad_clip": 0.1},
}
_MAZE_SIZES = "mazes:7x7,gems=3,walls=0.3,lengths=1-7,train=4000,test=4000+9x9,lengths=1-10,train=10000"

# The recipe of the paper's comparisons: 300 epochs, ten of them warm-up, no moving average of the weights.
_BASELINE = TrainConfig(epochs=300, warmup_epochs=10, ema_decay=0.0)
_CIFAR10 = DataConfig(source="cifar10")
_SR_TINY_RECIPE = _small(epochs=30, batch_size=64, lr=1e-3, warmup_epochs=1, ema_decay=0.99)

# One preset, one idea. `vitrm train NAME` runs it as it is.
PRESETS: dict[str, Config] = {
    # The published CIFAR-10 setting: 3.62 M parameters, 93.1 % in the paper's Table 1 at batch 128.
    "paper": Config(data=_CIFAR10),
    # The same with every choice of the authors' code that `paper` changes; docs/models.md lists them, and why.
    "paper-as-published": Config(
        ModelConfig(init="authors", halt_bias=0.0),
        TrainConfig(
            schedule="epoch",
            decay="all",
            grad_clip=0.0,
            ema_warmup=False,
            halt_target="label",
            cutmix_box="even",
            seed=42,
        ),
        _CIFAR10,
    ),
    # Photographs on a CPU: 0.34 M parameters, each supervision step glimpses a quarter of the patches.
    "tiny": Config(_TINY, _small(epochs=30, lr=1e-3, warmup_epochs=1), DataConfig(source="cifar10")),
    # Handwritten digits in a minute or two; every step sees the whole image.
    "digits": Config(_DIGITS, _small(epochs=60, lr=2e-3, warmup_epochs=3, ema_decay=0.99, **_DIGIT_IMAGES)),
    # The control of `digits`: its block applied once, as a plain transformer, under the same recipe.
    "digits-vit": Config(
        ViTConfig(
            image_size=8,
            channels=1,
            patch_size=2,
            dim=64,
            depth=2,
            num_heads=4,
            mlp_dim=128,
            feed_forward="swiglu",
            qkv_bias=True,
            dropout=0.0,
        ),
        _small(epochs=60, lr=2e-3, warmup_epochs=3, ema_decay=0.99, **_DIGIT_IMAGES),
    ),
    # Handwritten digits, six supervision steps of a small, shallow model: they differ most while it still learns.
    "digits-deep": Config(
        replace(_DIGITS, dim=32, depth=1, mlp_dim=64, memory_steps=1, supervision_steps=6),
        _small(epochs=60, lr=2e-3, warmup_epochs=3, ema_decay=0.99, **_DIGIT_IMAGES),
    ),
    # Handwritten digits, a quarter of the patches per step: more steps really help.
    "digits-glimpse": Config(
        replace(_DIGITS, memory_steps=2, supervision_steps=6, glimpse_patches=4),
        _small(epochs=100, lr=2e-3, warmup_epochs=3, ema_decay=0.99, **_DIGIT_IMAGES),
    ),
    # The control of `digits-glimpse`: as many layers of the same width, without memory or steps, given the patches of
    # one, two, three or all four glimpses at once; 100 epochs for each of these, as each step of the other has.
    "digits-glimpse-vit": Config(
        ViTConfig(
            image_size=8,
            channels=1,
            patch_size=2,
            dim=64,
            depth=2,
            num_heads=4,
            mlp_dim=128,
            feed_forward="swiglu",
            qkv_bias=True,
            dropout=0.0,
            patch_multiple=4,
        ),
        _small(epochs=400, lr=2e-3, warmup_epochs=12, ema_decay=0.99, **_DIGIT_IMAGES),
    ),
    # Clothes, a quarter of the patches per step: it changes its mind for a reason that one can see.
    "fashion-glimpse": Config(
        replace(_FASHION, glimpse_patches=12),
        _small(epochs=20, progress_steps=12, **_FASHION_RECIPE | _THROUGH | _MUON),
        DataConfig(source="fashion"),
    ),
    # Its control: as many layers of the same width, without memory or steps, given the patches of one, two, three or
    # four glimpses at once; 20 epochs for each of these.
    "fashion-glimpse-vit": Config(
        ViTConfig(
            image_size=28,
            channels=1,
            patch_size=4,
            dim=96,
            depth=2,
            num_heads=4,
            mlp_dim=192,
            feed_forward="swiglu",
            qkv_bias=True,
            dropout=0.0,
            patch_multiple=12,
        ),
        _small(epochs=80, **_FASHION_RECIPE | _MUON | {"warmup_epochs": 4}),
        DataConfig(source="fashion"),
    ),
    # Clothes seen whole, through convolutions.
    "fashion": Config(
        replace(_FASHION, embedding="convolutional", supervision_steps=3),
        _small(epochs=20, label_smoothing=0.1, **_FASHION_RECIPE | _THROUGH | _MUON | _CUT_AT_FIRST),
        DataConfig(source="fashion"),
    ),
    # Small mazes with short ways, to begin with: a minute or two. After 6 epochs one seed of three was at 86 %.
    "mazes-small": Config(
        replace(_MAZES, image_size=10, reference_side=5, supervision_steps=3),
        _small(epochs=16, lr=3e-3, min_lr=1e-3, **_MAZE_RECIPE),
        DataConfig(source="mazes:5x5,gems=3,walls=0.3,lengths=1-3,train=10000,test=1000"),
    ),
    # Mazes in which information must travel: vitrm train mazes-first --train.start mazes-small. After 4 epochs one seed
    # of three was at 86 %.
    "mazes-first": Config(
        _MAZES,
        _small(epochs=12, lr=2e-3, min_lr=1e-4, **_MAZE_RECIPE),
        DataConfig(source="mazes:7x7,gems=3,walls=0.3,lengths=1-7,train=12000,test=4000"),
    ),
    # Steps that go on for as long as larger mazes take: vitrm train mazes --train.start mazes-first. Learning from what
    # is still wrong after many steps ruins what was learned, in one seed of three for good.
    "mazes": Config(
        _MAZES,
        _small(epochs=8, progress_steps=90, progress_ramp=0.6, rewind_wrong=1.0, **_MAZE_LONG | {"lr": 1e-3}),
        DataConfig(source=_MAZE_SIZES),
    ),
    # Its control: as many parameters, spent on depth, not recursion.
    "mazes-vit": Config(
        ViTConfig(
            num_classes=3,
            image_size=14,
            patch_size=2,
            dim=16,
            depth=4,
            num_heads=2,
            mlp_dim=32,
            feed_forward="swiglu",
            positions="relative",
            reference_side=7,
            qkv_bias=True,
            dropout=0.0,
        ),
        _small(epochs=12, **_MAZE_LONG),
        DataConfig(source=_MAZE_SIZES),
    ),
    # Photographs seen whole, through convolutions: what two cores can learn of CIFAR-10 in hours.
    "photo": Config(
        replace(_TINY, embedding="convolutional", glimpse_patches=None, supervision_steps=2),
        _small(
            **{"epochs": 42, "warmup_epochs": 1, "label_smoothing": 0.1, "ema_decay": 0.998},
            **_THROUGH | _MUON | _CUT_AT_FIRST | {"unmixed_share": 0.12},
        ),
        DataConfig(source="cifar10"),
    ),
    # Your own photographs, CLASS/image.jpg or parquet: vitrm train photos --data folder:PATH
    "photos": Config(
        replace(_TINY, image_size=64, patch_size=8),
        _small(epochs=30, batch_size=32, lr=1e-3, warmup_epochs=1, ema_decay=0.99, affine=0.1),
        DataConfig(source="folder:photos"),
    ),
    # The paper's model under the cheap additions of stronger recipes; its length is fixed, so that mixing can end.
    "best": Config(
        ModelConfig(drop_path=0.1),
        TrainConfig(
            epochs=300,
            warmup_epochs=10,
            lr=5e-4,
            patience=0,
            label_smoothing=0.1,
            erasing=0.25,
            repeats=3,
            unmixed_share=0.4,
        ),
        _CIFAR10,
    ),
    # The paper's comparisons, with their parameters (CIFAR-10) and Table 1 at batch 128.
    "vit-small": Config(ViTConfig(), _BASELINE, _CIFAR10),  # 16.9 M, 93.9 %
    "vit-base": Config(ViTConfig(dim=768, depth=12, num_heads=12, mlp_dim=3072), _BASELINE, _CIFAR10),  # 85.1 M, 93.8 %
    "vit-large": Config(
        ViTConfig(dim=1024, depth=24, num_heads=16, mlp_dim=4096), _BASELINE, _CIFAR10
    ),  # 302 M, 73.4 %
    "resnet18": Config(ResNetConfig(), _BASELINE, _CIFAR10),  # 11.2 M, 89.7 %
    "resnet34": Config(ResNetConfig(layers=34), _BASELINE, _CIFAR10),  # 21.3 M, 90.1 %
    "resnet50": Config(ResNetConfig(layers=50), _BASELINE, _CIFAR10),  # 23.5 M, 90.9 %
    # The controls that the paper lacks, under ViTRM's own recipe. As many parameters, spent on depth, not recursion:
    "vit-same-size": Config(ViTConfig(dim=192, depth=12, num_heads=6, mlp_dim=384, qkv_bias=True), data=_CIFAR10),
    # ViTRM's own block, applied once: what is left when the recursion is taken away.
    "vit-same-block": Config(
        ViTConfig(dim=384, depth=3, num_heads=6, mlp_dim=512, feed_forward="swiglu", qkv_bias=True), data=_CIFAR10
    ),
    # SR-ViT-S at recursion depth 4 with DeiT-S's own recipe; the one it was published with is not known here.
    "sr-vit-s": Config(
        SRViTConfig(num_classes=1000, drop_path=0.1),
        TrainConfig(
            epochs=300,
            batch_size=1024,
            lr=1e-3,
            warmup_epochs=5,
            ema_decay=0.0,
            patience=0,
            mixup_alpha=0.8,
            label_smoothing=0.1,
            erasing=0.25,
            repeats=3,
        ),
        DataConfig(source="folder:imagenet"),
    ),
    # The same idea at the size of a CPU.
    "sr-vit-tiny": Config(_SR_TINY, _SR_TINY_RECIPE, _CIFAR10),
    # As many layers as sr-vit-tiny applies at recursion depth 4, each with weights of its own: "just make it deeper".
    "vit-tiny-deep": Config(
        ViTConfig(dim=64, depth=8, num_heads=2, mlp_dim=96, feed_forward="swiglu", qkv_bias=True, dropout=0.0),
        _SR_TINY_RECIPE,
        _CIFAR10,
    ),
    # Handwritten digits, three layers applied four times each.
    "sr-vit-digits": Config(
        replace(_SR_TINY, image_size=8, channels=1, patch_size=2, depth=3),
        _small(epochs=60, lr=2e-3, warmup_epochs=3, ema_decay=0.99, **_DIGIT_IMAGES),
    ),
}


def preset(name: str) -> Config:
    """The named preset. Raises ConfigError that lists the presets if there is none of that name."""
    if name not in PRESETS:
        raise ConfigError(f"unknown preset '{name}'{nearest(name, list(PRESETS))}")
    return PRESETS[name]


def as_command(config: Config) -> tuple[str, dict[str, Any]]:
    """The preset that is nearest to a configuration, and the settings to change in it.

    What the data decide (classes, mean, std) is left out.
    """
    changes = {
        name: {key: value for key, value in config.differences(nearest).items() if key not in FOUND}
        for name, nearest in PRESETS.items()
        if nearest.model.family == config.model.family
    }
    name = min(changes, key=lambda each: len(changes[each]))
    return name, changes[name]
