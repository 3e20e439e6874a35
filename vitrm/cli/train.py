"""`vitrm train`: train a preset, or continue a run."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import time
from contextlib import closing, nullcontext, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vitrm.cli.arguments import add_data_root, add_device, minutes, no_settings
from vitrm.cli.inputs import find_device, load_data
from vitrm.cli.progress import Bar
from vitrm.cli.signals import ends_when_told, stops_on_signal
from vitrm.config import PRESETS, SOURCES, Config, preset
from vitrm.errors import ConfigError, LostProcessError, VitrmError

SAVE_EVERY_S = 20.0
SNAPSHOT_IMAGES = 6
_WAITED_IN_VAIN = "was told to end while it waited for another one that is gone or does not answer"
_STARTED = time.monotonic()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to train, where to, and for how long."""
    parser.epilog = "Any setting can be changed by its name: --train.lr 1e-3 --model.dim 96."
    parser.add_argument("preset", nargs="?", help=f"one of: {', '.join(PRESETS)}")
    parser.add_argument("--data", help=f"{SOURCES}; default: the preset's")
    parser.add_argument("--name", help="name of the run folder; default: preset and time")
    parser.add_argument("--runs", default="runs", help="where run folders go (default: runs)")
    parser.add_argument("--resume", metavar="RUN", help="continue this run from its last saved state")
    parser.add_argument("--estimate", action="store_true", help="only measure how long it would take; prints JSON")
    parser.add_argument(
        "--budget-minutes", type=minutes, help="shorten the training until it fits into this time, here and now"
    )
    parser.add_argument("--tensorboard", action="store_true", help="also log for TensorBoard, into the run folder")
    add_device(parser)
    add_data_root(parser)


def execute(arguments: argparse.Namespace, settings: dict[str, str]) -> int:
    """Train, in this process or as one of several."""
    from vitrm.training.distributed import join_group
    from vitrm.training.tensorboard import Board

    device = find_device(arguments)
    if arguments.estimate:
        return _estimate(arguments, settings, device)
    board = Board if arguments.tensorboard else None
    if board:
        board.check()
    group = join_group(device)
    run, trainer = _prepare(arguments, settings, device, group)
    words = [*launcher(group.size), "train", "--resume"]
    resume = shlex.join([*words, group.from_first(lambda: str(run.path))])
    if run is None:
        return _train_beside(trainer, group, resume)
    return _train_into(run, trainer, group, resume, board and board(run.path))


def _train_beside(trainer, group, resume: str) -> int:
    """The training of every process but the one that writes."""
    from vitrm.errors import TrainingDiverged

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


def _train_into(run, trainer, group, resume: str, board) -> int:
    """The training of the process that writes and prints."""
    from vitrm.errors import TrainingDiverged
    from vitrm.training.control import obeying

    def give_up() -> None:
        run.set_status("failed", f"this process {_WAITED_IN_VAIN}")
        print(f"vitrm: {run.status()['cause']}; continue with: {resume}", file=sys.stderr, flush=True)

    images, device = trainer.dataset.sizes["train"], str(trainer.device)
    print(f"training into {run.path} ({images:,} images, {device}); stop with Ctrl-C, continue: {resume}")
    try:
        with stops_on_signal(trainer), ends_when_told(group, give_up), obeying(run, trainer):
            finished = _record_events(run, trainer, board)
            group.leave()
        if finished is None:
            run.set_status("stopped")
            print(f"stopped and saved; continue with: {resume}")
            return 130
        run.finish(summarize(run, trainer.dataset, finished, device))
    except KeyboardInterrupt:
        run.set_status("stopped")
        print(f"stopped at once; continue from the last saved state with: {resume}")
        return 130
    except (TrainingDiverged, LostProcessError, OSError, MemoryError, RuntimeError) as error:
        cause = _cause(error)
        if cause is None:  # a fault in this program: whoever watches the run folder should know of it too
            run.set_status("failed", f"{type(error).__name__}: {error}")
            raise
        run.set_status("failed", cause)
        print(f"vitrm: {cause}", file=sys.stderr)
        if run.resumable and not isinstance(error, TrainingDiverged):  # which would only diverge again
            print(f"the last saved state is kept; continue with: {resume}", file=sys.stderr)
        return 1
    except BaseException as error:
        run.set_status("failed", f"{type(error).__name__}: {error}")
        raise
    finally:
        run.release()
    print(f"{finished.reason}; best validation accuracy {100 * finished.best_val_accuracy:.1f} %")
    print((run.path / "README.md").read_text(encoding="utf-8"))
    return 0


