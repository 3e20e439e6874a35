"""How a model trains the fastest on this machine as it is now: in which precision, and compiled or not."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import torch

from vitrm.config import Config
from vitrm.data.dataset import Dataset
from vitrm.errors import ConfigError
from vitrm.training import compiling
from vitrm.training.trainer import Trainer

BATCHES = 3  # of each variant, after one that warms up
ENOUGH_S = 2.0  # of measuring a variant; slow models are told apart by one batch
GAIN = 1.05  # less than this is noise, for which fp32 is not given up


class Pace(NamedTuple):
    """Seconds of a trainer's first batch, in which all is prepared, and of its fastest one after that."""

    first: float
    batch: float


def settled(
    config: Config,
    dataset: Dataset,
    device: str,
    *,
    within: float = math.inf,
    say: Callable[[str], object] = lambda line: None,
    measure: Callable[[list[Trainer]], list[Pace]] | None = None,
) -> Config:
    """`config` with every "auto" of precision and compile decided: bf16 where a batch trains faster in it than in fp32,
    by 5 % or more; compiled where that makes it faster by 10 % or more, and the whole training too.

    A few batches of a model that is thrown away are trained in each, by turns. Compiling takes long: it is tried where
    that is at most a tenth of the training (all its epochs, which end `within` so many seconds), eleven minutes or
    more; where it fails, for want of a C++ compiler, it is left. Elsewhere than on a CPU or a CUDA device it is fp32,
    not compiled. `say` is told in a line what was chosen and measured; `measure` is `paces`. Raises as `Trainer` does.
    """
    train, measure = config.train, measure or paces

    def variant(**decided: Any) -> Config:
        return replace(config, train=replace(train, **decided))

    if "auto" not in (train.precision, train.compile):
        return config
    names = ("fp32", "bf16") if train.precision == "auto" else (train.precision,)
    eager = {"precision": names[0], "compile": train.compile is True}
    if not device.startswith(("cpu", "cuda")):
        return variant(**eager)
    trainers = [Trainer(variant(**eager | {"precision": name}), dataset, device) for name in names]
    times = [pace.batch for pace in measure(trainers)]
    best = 1 if len(times) > 1 and times[0] > GAIN * times[1] else 0
    said = [f"{seconds:.3g} s in {name}" for name, seconds in zip(names, times, strict=True)]
    chosen = eager | {"precision": names[best]}
    if train.compile == "auto":
        seconds = min(trainers[best].batches * train.epochs * times[best], within)
        if compiling.worth_trying(seconds, times[best], compiling.crowded()):
            compiled = variant(**chosen | {"compile": True})
            chosen["compile"], words = _tried(trainers[best], compiled, round(seconds / times[best]), measure)
            said.append(words)
        else:
            said.append(f"compiling is not tried for {seconds / 60:.2g} minutes of training")
    say(f"the fastest here: {names[best]}{', compiled' if chosen['compile'] else ''}; a batch takes {', '.join(said)}")
    return variant(**chosen)


def _tried(
    eager: Trainer, compiled: Config, batches: int, measure: Callable[[list[Trainer]], list[Pace]]
) -> tuple[bool, str]:
    """Whether a training of so many batches should be compiled, and in words what was found out."""
    try:
        before, after = measure([eager, Trainer(compiled, eager.dataset, eager.device)])
    except (ConfigError, RuntimeError, OSError, ImportError) as error:  # no compiler, a bad one, nowhere to write
        return False, f"compiling fails ({compiling.reason(error.__cause__ or error)})"
    found = f"{after.batch:.3g} s compiled ({before.batch:.3g} s beside it without), the first one {after.first:.0f} s"
    return compiling.pays(before.batch, after.batch, after.first, batches), found


def paces(trainers: list[Trainer], clock: Callable[[], float] = time.perf_counter) -> list[Pace]:
    """How fast each trainer is; they take turns, so that a noisy machine disturbs all alike.

    In a group every process calls it, and all stop when one has enough.
    """
    times: list[list[float]] = [[] for _ in trainers]
    for turn in range(BATCHES + 1):
        for trainer, taken in zip(trainers, times, strict=True):
            images, labels = trainer.first_of_each()[0]
            torch.manual_seed(turn)  # a training that goes on from steps without gradient draws how many
            began = clock()
            unlearned = min(1, trainer.config.train.progress_steps) if turn == 0 else None  # one, to be compiled too
            *_, (_, values, _) = trainer.train_batch(images, labels, unlearned)
            values.tolist()  # waits for the device
            taken.append(clock() - began)
        spent = sum(sum(taken[1:]) for taken in times)
        if turn and trainers[0].group.any(spent > ENOUGH_S * len(trainers)):
            break
    return [Pace(taken[0], min(taken[1:])) for taken in times]
