"""Which precision is the faster one for a model, on this machine as it is now."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import torch

from vitrm.config import Config
from vitrm.data.dataset import Dataset
from vitrm.training.trainer import Trainer

BATCHES = 3  # of each precision, after one that warms up
ENOUGH_S = 2.0  # of measuring a precision; slow models are told apart by one batch
GAIN = 1.05  # less than this is noise, for which fp32 is not given up


def settled(
    config: Config, dataset: Dataset, device: str, *, seconds: Callable[[Trainer], float] | None = None
) -> Config:
    """`config` with precision "auto" decided: bf16 where a batch trains faster in it than in fp32, by 5 % or more.

    A few batches of a model that is thrown away are trained in each, by turns. Elsewhere than on a CPU or a CUDA device
    it is fp32. `seconds` measures a batch of a trainer. Raises as `Trainer` does.
    """
    if config.train.precision != "auto":
        return config
    exact, halved = (replace(config, train=replace(config.train, precision=name)) for name in ("fp32", "bf16"))
    if not device.startswith(("cpu", "cuda")):
        return exact
    trainers = [Trainer(each, dataset, device) for each in (exact, halved)]
    slow, fast = fastest(trainers) if seconds is None else map(seconds, trainers)
    return halved if slow > GAIN * fast else exact


def fastest(trainers: list[Trainer], clock: Callable[[], float] = time.perf_counter) -> list[float]:
    """Seconds of the fastest batch of each trainer; they take turns, so that a noisy machine disturbs all alike.

    In a group every process calls it, and all stop when one has enough.
    """
    times: list[list[float]] = [[] for _ in trainers]
    for turn in range(BATCHES + 1):
        for trainer, taken in zip(trainers, times, strict=True):
            images, labels = trainer.first_of_each()[0]
            torch.manual_seed(turn)  # a training that goes on from steps without gradient draws how many
            began = clock()
            *_, (_, values, _) = trainer.train_batch(images, labels)
            values.tolist()  # waits for the device
            if turn:
                taken.append(clock() - began)
        if turn and trainers[0].group.any(sum(map(sum, times)) > ENOUGH_S * len(trainers)):
            break
    return [min(taken) for taken in times]
