"""A training cut to fit into a given time, on this machine as it is now. What comes out is a scaled-down training."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import torch

from vitrm.config import Config
from vitrm.data.dataset import Dataset
from vitrm.errors import ConfigError
from vitrm.training.estimate import Estimate, estimate
from vitrm.training.trainer import Trainer

SLACK = 0.9  # of the time is planned; machines are noisy
WARMUP_SHARE = 0.05  # of a shortened training, at least


def fit_budget(
    config: Config,
    dataset: Dataset,
    device: torch.device | str,
    seconds: float,
    *,
    measure: Callable[[Trainer], Estimate] = estimate,
    clock: Callable[[], float] = time.perf_counter,
) -> Config:
    """`config`, shortened so that training, validation and the final test take about `seconds`.

    Speed is measured by training and evaluating a few batches of a model that is then thrown away. If not even one
    epoch fits, the one epoch sees as many images as do fit (`epoch_images`). The warm-up keeps its share of the
    training; there is no early stop, and the schedule comes to its end, by batches: whole epochs are too few for it,
    and the first would learn nothing. A training that is shorter anyway stays as it is. Raises ConfigError if not even
    one batch and the evaluations fit.
    """
    began = clock()
    trainer = Trainer(config, dataset, device)
    train, steps = trainer.config.train, trainer.config.model.supervision_steps
    measured = measure(trainer)
    batch_s = measured.update_s
    val_s = measured.seconds / train.epochs - trainer.batches * batch_s
    image_s = val_s / dataset.sizes["val"]
    test_s = len(dataset.test) * image_s * (2 if steps > 1 else 1)  # the summary looks at twice the steps
    left = (seconds - (clock() - began)) * SLACK - test_s
    epochs = max(0, int(left / (trainer.batches * batch_s + val_s)))
    if epochs >= train.epochs:
        return config
    images = 0
    if epochs == 0:
        images = int((left - val_s) / batch_s) * train.batch_size
        if images <= 0:
            raise ConfigError(
                f"{max(0.0, seconds) / 60:.1f} minutes are not enough: validation and test alone take "
                f"{(val_s + test_s) / 60:.1f}, a batch {batch_s:.1f} s; give it more time or a smaller model"
            )
        epochs = 1
    warmup = max(train.warmup_epochs / train.epochs, WARMUP_SHARE) * epochs
    length = {"epochs": epochs, "epoch_images": images, "warmup_epochs": round(warmup, 4)}
    return replace(config, train=replace(config.train, **length, patience=0, schedule="batch"))
