"""Whether a configuration fits its data, before the first step."""

from __future__ import annotations

from dataclasses import replace

from vitrm.config import Config, ResNetConfig
from vitrm.data.dataset import Dataset
from vitrm.errors import ConfigError


def fit_config(config: Config, dataset: Dataset) -> Config:
    """`config` with what the data turned out to be filled in. Raises ConfigError if the model cannot take it."""
    if dataset.others and getattr(config.model, "positions", "absolute") != "relative":
        raise ConfigError(
            f"{dataset.source} has images of several sizes, which this model cannot take: "
            "use --model.positions relative, or mazes of one size"
        )
    pad, size = config.train.crop_pad, config.model.image_size
    if pad > size:
        raise ConfigError(
            f"train.crop_pad={pad} shifts images of {size} pixels out of themselves; expected at most {size}"
        )
    images = min(config.train.epoch_images or len(dataset.train), len(dataset.train))
    left_over = images % config.train.batch_size or config.train.batch_size
    if isinstance(config.model, ResNetConfig) and left_over == 1:
        size = config.train.batch_size
        way = f"use --train.batch_size {size + 1}" if images > 1 else "give it 2 or more"
        raise ConfigError(
            f"{images:,} training images make a batch of a single one at batch_size={size}, which batch normalisation "
            f"cannot take; {way}"
        )
    classes, shape = dataset.classes, tuple(dataset.train.images.shape[1:])
    if config.model.num_classes != len(classes):
        raise ConfigError(
            f"num_classes={config.model.num_classes}, but {dataset.source} has {len(classes)} classes; "
            f"use --model.num_classes {len(classes)}"
        )
    expected = (config.model.channels, config.model.image_size, config.model.image_size)
    if shape != expected:
        raise ConfigError(f"{dataset.source} has images of shape {shape}, the model expects {expected}")
    found = replace(
        config.data,
        source=dataset.source,
        classes=classes,
        mean=dataset.preprocess.mean,
        std=dataset.preprocess.std,
        fingerprint=dataset.fingerprint,
    )
    return replace(config, data=found)