def _cause(error: Exception) -> str | None:
    """Why a training failed, in a sentence; None for what is nobody's to mend but ours."""
    import torch

    from vitrm.errors import TrainingDiverged

    if isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error):
        detail = str(error).partition("\n")[0]
        return f"memory ran out ({detail}); choose a smaller train.batch_size or model, or end other programs"
    return str(error) if isinstance(error, TrainingDiverged | LostProcessError | OSError) else None


def _prepare(arguments: argparse.Namespace, settings: dict[str, str], device: str, group):
    """The run folder (None except on rank 0) and the trainer, new or as the resumed run left it."""
    from vitrm.runs.checkpoints import create_run

    if arguments.resume:
        if arguments.budget_minutes:
            raise ConfigError("--budget-minutes is about a new training; leave out --resume")
        return _prepare_again(arguments, settings, device, group)
    config = _configured(arguments, settings)
    with group.first_goes_ahead():
        dataset = load_data(config, arguments.data_root)
    if "model.num_classes" not in settings:
        config = config.with_fields({"model.num_classes": len(dataset.classes)})
    if arguments.budget_minutes:
        config = _within_budget(arguments, config, dataset, device, group)
    trainer = _trainer(config, dataset, device, group)
    if config.train.start:
        _begin_with(trainer, config.train.start)
    if group.rank > 0:
        return None, trainer
    name = arguments.name or f"{arguments.preset}-{time.strftime('%Y%m%d-%H%M%S')}"
    return create_run(Path(arguments.runs) / name, trainer.config, command_line(group.size), device), trainer


def _prepare_again(arguments: argparse.Namespace, settings: dict[str, str], device: str, group):
    """The same for a run that is resumed."""
    from vitrm.runs.checkpoints import find_run

    no_settings(settings, "a resumed run keeps its settings")
    run = find_run(arguments.resume)
    if run.summary() is not None:
        raise ConfigError(f"'{run.path}' is complete; nothing to resume")
    if group.rank == 0:
        run.acquire()
        run.set_status("starting")
        run.forget_orders()
    try:
        config, state = run.config(), run.load_state()
        with group.first_goes_ahead():
            dataset = load_data(config, arguments.data_root)
        trainer = _trainer(config, dataset, device, group)
        trainer.load_state_dict(state)
    except VitrmError as error:  # a damaged state, or what it was trained on is gone
        if group.rank == 0:
            run.set_status("failed", str(error))
            run.release()
        raise
    if group.rank > 0:
        return None, trainer
    run.set_status("running")
    return run, trainer


def _configured(arguments: argparse.Namespace, settings: dict[str, str]) -> Config:
    """The preset with what was said on the command line."""
    if not arguments.preset:
        raise ConfigError(f"say what to train: vitrm train PRESET, one of {', '.join(PRESETS)}; or --resume RUN")
    config = preset(arguments.preset)
    if arguments.data:
        config = config.with_fields({"data.source": arguments.data})
    return config.with_fields(settings)


def _trainer(config: Config, dataset, device: str, group):
    from vitrm.training.trainer import Trainer

    if config.train.batch_size > len(dataset.train):
        raise ConfigError(
            f"train.batch_size={config.train.batch_size}, but {dataset.source} has {len(dataset.train):,} training "
            "images; use that many or fewer"
        )
    return Trainer(config, dataset, device, group)


def _begin_with(trainer, name: str) -> None:
    """Give the trainer the weights of a run or checkpoint. Raises VitrmError if there are none, or none that fit."""
    from vitrm.runs.checkpoints import find_run

    weights = find_run(name).load_model(trainer.device).state_dict()
    try:
        for model in (trainer.model, trainer.averaged):
            model.load_state_dict(weights)
    except RuntimeError as error:
        reason = str(error).partition("\n")[2].partition("\n")[0].strip()
        raise ConfigError(f"train.start={name}: its weights do not fit this model ({reason})") from None


