"""`vitrm train`: train a preset, or continue a run."""

from __future__ import annotations

import argparse
import json
import math
import os
import shlex
import sys
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from vitrm.cli import company
from vitrm.cli.arguments import (
    a_name,
    add_data_root,
    add_device,
    add_settings,
    check_source,
    minutes,
    no_settings,
    where_words,
)
from vitrm.cli.inputs import find_device, load_data
from vitrm.cli.progress import Bar
from vitrm.cli.signals import ends_when_told, stops_on_signal
from vitrm.config import PRESETS, SOURCES, Config, preset
from vitrm.errors import ConfigError, LostProcessError, TrainingDiverged
from vitrm.places import home

if TYPE_CHECKING:  # they need torch, and `vitrm train --help` does not
    from vitrm.data.dataset import Dataset
    from vitrm.runs.folder import Run
    from vitrm.training.distributed import Group
    from vitrm.training.tensorboard import Board
    from vitrm.training.trainer import Trainer

_WAITED_IN_VAIN = "was told to end while it waited for another one that is gone or does not answer"
_STARTED = time.monotonic()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to train, where to, and for how long."""
    parser.usage = "vitrm train [PRESET] [--SETTING VALUE ...] [options]"
    parser.add_argument("preset", nargs="?", help=f"one of: {', '.join(PRESETS)}")
    parser.add_argument("--data", help=f"{SOURCES}; default: the preset's")
    parser.add_argument("--name", type=a_name, help="name of the run folder; default: preset and time")
    parser.add_argument("--runs", default=_runs(), help="where run folders go (default: %(default)s)")
    parser.add_argument("--resume", metavar="RUN", help="continue this run from its last saved state")
    parser.add_argument("--estimate", action="store_true", help="only measure how long it would take; prints JSON")
    parser.add_argument(
        "--budget-minutes", type=minutes, help="shorten the training until it fits into this time, here and now"
    )
    parser.add_argument("--tensorboard", action="store_true", help="also log for TensorBoard, into the run folder")
    add_device(parser)
    parser.add_argument(
        "--processes",
        type=company.count,
        default=1,
        help="CPU processes that train together, the threads shared out among them; auto: as many as --threads, if a "
        "few batches show that this is faster (default: 1)",
    )
    add_data_root(parser)
    add_settings(parser)


def _runs() -> str:
    return str(home() / "runs")


def execute(arguments: argparse.Namespace, settings: dict[str, str]) -> int:
    """Train, in this process or as one of several."""
    from vitrm.training.distributed import join_group
    from vitrm.training.tensorboard import Board

    _check(arguments, settings)
    device = find_device(arguments)
    if company.is_companion():
        return company.accompany(arguments, device, lambda *told: _train(arguments, *_prepare_beside(device, *told)))
    if arguments.estimate:
        return _estimate(arguments, settings, device)
    if arguments.tensorboard:
        Board.check()
    return _train(arguments, *_prepare(arguments, settings, device, join_group(device)))


def _check(arguments: argparse.Namespace, settings: dict[str, str]) -> None:
    """Raises ConfigError for what would be passed over, such as what begins a training where one is continued."""
    if arguments.estimate and arguments.budget_minutes:
        raise ConfigError("--estimate is about the whole training; leave out --budget-minutes")
    check_source(arguments.data, settings)
    if not arguments.resume:
        return
    no_settings(settings, "a resumed run keeps its settings")
    begins = {
        f"'{arguments.preset}'": arguments.preset,
        "--data": arguments.data,
        "--name": arguments.name,
        "--runs": arguments.runs != _runs(),
        "--budget-minutes": arguments.budget_minutes,
        "--estimate": arguments.estimate,
    }
    for word, given in begins.items():
        if given:
            raise ConfigError(f"{word} is about a new training, --resume continues '{arguments.resume}'; leave out one")


def _train(arguments: argparse.Namespace, run: Run | None, trainer: Trainer) -> int:
    """Train what has been prepared; the processes beside the first have no run."""
    from vitrm.training.tensorboard import Board

    where = trainer.group.from_first(lambda: str(run.path))
    words = ["train", "--resume", where, *where_words(arguments), *(["--tensorboard"] if arguments.tensorboard else [])]
    resume = shlex.join(_words(arguments, words, trainer.group.size))
    if run is None:
        return _train_beside(trainer, resume)
    return _train_into(run, trainer, Board(run.path) if arguments.tensorboard else None, resume)


def _prepare_beside(device: str, told: company.Told, dataset: Dataset, group: Group) -> tuple[None, Trainer]:
    """The same as `_prepare` in a process that was started beside the first one."""
    from vitrm.runs.checkpoints import find_run
    from vitrm.training.fit import begin, go_on

    if told.resume:
        return go_on(find_run(told.resume), lambda config: dataset, device, group=group)
    return begin(told.config, dataset, "", "", device, group=group)


def _prepare(
    arguments: argparse.Namespace, settings: dict[str, str], device: str, group: Group
) -> tuple[Run | None, Trainer]:
    """The run folder (none in the processes beside the first) and the trainer, new or as it was left off."""
    from vitrm.runs.checkpoints import find_run
    from vitrm.training.fit import begin, for_classes, go_on
    from vitrm.training.precision import settled

    if arguments.resume:
        run = find_run(arguments.resume)
        if group.size == 1 and arguments.processes != 1:
            config = run.config()
            dataset = load_data(config, arguments.data_root)
            group, _ = company.joined(arguments, config, dataset, device)
            return go_on(run, lambda config: dataset, device, group=group)
        return go_on(run, lambda config: load_data(config, arguments.data_root), device, group=group)
    config = _configured(arguments, settings)
    with group.first_goes_ahead():
        dataset = load_data(config, arguments.data_root)
    if "model.num_classes" not in settings:
        config = for_classes(config, dataset)
    within = 60 * arguments.budget_minutes if arguments.budget_minutes else math.inf
    config = group.from_first(lambda: settled(config, dataset, device, within=within, say=print))
    if arguments.budget_minutes:
        config = _within_budget(arguments, config, dataset, device, group)
    if group.size == 1:
        group, _ = company.joined(arguments, config, dataset, device)
    name = arguments.name or f"{arguments.preset}-{time.strftime('%Y%m%d-%H%M%S')}"
    command = shlex.join(_words(arguments, sys.argv[1:], group.size))
    return begin(config, dataset, Path(arguments.runs) / name, command, device, group=group)


def _train_beside(trainer: Trainer, resume: str) -> int:
    """The training of every process but the one that writes."""
    group = trainer.group

    def give_up() -> None:
        print(f"vitrm: process {group.rank} {_WAITED_IN_VAIN}; continue with: {resume}", file=sys.stderr, flush=True)

    try:
        with stops_on_signal(trainer), ends_when_told(group, give_up), suppress(TrainingDiverged):
            for _ in trainer.events():
                pass
            group.leave()
    except LostProcessError as error:
        raise LostProcessError(f"{error}; continue with: {resume}") from None
    return 0


def _train_into(run: Run, trainer: Trainer, board: Board | None, resume: str) -> int:
    """The training of the process that writes and prints."""
    from vitrm.runs.state import Failure, State
    from vitrm.training.recording import record

    def give_up() -> None:
        run.set_status(State.FAILED, f"this process {_WAITED_IN_VAIN}", Failure.LOST_PROCESS)
        print(f"vitrm: {run.status()['cause']}; continue with: {resume}", file=sys.stderr, flush=True)

    images, unlearnable = trainer.dataset.sizes["train"], trainer.dataset.unlearnable
    if unlearnable:
        names = ", ".join(f"'{name}'" for name in unlearnable[:5]) + (" and others" if len(unlearnable) > 5 else "")
        print(f"vitrm: no training image is of {names}, which cannot be learned; add some", file=sys.stderr)
    print(f"training into {run.path} ({images:,} images, {trainer.device}); stop with Ctrl-C, continue: {resume}")
    try:
        with (
            stops_on_signal(trainer),
            ends_when_told(trainer.group, give_up),
            closing(Bar(trainer)) as bar,
            closing(record(run, trainer, board)) as events,
        ):
            for event in events:
                bar.show(event)
    except KeyboardInterrupt:
        print(f"stopped at once; continue from the last saved state with: {resume}")
        return 130
    except Exception:
        status = run.status()
        if status["failure"] == Failure.FAULT:
            raise
        print(f"vitrm: {status['cause']}", file=sys.stderr)
        if run.resumable and status["failure"] != Failure.DIVERGED:  # which would only diverge again
            print(f"the last saved state is kept; continue with: {resume}", file=sys.stderr)
        return 1
    if not run.is_complete:
        print(f"stopped and saved; continue with: {resume}")
        return 130
    print(f"{event.reason}; best validation accuracy {100 * event.best_val_accuracy:.1f} %")
    print((run.path / "README.md").read_text(encoding="utf-8"))
    return 0


def _estimate(arguments: argparse.Namespace, settings: dict[str, str], device: str) -> int:
    from vitrm.training.estimate import estimate
    from vitrm.training.fit import for_classes
    from vitrm.training.precision import settled
    from vitrm.training.several import GAIN
    from vitrm.training.trainer import Trainer

    config = _configured(arguments, settings)
    dataset = load_data(config, arguments.data_root)
    if "model.num_classes" not in settings:
        config = for_classes(config, dataset)
    config = settled(config, dataset, device)
    _, gain = company.joined(arguments, config, dataset, device)
    processes = arguments.processes or (arguments.threads if gain > GAIN else 1)
    several = (processes, gain) if processes > 1 else ()
    print(json.dumps(asdict(estimate(Trainer(config, dataset, device), *several))))
    return 0


def _configured(arguments: argparse.Namespace, settings: dict[str, str]) -> Config:
    """The preset with what was said on the command line."""
    if not arguments.preset:
        raise ConfigError(f"say what to train: vitrm train PRESET, one of {', '.join(PRESETS)}; or --resume RUN")
    config = preset(arguments.preset)
    if arguments.data:
        config = config.with_fields({"data.source": arguments.data})
    return config.with_fields(settings)


def _within_budget(
    arguments: argparse.Namespace, config: Config, dataset: Dataset, device: str, group: Group
) -> Config:
    """The configuration, shortened until it fits; the time since the program started counts."""
    from vitrm.training.budget import fit_budget

    if group.size > 1 or arguments.processes != 1:
        raise ConfigError("--budget-minutes measures one process; leave out torchrun and --processes")
    shorter = fit_budget(config, dataset, device, 60 * arguments.budget_minutes - (time.monotonic() - _STARTED))
    train = shorter.train
    print(
        f"scaled down to {arguments.budget_minutes:g} minutes: {train.epochs} of {config.train.epochs} epochs, "
        f"{train.epoch_images or dataset.sizes['train']:,} of {dataset.sizes['train']:,} images in each"
    )
    return shorter


def _words(arguments: argparse.Namespace, words: Sequence[str], processes: int) -> list[str]:
    """The command in so many processes that is `vitrm WORDS` in one."""
    if arguments.processes != 1:  # as many as there turned out to be
        return ["vitrm", *company.without(words), *(["--processes", str(processes)] if processes > 1 else [])]
    if processes == 1:
        return ["vitrm", *words]
    here = int(os.environ.get("LOCAL_WORLD_SIZE", processes))
    nodes = [f"--nnodes={processes // here}"] if processes > here else []
    return ["torchrun", *nodes, f"--nproc-per-node={here}", "-m", "vitrm", *words]
