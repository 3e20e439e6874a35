"""Which images make up the batches of an epoch, and how they are read."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from vitrm.config import TrainConfig
from vitrm.data.dataset import Split
from vitrm.data.stored import StoredImages, ahead
from vitrm.model import State


def draw_batches(splits: Sequence[Split], train: TrainConfig, generator: torch.Generator) -> list[tuple[Split, Tensor]]:
    """The batches of an epoch, each as indices into one of the training splits: images of one size each.

    `epoch_images` are shared out by the sizes of the splits.
    """
    total, batches = sum(map(len, splits)), []
    for split in splits:
        share = max(1, round(train.epoch_images * len(split) / total)) if train.epoch_images else len(split)
        images = min(share, len(split))
        order = torch.randperm(len(split), generator=generator)
        order = order[: math.ceil(images / train.repeats)].repeat_interleave(train.repeats)
        batches += [(split, index) for index in order[:images].to(split.images.device).split(train.batch_size)]
    if len(splits) > 1:
        batches = [batches[place] for place in torch.randperm(len(batches), generator=generator).tolist()]
    return batches


def read_batches(batches: Sequence[tuple[Split, Tensor]], device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
    """Images and labels by their numbers; those that are not on the device are brought there while it works."""
    if not any(isinstance(split.images, StoredImages) for split, _ in batches):
        return ((split.images[index], split.labels[index]) for split, index in batches)

    def read(batch: tuple[Split, Tensor]) -> tuple[Tensor, Tensor]:
        split, index = batch
        both = split.images[index], split.labels[index]
        return tuple(tensor.pin_memory() for tensor in both) if device.type == "cuda" else both

    return ahead(batches, read)


def noise_in_memory(train: TrainConfig) -> Callable[[State, State], State] | None:
    """An `edit` for `ViTRM.moves` that adds noise to every memory (`memory_noise`); None where there is none to add."""
    if not train.memory_noise:
        return None
    return lambda _, after: replace(after, memory=after.memory + train.memory_noise * torch.randn_like(after.memory))


def draw_unlearned(train: TrainConfig, done: float | None) -> int:
    """How many supervision steps a batch makes before those that learn (`progress_steps`), when a share `done` of the
    training is over, 0..1; None for a batch of no training, which makes as many as one does on average.

    From torch's own generator, which a batch begins with a seed of its own; nothing is drawn where there are none.
    """
    if not train.progress_steps:
        return 0
    if done is None:
        grown = 1 - train.progress_ramp / 2
    else:
        grown = min(1.0, done / train.progress_ramp) if train.progress_ramp else 1.0
    most = round(grown * train.progress_steps)
    if train.progress_draw == "log":
        return log_uniform(most)
    return int(torch.randint(most + 1, ()))


def log_uniform(most: int) -> int:
    """0 to `most`: 0 as often as 1 and 2 together, as 3 to 6, as 7 to 14; from torch's own generator."""
    return int((most + 2) ** torch.rand(()).item()) - 1


def usual_unlearned(train: TrainConfig) -> int:
    """How many they are on average over a training."""
    most = train.progress_steps * (1 - train.progress_ramp / 2)
    if train.progress_draw == "log":  # the mean of (K + 2)^u - 1, less half a step that is cut off
        return round((most + 1) / math.log(most + 2) - 1.5)
    return int(most / 2)