def _within_budget(arguments: argparse.Namespace, config: Config, dataset, device: str, group) -> Config:
    """The configuration, shortened until it fits; the time since the program started counts."""
    from vitrm.training.budget import fit_budget

    if group.size > 1:
        raise ConfigError("--budget-minutes measures one process; leave out torchrun")
    shorter = fit_budget(config, dataset, device, 60 * arguments.budget_minutes - (time.monotonic() - _STARTED))
    train = shorter.train
    print(
        f"scaled down to {arguments.budget_minutes:g} minutes: {train.epochs} of {config.train.epochs} epochs, "
        f"{train.epoch_images or dataset.sizes['train']:,} of {dataset.sizes['train']:,} images in each"
    )
    return shorter


def _record_events(run, trainer, board=None):
    """Everything the trainer says goes into the run folder. Returns the Finished event, or None if it was stopped."""
    from vitrm.training.events import EpochEnd, Finished, Paused, Progress, Resumed, Updated

    event, saved = None, time.monotonic()
    if trainer.updates == 0:
        _look(run, trainer, 0)
    with closing(Bar(trainer)) as bar, closing(board) if board else nullcontext():
        for event in trainer.events():
            run.record(event)
            bar.show(event)
            if board:
                board.record(event)
            if isinstance(event, EpochEnd) and event.best:
                run.save_weights(trainer.averaged)
            if isinstance(event, EpochEnd):
                _look(run, trainer, event.epoch)
            if isinstance(event, Paused | Updated):
                run.save_latest(trainer.averaged)
            overdue = isinstance(event, Progress) and time.monotonic() - saved > SAVE_EVERY_S
            between_batches = isinstance(event, Paused) and event.supervision_step == 0
            if isinstance(event, EpochEnd) or overdue or between_batches:
                if overdue:
                    run.save_latest(trainer.averaged)
                run.save_state(trainer.state_dict())
                saved = time.monotonic()
            if isinstance(event, Paused | Resumed):
                run.set_status("paused" if isinstance(event, Paused) else "running")
    if isinstance(event, Finished):
        return event
    run.save_state(trainer.state_dict())
    return None


def _look(run, trainer, epoch: int) -> None:
    """Keep the weights as they are and what they make of the watched images, for whoever wants to look inside."""
    from vitrm.families import equip
    from vitrm.traces.recording import gallery

    run.save_latest(trainer.averaged)
    if not trainer.config.model.recurrent:
        return
    model = equip(trainer.averaged, trainer.config)
    run.save_snapshot(epoch, gallery(model, trainer.val_split, SNAPSHOT_IMAGES, "val"))


def _estimate(arguments: argparse.Namespace, settings: dict[str, str], device: str) -> int:
    from vitrm.training.distributed import Group
    from vitrm.training.estimate import estimate

    if arguments.resume:
        raise ConfigError("--estimate is about a new training; leave out --resume")
    config = _configured(arguments, settings)
    dataset = load_data(config, arguments.data_root)
    if "model.num_classes" not in settings:
        config = config.with_fields({"model.num_classes": len(dataset.classes)})
    trainer = _trainer(config, dataset, device, Group())
    print(json.dumps(asdict(estimate(trainer))))
    return 0


def command_line(processes: int) -> str:
    """What was typed, for the model card."""
    return shlex.join([*launcher(processes), *sys.argv[1:]])


def launcher(processes: int) -> list[str]:
    """The words that `vitrm` is started with in so many processes, as this one was."""
    if processes == 1:
        return ["vitrm"]
    here = int(os.environ.get("LOCAL_WORLD_SIZE", processes))
    nodes = [f"--nnodes={processes // here}"] if processes > here else []
    return ["torchrun", *nodes, f"--nproc-per-node={here}", "-m", "vitrm"]


def summarize(run, dataset, finished, device: str) -> dict[str, Any]:
    """The run's last word. Test is touched here, once, with the weights that validation chose."""
    from vitrm.judge.evaluation import evaluate

    model, config = run.load_model(device), run.config()
    steps = config.model.supervision_steps
    scores = evaluate(model, model.transform, dataset.test, 2 * steps if steps > 1 else 1)
    return {
        "data": config.data.source,
        "split_sizes": dataset.sizes,
        "skipped": len(dataset.skipped),
        "parameters": sum(p.numel() for p in model.parameters()),
        "reason": finished.reason,
        "epochs": finished.epoch,
        "best_epoch": finished.best_epoch,
        "best_val_accuracy": finished.best_val_accuracy,
        "test": asdict(scores) | {"policy": scores.policy, "seed": 0},
        "seconds": finished.seconds,
        "seed": config.train.seed,
    }
