"""How long would it take? Measured by training a few batches, on this machine, as it is now."""

from __future__ import annotations

import time
from dataclasses import dataclass

from vitrm.judge.evaluation import evaluate
from vitrm.training.trainer import Trainer

MEASURE_S = 2.0  # at least one batch


@dataclass(frozen=True)
class Estimate:
    """What a training would cost here. It may end earlier, by `patience`."""

    seconds: float  # all epochs, with validation
    update_s: float  # one batch
    images_per_s: float
    parameters: int
    train_images: int
    val_images: int
    epochs: int
    device: str


def estimate(trainer: Trainer) -> Estimate:
    """Train a trainer for a few batches and throw the result away. The first batch, which warms up, is not counted."""
    train, split = trainer.config.train, trainer.train_split
    images, labels = split.images[: train.batch_size], split.labels[: train.batch_size]

    def batch() -> float:
        began = time.perf_counter()
        measured = [values for _, values, _ in trainer.train_batch(images, labels)]
        measured[-1].tolist()  # waits for the device
        return time.perf_counter() - began

    batch()
    times = [batch()]
    while sum(times) < MEASURE_S:
        times.append(batch())
    some = trainer.val_split.subset(slice(0, 256))
    began = time.perf_counter()
    evaluate(trainer.averaged, trainer.dataset.preprocess, some)
    validation = (time.perf_counter() - began) * len(trainer.val_split) / len(some)
    update = sum(times) / len(times)
    return Estimate(
        seconds=train.epochs * (trainer.batches * update + validation),
        update_s=update,
        images_per_s=len(images) / update,
        parameters=sum(p.numel() for p in trainer.model.parameters()),
        train_images=len(split),
        val_images=len(trainer.val_split),
        epochs=train.epochs,
        device=str(trainer.device),
    )
