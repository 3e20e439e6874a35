"""How long would it take? Measured by training a few batches, on this machine, as it is now."""

from __future__ import annotations

import itertools
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
    processes: int = 1


def estimate(trainer: Trainer, processes: int = 1, faster: float = 1.0) -> Estimate:
    """Train a trainer for a few batches, as many of each size of images, and throw the result away.

    The first ones, which warm up, are not counted. So many `processes` were found to train that many times as fast.
    """
    train, batches = trainer.config.train, itertools.cycle(trainer.first_of_each())
    batch_size = sum(len(labels) for _, labels in trainer.first_of_each()) / len(trainer.train_splits)

    def batch() -> float:
        images, labels = next(batches)
        began = time.perf_counter()
        measured = [values for _, values, _ in trainer.train_batch(images, labels)]
        measured[-1].tolist()  # waits for the device
        return time.perf_counter() - began

    for _ in trainer.train_splits:
        batch()
    times = [batch() for _ in trainer.train_splits]
    while sum(times) < MEASURE_S:
        times += [batch() for _ in trainer.train_splits]
    validation = 0.0
    for split in trainer.val_splits:
        some = split.subset(slice(0, 256))
        began = time.perf_counter()
        evaluate(trainer.averaged, trainer.dataset.preprocess, some, trainer.deepest)
        validation += (time.perf_counter() - began) * len(split) / len(some)
    update = sum(times) / len(times) / faster
    return Estimate(
        seconds=train.epochs * (trainer.batches * update + validation),
        update_s=update,
        images_per_s=batch_size / update,
        parameters=sum(p.numel() for p in trainer.model.parameters()),
        train_images=trainer.dataset.sizes["train"],
        val_images=trainer.dataset.sizes["val"],
        epochs=train.epochs,
        device=str(trainer.device),
        processes=processes,
    )
