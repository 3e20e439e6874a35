"""Whether several processes of this machine train a model faster than one with as many threads: tried, not guessed."""

from __future__ import annotations

from vitrm.config import Config
from vitrm.data.dataset import Dataset
from vitrm.training.distributed import Group
from vitrm.training.precision import paces
from vitrm.training.trainer import Trainer

GAIN = 1.1  # less than this is noise
SHORTEST_S = 300.0  # what would end sooner in one process gains less than it takes to start and try others


def alone(config: Config, dataset: Dataset, device: str) -> tuple[float, float]:
    """Seconds of a batch in this process alone, and of all batches of the training at that pace."""
    trainer = Trainer(config, dataset, device)
    ((_, batch),) = paces([trainer])
    return batch, batch * trainer.batches * config.train.epochs


def faster(alone_s: float, config: Config, dataset: Dataset, device: str, group: Group) -> float:
    """How many times as fast a batch is in this group as alone, where it took `alone_s` seconds.

    Every process of the group calls it, and all are told what the first one finds; only that one's `alone_s` counts.
    """
    ((_, together),) = paces([Trainer(config, dataset, device, group)])
    return group.from_first(lambda: alone_s / together)
