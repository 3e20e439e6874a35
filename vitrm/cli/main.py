"""The command line: `vitrm train | ask | finish | evaluate | export | download | sweep | bench`. None needs the app."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vitrm.config import GLIMPSE_POLICIES, PRESETS, Config, preset
from vitrm.data.dataset import SOURCES
from vitrm.errors import ConfigError, DataError, LostProcessError, RunError, VitrmError
from vitrm.runs.folder import ORDERS

SAVE_EVERY_S = 20.0
SNAPSHOT_IMAGES = 6
_DOMAIN_HELP = "measure the warning about foreign images, on these data sets beside four that need no data"
_WAITED_IN_VAIN = "was told to end while it waited for another one that is gone or does not answer"
_GRACE_S = 20.0  # to end in good order after a SIGTERM; torchrun kills after 30
_STARTED = time.monotonic()


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0, 1 for a message about the input, 130 for a stop by the user."""
    try:
        words, overrides = _split_settings(sys.argv[1:] if argv is None else argv)
        arguments, unknown = _parser().parse_known_args(words)
        if unknown:
            hint = "settings look like --train.lr 1e-3, see vitrm train --help"
            raise ConfigError(f"unknown argument '{unknown[0]}'; {hint}")
        return arguments.run(arguments, overrides)
    except (VitrmError, OSError) as error:
        print(f"vitrm: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="vitrm", description="The Vision Tiny Recursion Model.")
    commands = parser.add_subparsers(dest="command", required=True)

    train = commands.add_parser(
        "train",
        help="train a preset, or continue a run",
        epilog="Any setting can be changed by its name: --train.lr 1e-3 --model.dim 96 (see vitrm/config/settings.py).",
    )
    train.add_argument("preset", nargs="?", help=f"one of: {', '.join(PRESETS)}")
    train.add_argument("--data", help=f"{SOURCES}; default: the preset's")
    train.add_argument("--name", help="name of the run folder; default: preset and time")
    train.add_argument("--runs", default="runs", help="where run folders go (default: runs)")
    train.add_argument("--resume", metavar="RUN", help="continue this run from its last saved state")
    train.add_argument("--estimate", action="store_true", help="only measure how long it would take; prints JSON")
    train.add_argument(
        "--budget-minutes", type=_minutes, help="shorten the training until it fits into this time, here and now"
    )
    train.add_argument("--tensorboard", action="store_true", help="also log for TensorBoard, into the run folder")
    train.set_defaults(run=_train)

    ask = commands.add_parser("ask", help="pause, continue or stop a training that another process is running")
    ask.add_argument("name")
    ask.add_argument("order", choices=ORDERS, help="step: one single update, then wait")
    ask.set_defaults(run=_ask)

    evaluate = _evaluate_parser(commands)
    finish = commands.add_parser(
        "finish", help="end a stopped run as it is: test its best weights, write its model card"
    )
    finish.add_argument("name")
    finish.set_defaults(run=_finish)

    download = commands.add_parser("download", help="fetch a data set now, to train on it later without a network")
    download.add_argument("data", choices=("cifar10", "cifar100", "fashion_mnist"))
    download.set_defaults(run=_download)

    _export_parser(commands)
    sweep = _sweep_parser(commands)
    bench = _bench_parser(commands)

    for command in (train, evaluate, finish, bench):
        command.add_argument("--device", default="auto", help="cpu, cuda, mps or auto (default)")
        command.add_argument("--threads", type=_positive, default=min(os.cpu_count() or 1, 8), help="CPU threads")
    for command in (train, evaluate, finish, download, sweep, bench):
        command.add_argument("--data-root", default="data", help="where downloads go (default: data)")
    return parser


def _evaluate_parser(commands) -> argparse.ArgumentParser:
    evaluate = commands.add_parser("evaluate", help="accuracy and halting per supervision step, on held-out data")
    evaluate.add_argument("name", help="a checkpoint or run folder")
    evaluate.add_argument("--data", help="other data than it was trained on")
    evaluate.add_argument("--split", default="test", choices=("val", "test"))
    evaluate.add_argument("--supervision-steps", type=_positive, help="default: as trained")
    evaluate.add_argument("--seed", type=int, default=0, help="of the glimpses")
    evaluate.add_argument("--halting", action="store_true", help="judge the learned halting (takes val and test)")
    evaluate.add_argument("--mixture", action="store_true", help="judge the soft mixture of an SR-ViT")
    evaluate.add_argument(
        "--policies",
        nargs="*",
        metavar="POLICY",
        help=f"compare who chooses the glimpses, of {', '.join(GLIMPSE_POLICIES)} (default: all; takes val and test)",
    )
    evaluate.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], help="of --policies: draws (0 1 2)")
    evaluate.add_argument(
        "--by-difficulty", action="store_true", help="accuracy and exit step by how difficult an image is (mazes)"
    )
    evaluate.add_argument("--control", metavar="NAME", help="of --by-difficulty and --policies: another model")
    evaluate.add_argument(
        "--mazes", action="store_true", help="beyond the trained depth, on other mazes, and a probe of the memory"
    )
    evaluate.add_argument("--domain", nargs="*", metavar="NAME=SOURCE", help=_DOMAIN_HELP)
    evaluate.add_argument(
        "--save",
        action="store_true",
        help="keep what --by-difficulty, --mazes, --domain, --mixture or --policies finds, for the app",
    )
    evaluate.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    evaluate.set_defaults(run=_evaluate)
    return evaluate


def _export_parser(commands) -> None:
    export = commands.add_parser("export", help="turn a finished run into a checkpoint folder")
    export.add_argument("name")
    export.add_argument("folder", help="for instance checkpoints/my-model")
    export.add_argument("--bf16", action="store_true", help="half the size")
    export.add_argument("--data-name", default="", help="what to call the data on the card, if its source is a path")
    export.add_argument("--gallery", type=int, default=0, metavar="N", help="add ready-made traces of N test images")
    export.add_argument(
        "--halting", action="store_true", help="add the judgement of its halting (with --gallery: and pictures)"
    )
    export.add_argument("--mixture", action="store_true", help="add the judgement of an SR-ViT's soft mixture")
    export.add_argument("--domain", nargs="*", metavar="NAME=SOURCE", help=f"add it: {_DOMAIN_HELP}")
    export.add_argument("--onnx", action="store_true", help="add model.onnx: one supervision step, state in and out")
    export.add_argument("--hugging-face", action="store_true", help="lay the folder out for the Hugging Face Hub")
    export.add_argument("--data-root", default="data", help="where downloads are (default: data)")
    export.set_defaults(run=_export)


def _sweep_parser(commands) -> argparse.ArgumentParser:
    sweep = commands.add_parser(
        "sweep",
        help="train a grid and write one table; run it again to continue",
        epilog="Settings like --train.epochs 100 apply to every cell.",
    )
    sweep.add_argument("kind", choices=("batch-size", "ablation", "models", "glimpses", "mixture"))
    sweep.add_argument(
        "--presets", nargs="+", default=[], help="default: the paper's models, `paper` (ablation), `tiny` (glimpses)"
    )
    sweep.add_argument("--seeds", nargs="+", type=int, default=[0])
    sweep.add_argument("--batch-sizes", nargs="+", type=_positive, help="default: 64 128 256 512 1024")
    sweep.add_argument("--memory-steps", nargs="+", type=_positive, help="M; default: 1 2 3 6 12")
    sweep.add_argument("--supervision-steps", nargs="+", type=_positive, help="N; default: 1 2 4 8 16")
    sweep.add_argument("--recursion-depths", nargs="+", type=_positive, help="R; default: 1 2 4")
    sweep.add_argument("--data", help=f"{SOURCES}; default: each preset's")
    sweep.add_argument("--name", help="of the sweep's folder; default: sweep-KIND")
    sweep.add_argument("--runs", default="runs", help="where that folder goes (default: runs)")
    sweep.add_argument("--devices", nargs="+", default=["auto"], help="one training at a time on each; auto: every GPU")
    sweep.add_argument("--threads", type=_positive, help="CPU threads of each training; default: shared out evenly")
    sweep.add_argument(
        "--budget-minutes", type=_minutes, help="scale the grid down to this time, and say so in its table"
    )
    sweep.add_argument("--results", help="also copy the table into this folder, as NAME.csv and NAME.md")
    sweep.set_defaults(run=_sweep)
    return sweep


def _bench_parser(commands) -> argparse.ArgumentParser:
    bench = commands.add_parser("bench", help="speed of this code against the plain form, on this machine")
    bench.add_argument("presets", nargs="*", help="default: paper tiny digits; of --training: paper")
    bench.add_argument(
        "--training",
        action="store_true",
        help="instead: the whole training step, as is usual on a GPU (takes settings)",
    )
    bench.add_argument("--batch-sizes", nargs="+", type=_positive, default=[128, 1024], help="of --training")
    bench.add_argument("--profile", action="store_true", help="of --training: where the time goes, by operation")
    bench.add_argument("--halting", metavar="NAME", help="instead: what early exit saves this checkpoint")
    bench.add_argument("--repeats", type=_positive, default=7)
    bench.add_argument("--json", action="store_true")
    bench.set_defaults(run=_bench)
    return bench


def _positive(text: str) -> int:
    """An argument that counts something."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"'{text}': expected a whole number, 1 or more")
    return int(text)


def _minutes(text: str) -> float:
    """An argument that is a time."""
    try:
        minutes = float(text)
    except ValueError:
        minutes = 0.0
    if not 0 < minutes < 1e6:
        raise argparse.ArgumentTypeError(f"'{text}': expected a number of minutes, more than 0")
    return minutes


def _split_settings(argv: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """The command line without its settings, and these: `--train.lr 1e-3` or `--train.lr=1e-3` as {"train.lr": "1e-3"}.

    They are taken out before argparse sees them, which would take their values for positional arguments.
    """
    words, others, settings = list(argv), [], {}
    while words:
        word = words.pop(0)
        name, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or "." not in name:
            others.append(word)
            continue
        if not equals:
            if not words:
                raise ConfigError(f"'{word}' needs a value")
            value = words.pop(0)
        settings[name] = value
    return others, settings


def _no_settings(overrides: dict[str, str], why: str) -> None:
    if overrides:
        raise ConfigError(f"--{next(iter(overrides))} cannot be used here: {why}")


# Commands


def _train(arguments: argparse.Namespace, overrides: dict[str, str]) -> int:
    from vitrm.training.distributed import join_group
    from vitrm.training.tensorboard import Board

    device = _device(arguments)
    if arguments.estimate:
        return _estimate(arguments, overrides, device)
    board = Board if arguments.tensorboard else None
    if board:
        board.check()
    group = join_group(device)
    run, trainer = _prepare(arguments, overrides, device, group)
    words = [*_launcher(group.size), "train", "--resume"]
    resume = shlex.join([*words, group.from_first(lambda: str(run.path))])
    if run is None:
        return _train_beside(trainer, group, resume)
    return _train_into(run, trainer, group, resume, board and board(run.path))


def _train_beside(trainer, group, resume: str) -> int:
    """The training of every process but the one that writes."""
    from vitrm.training.trainer import TrainingDiverged

    def give_up() -> None:
        print(f"vitrm: process {group.rank} {_WAITED_IN_VAIN}; continue with: {resume}", file=sys.stderr, flush=True)

    try:
        with _stops_on_signal(trainer), _ends_when_told(group, give_up), suppress(TrainingDiverged):
            for _ in trainer.events():
                pass
            group.leave()
    except LostProcessError as error:
        raise LostProcessError(f"{error}; continue with: {resume}") from None
    return 0


def _train_into(run, trainer, group, resume: str, board) -> int:
    """The training of the process that writes and prints."""
    from vitrm.training.control import obeying
    from vitrm.training.trainer import TrainingDiverged

    def give_up() -> None:
        run.set_status("failed", f"this process {_WAITED_IN_VAIN}")
        print(f"vitrm: {run.status()['cause']}; continue with: {resume}", file=sys.stderr, flush=True)

    images, device = len(trainer.dataset.train), str(trainer.device)
    print(f"training into {run.path} ({images:,} images, {device}); stop with Ctrl-C, continue: {resume}")
    try:
        with _stops_on_signal(trainer), _ends_when_told(group, give_up), obeying(run, trainer):
            finished = _record_events(run, trainer, board)
            group.leave()
        if finished is None:
            run.set_status("stopped")
            print(f"stopped and saved; continue with: {resume}")
            return 130
        run.finish(_summary(run, trainer.dataset, finished, device))
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

    from vitrm.training.trainer import TrainingDiverged

    if isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error):
        detail = str(error).partition("\n")[0]
        return f"memory ran out ({detail}); choose a smaller train.batch_size or model, or end other programs"
    return str(error) if isinstance(error, TrainingDiverged | LostProcessError | OSError) else None


def _prepare(arguments: argparse.Namespace, overrides: dict[str, str], device: str, group):
    """The run folder (None except on rank 0) and the trainer, new or as the resumed run left it."""
    from vitrm.runs.checkpoints import create_run

    if arguments.resume:
        if arguments.budget_minutes:
            raise ConfigError("--budget-minutes is about a new training; leave out --resume")
        return _prepare_again(arguments, overrides, device, group)
    config = _configured(arguments, overrides)
    with group.first_goes_ahead():
        dataset = _load_data(config, arguments.data_root)
    if "model.num_classes" not in overrides:
        config = config.with_fields({"model.num_classes": len(dataset.classes)})
    if arguments.budget_minutes:
        config = _within_budget(arguments, config, dataset, device, group)
    trainer = _trainer(config, dataset, device, group)
    if config.train.start:
        _begin_with(trainer, config.train.start)
    if group.rank > 0:
        return None, trainer
    name = arguments.name or f"{arguments.preset}-{time.strftime('%Y%m%d-%H%M%S')}"
    return create_run(Path(arguments.runs) / name, trainer.config, _command_line(group.size), device), trainer


def _prepare_again(arguments: argparse.Namespace, overrides: dict[str, str], device: str, group):
    """The same for a run that is resumed."""
    from vitrm.runs.checkpoints import find_run

    _no_settings(overrides, "a resumed run keeps its settings")
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
            dataset = _load_data(config, arguments.data_root)
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


def _configured(arguments: argparse.Namespace, overrides: dict[str, str]) -> Config:
    """The preset with what was said on the command line."""
    if not arguments.preset:
        raise ConfigError(f"say what to train: vitrm train PRESET, one of {', '.join(PRESETS)}; or --resume RUN")
    config = preset(arguments.preset)
    if arguments.data:
        config = config.with_fields({"data.source": arguments.data})
    return config.with_fields(overrides)


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
        f"{train.epoch_images or len(dataset.train):,} of {len(dataset.train):,} images in each"
    )
    return shorter


def _record_events(run, trainer, board=None):
    """Everything the trainer says goes into the run folder. Returns the Finished event, or None if it was stopped."""
    from vitrm.training.trainer import EpochEnd, Finished, Paused, Progress, Resumed, Updated

    event, saved = None, time.monotonic()
    if trainer.updates == 0:
        _look(run, trainer, 0)
    with closing(_Bar(trainer)) as bar, closing(board) if board else nullcontext():
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
    if not trainer.config.model.halts:
        return
    model = equip(trainer.averaged, trainer.config)
    run.save_snapshot(epoch, gallery(model, trainer.val_split, SNAPSHOT_IMAGES, "val"))


def _estimate(arguments: argparse.Namespace, overrides: dict[str, str], device: str) -> int:
    from vitrm.training.distributed import Group
    from vitrm.training.estimate import estimate

    if arguments.resume:
        raise ConfigError("--estimate is about a new training; leave out --resume")
    config = _configured(arguments, overrides)
    dataset = _load_data(config, arguments.data_root)
    if "model.num_classes" not in overrides:
        config = config.with_fields({"model.num_classes": len(dataset.classes)})
    trainer = _trainer(config, dataset, device, Group())
    print(json.dumps(asdict(estimate(trainer))))
    return 0


def _ask(arguments: argparse.Namespace, overrides: dict[str, str]) -> int:
    from vitrm.runs.checkpoints import find_run

    _no_settings(overrides, "ask takes no settings")
    run = find_run(arguments.name)
    if not run.is_running:
        raise RunError(f"no process is training into '{run.path}'")
    run.ask(arguments.order)
    return 0


@contextmanager
def _stops_on_signal(trainer) -> Iterator[None]:
    """The first Ctrl-C (or SIGTERM) ends the training after the batch in progress, the second one at once."""

    def stop(*_: Any) -> None:
        if trainer.stopping:
            raise KeyboardInterrupt
        trainer.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _ends_when_told(group, give_up: Callable[[], None]) -> Iterator[None]:
    """A process that waits for a lost one inside the driver, where no handler runs, still ends some time after SIGTERM.

    That is what torchrun sends to all the others when one is lost. `give_up` has the last word.
    """
    if group.size == 1:
        yield
        return
    told, teller = socket.socketpair()
    teller.setblocking(False)
    ended = threading.Event()

    def watch() -> None:
        while word := told.recv(1):
            if word[0] == signal.SIGTERM and not ended.wait(_GRACE_S):
                give_up()
                os._exit(1)

    watcher = threading.Thread(target=watch, name="told to end", daemon=True)
    watcher.start()
    before = signal.set_wakeup_fd(teller.fileno(), warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        ended.set()
        teller.close()
        watcher.join()
        told.close()


def _evaluate(arguments: argparse.Namespace, overrides: dict[str, str]) -> int:
    from dataclasses import replace

    from vitrm.judge.evaluation import evaluate
    from vitrm.runs.checkpoints import find_run

    _no_settings(overrides, "evaluate takes no settings")
    run = find_run(arguments.name)
    config, model = run.config(), run.load_model(_device(arguments))
    if arguments.data:
        config = replace(config, data=replace(config.data, source=arguments.data, name=""))
        config, model = _fitted(config, model)
    dataset = _load_data(config, arguments.data_root)
    if dataset.classes != model.class_names:
        raise DataError(
            f"{dataset.source} has the classes {', '.join(dataset.classes)}, "
            f"but {run.name} was trained on {', '.join(model.class_names)}"
        )
    scores = evaluate(
        model, model.transform, dataset.split(arguments.split), arguments.supervision_steps, seed=arguments.seed
    )
    result = {
        "accuracy": scores.accuracy,
        "halt_prob": scores.halt_prob,
        "halt_auroc": scores.halt_auroc,
        "data": config.data.title,
        "split": arguments.split,
        "n": scores.n,
        "policy": scores.policy,
        "seed": arguments.seed,
    }
    reports = _more_reports(arguments, run, config, model, dataset)
    result |= {name: asdict(report) for name, (report, _) in reports.items() if name != "mazes"}
    if "mazes" in reports:
        result["mazes"] = _maze_numbers(reports["mazes"][0])
    if arguments.json:
        print(json.dumps(result))
        return 0
    print(f"{run.name} on {result['data']}, {arguments.split} split, n = {scores.n:,}, glimpse seed {arguments.seed}")
    print(f"policy: {scores.policy}")
    if scores.halt_prob:
        print("step  accuracy %  halting probability  AUROC of halting")
        for n, (accuracy, halt, area) in enumerate(
            zip(scores.accuracy, scores.halt_prob, scores.halt_auroc, strict=True), start=1
        ):
            print(f"{n:4}  {100 * accuracy:10.2f}  {halt:19.3f}  {'–' if area is None else f'{area:.3f}':>16}")
    else:
        print(f"accuracy: {100 * scores.accuracy[-1]:.2f} %")
    for report, show in reports.values():
        show(report)
    return 0


def _more_reports(arguments: argparse.Namespace, run, config: Config, model, dataset) -> dict[str, tuple[Any, Any]]:
    """The reports that were asked for beside the scores, by name, each with what prints it; kept with `--save`."""
    reports: dict[str, tuple[Any, Any]] = {}
    if arguments.halting:
        from vitrm.judge.halting import halting_report

        report = halting_report(model, dataset.val, dataset.test, arguments.supervision_steps, arguments.seed)
        reports["halting"] = report, _print_halting
    if arguments.mixture:
        reports["mixture"] = _mixture_report(arguments, model, dataset), _print_mixture
    if arguments.by_difficulty:
        reports["difficulty"] = _difficulty_report(arguments, model, dataset), _print_difficulty
    if arguments.mazes:
        reports["mazes"] = _maze_report(run, model, dataset), _print_mazes
    if arguments.domain is not None:
        reports["domain"] = _domain_report(arguments, model, dataset), _print_domain
    if arguments.policies is not None:
        reports["glimpses"] = _glimpse_report(arguments, model, config, dataset), _print_glimpses
    for name, (report, _) in reports.items():
        if arguments.save and name != "halting":  # which `vitrm export` keeps
            getattr(run, f"save_{name}")(report)
    return reports


def _fitted(config: Config, model):
    """For mazes of another size than it was trained on: the same weights for that size, where positions allow it."""
    from dataclasses import replace

    from vitrm.families import resized

    mazes, model_config = config.data.mazes, config.model
    if mazes is None or mazes.size == model_config.image_size / getattr(model_config, "patch_size", 1):
        return config, model
    model = resized(model, mazes.size * model_config.patch_size)
    return replace(config, model=model.config), model


def _difficulty_report(arguments: argparse.Namespace, model, dataset):
    """The model, and its control if one is named, by the difficulty of the test images."""
    from vitrm.families import resized
    from vitrm.judge.difficulty import difficulty_report
    from vitrm.runs.checkpoints import find_run

    control = None
    if arguments.control:
        run = find_run(arguments.control)
        other = run.load_model(_device(arguments))
        if other.config.image_size != model.config.image_size:
            other = resized(other, model.config.image_size)
        control = (run.name, other)
    return difficulty_report(model, dataset, arguments.supervision_steps, arguments.seed, control)


def _print_difficulty(report) -> None:
    halts, control = report.threshold is not None, report.control
    print(f"\nby {report.measure} (test split, n = {report.n:,}; {report.parameters:,} parameters): accuracy % by step")
    if halts:
        correlation = "–" if report.rank_correlation is None else f"{report.rank_correlation:.2f}"
        print(
            f"learned halting, its threshold {report.threshold:.3f} chosen on validation: "
            f"{100 * report.exit_accuracy:.1f} % right after {report.mean_exit:.2f} steps; "
            f"rank correlation of exit step and difficulty {correlation}"
        )
    if control:
        print(f"control: {control.name}, {control.title}, {control.parameters:,} parameters")
    names = [*report.guesses, *(["control"] if control else [])]
    steps = "".join(f"{n:6}" for n in range(1, len(report.accuracy) + 1))
    print(f"{'':4}{'n':>6}{steps}{'  exit step' if halts else ''}{''.join(f'  {name}' for name in names)}")

    def line(what, n, accuracy, mean_exit, others) -> None:
        leaving = f"{mean_exit:11.2f}" if halts else ""
        rest = "".join(f"{100 * value:{2 + len(name)}.1f}" for name, value in zip(names, others, strict=True))
        print(f"{what:4}{n:6}{''.join(f'{100 * value:6.1f}' for value in accuracy)}{leaving}{rest}")

    for level in report.levels:
        others = [*level.guesses.values(), *([level.control] if control else [])]
        line(str(level.difficulty), level.n, level.accuracy, level.mean_exit, others)
    others = [*report.guesses.values(), *([control.accuracy] if control else [])]
    line("all", report.n, report.accuracy, report.mean_exit, others)


def _maze_report(run, model, dataset):
    """What a model makes of mazes beyond its training."""
    from vitrm.judge.mazes import draw_others, measuring

    config = run.config()
    if config.data.mazes is None or not config.model.halts:
        raise ConfigError("--mazes is for a model with supervision steps that was trained on mazes")
    *_, report = measuring(model, dataset, config.data.mazes, *draw_others(config.model, config.data.mazes))
    return report


def _maze_numbers(report) -> dict[str, Any]:
    lengths, counts, accuracy = report.trials[0].by_length()
    return {
        "lengths": lengths.tolist(),
        "n": counts.tolist(),
        "accuracy": accuracy.tolist(),  # by supervision step, then length
        "others": {trial.name: trial.right.mean(axis=1).tolist() for trial in report.trials},
        "nearest_gem": float(report.trials[0].nearest.mean()),
        "probe": None if report.probe is None else report.probe.accuracy.tolist(),
        "probe_untrained": None if report.probe is None else report.probe.untrained.tolist(),
        "left_out": report.left_out,
    }


def _print_mazes(report) -> None:
    lengths, counts, accuracy = report.trials[0].by_length()
    steps = sorted({1, report.trained_steps, 2 * report.trained_steps, len(accuracy)})
    print("\nlength of the path  mazes  " + "  ".join(f"step {n:2} %" for n in steps))
    for g, length in enumerate(lengths):
        print(f"{length:18}  {counts[g]:5}  " + "  ".join(f"{100 * accuracy[n - 1, g]:9.2f}" for n in steps))
    for trial in report.trials:
        right = trial.right.mean(axis=1)
        print(f"{trial.name:>18}  {trial.lengths.size:5}  " + "  ".join(f"{100 * right[n - 1]:9.2f}" for n in steps))
    print(f"nearest gem, walls or not: {100 * report.trials[0].nearest.mean():.2f} %")
    if report.probe is not None:
        found = ", ".join(f"{100 * value:.1f}" for value in report.probe.accuracy)
        blank = ", ".join(f"{100 * value:.1f}" for value in report.probe.untrained)
        print(f"linear probe for what can be reached, balanced accuracy % by step: {found}; untrained model: {blank}")
    for reason in report.left_out:
        print(f"not tried, {reason}")


def _glimpse_report(arguments: argparse.Namespace, model, config: Config, dataset):
    """Who should choose the glimpses, measured on what `--policies` and `--seeds` name."""
    from vitrm.judge.glimpses import Control, glimpse_report
    from vitrm.runs.checkpoints import find_run

    control = None
    if arguments.control:
        run = find_run(arguments.control)
        control = Control(run.name, run.load_model(_device(arguments)), run.config().train.seed)
    return glimpse_report(
        model,
        dataset.val,
        dataset.test,
        policies=arguments.policies or GLIMPSE_POLICIES,
        seeds=arguments.seeds,
        training_seed=config.train.seed,
        control=control,
    )


def _print_glimpses(report) -> None:
    sizes = report.split_sizes
    print(
        f"\nwho chooses the {report.patches_per_step} of {report.patches} patches of a step, test split "
        f"(n = {sizes['test']:,}); thresholds of halting chosen on validation (n = {sizes['val']:,})"
    )
    for policy, scores in report.policies.items():
        right = " ".join(f"{100 * each.mean:.1f}" for each in scores.accuracy)
        spread = "" if scores.spread is None else f" (± {' '.join(f'{100 * s:.1f}' for s in scores.spread)} over draws)"
        area = "–" if scores.pooled_auroc is None else f"{scores.pooled_auroc:.3f}"
        print(f"  {policy:8} accuracy % by step {right}{spread}; mean {100 * scores.anytime.mean:.1f}")
        print(
            f"           halting: AUROC {area}, {100 * scores.halted_accuracy:.1f} % right after "
            f"{scores.halted_steps:.2f} steps; {scores.multiply_adds[-1] / 1e6:.1f} M multiply-adds for all steps"
        )
    if report.control:
        at_once = ", ".join(
            f"{count} patches {100 * each.mean:.1f}"
            for count, each in zip(report.control.patches, report.control.accuracy, strict=True)
        )
        print(f"  {report.control.name}, a {report.control.title}, given the same random patches at once: {at_once}")
    print(report.verdict)


def _domain_report(arguments: argparse.Namespace, model, dataset):
    """The warning about foreign images, measured on the sets that `--domain` names."""
    from vitrm.data.dataset import load_dataset
    from vitrm.judge.domain import domain_report, fitted

    channels, size = dataset.val.images.shape[1:3]
    foreign = {}
    for text in arguments.domain:
        name, equals, source = text.partition("=")
        source = source if equals else name
        own = {"digits": (8, 1), "fashion_mnist": (28, 1)}.get(source, (32, 3))
        data = load_dataset(source, *own, root=arguments.data_root)
        foreign[name] = fitted(data.val, channels, size), fitted(data.test, channels, size)
    return domain_report(model, dataset, foreign, getattr(arguments, "seed", 0))


def _mixture_report(arguments: argparse.Namespace, model, dataset):
    """The judgement of a soft mixture."""
    from vitrm.judge.mixture import mixture_report

    if arguments.save and (arguments.data or arguments.split != "test"):
        raise ConfigError(
            "--mixture --save keeps what a model is worth on its own test split; leave out --data and --split"
        )
    return mixture_report(model, dataset.split(arguments.split))


def _print_mixture(report) -> None:
    print(f"\n{report.verdict}\n{report.comparison}")
    print("weight of each recursion step, mean and standard deviation over tokens:")
    for one in report.token_weights:
        steps = "  ".join(f"{mean:.2f} ± {spread:.2f}" for mean, spread in zip(one.mean, one.spread, strict=True))
        print(f"  stage {one.stage}, {one.tokens:11}  {steps}  entropy {100 * one.entropy:.0f} % of ln R")
    print("accuracy % if the recursion ends after each step, with its own mixture of them, the last alone, the mean:")
    for r, row in enumerate(zip(report.own, report.last, report.uniform, strict=True), start=1):
        print(f"{r:4}  {'  '.join(f'{100 * value:6.2f}' for value in row)}")


def _print_domain(report) -> None:
    sizes = report.split_sizes
    print(f"\nwarning about foreign images, by {' and '.join(part.score for part in report.parts)}")
    print(
        f"  false alarms on validation: {100 * report.val_false_alarms:.1f} % (n = {sizes['val']:,}; by its threshold)"
    )
    print(f"  false alarms on test: {100 * report.test_false_alarms:.1f} % (n = {sizes['test']:,})")
    print(f"  caught while choosing: {', '.join(f'{k} {100 * v:.1f} %' for k, v in report.candidates.items())}")
    for foreign in report.sets:
        print(f"  caught of {foreign.name} (n = {foreign.n:,}): {100 * foreign.detected:.1f} %")


def _print_halting(report) -> None:
    chosen, everything, sizes = report.chosen, report.anytime[-1], report.split_sizes
    print(f"\n{report.verdict}")
    areas = (
        "–" if area is None else f"{area:.3f} ({low:.3f} to {high:.3f})"
        for area, (low, high) in zip(
            (report.pooled_auroc, *report.halt_auroc),
            (i or (0, 0) for i in (report.pooled_auroc_interval, *report.halt_auroc_interval)),
            strict=True,
        )
    )
    print(f"AUROC of the halting logit on test, with 95 % bootstrap interval: all steps {next(areas)}", end="")
    print("".join(f"; step {n} {area}" for n, area in enumerate(areas, start=1)))
    print(f"thresholds chosen on validation (n = {sizes['val']:,}), applied once to test (n = {sizes['test']:,}):")
    rules = {"learned halting": chosen} | {f"rule {name}": point for name, point in report.competitors.items()}
    for name, point in ({"every step": everything} | rules).items():
        print(
            f"  {name:16} {100 * point.accuracy:.2f} %, {point.mean_steps:.2f} of {len(report.anytime)} steps, "
            f"{point.mean_multiply_adds / everything.mean_multiply_adds:.2f} of the multiply-adds"
            + ("" if point is everything else f", threshold {point.threshold:.4f}")
        )
    print(f"  learned halting's exits dealt out at random: {100 * report.random_exit_accuracy:.2f} %")
    print(f"  perfect halting: {100 * report.oracle.accuracy:.2f} % after {report.oracle.mean_steps:.2f} steps")
    for out in report.exits:
        right = "" if out.accuracy is None else f", {100 * out.accuracy:.1f} % of them right"
        print(f"  left after step {out.step}: {100 * out.share:.1f} %{right}")
    print(f"  right after some step and wrong after the last: {report.made_worse_count} images")
    print(report.comparison)


def _finish(arguments: argparse.Namespace, overrides: dict[str, str]) -> int:
    from vitrm.runs.checkpoints import find_run

    _no_settings(overrides, "finish takes no settings")
    run = find_run(arguments.name)
    if run.is_complete:
        raise ConfigError(f"'{run.path}' is complete already")
    run.acquire()
    try:
        return _finish_held(run, arguments)
    finally:
        run.release()


def _finish_held(run, arguments: argparse.Namespace) -> int:
    from vitrm.training.trainer import Finished

    device, config = _device(arguments), run.config()
    ends = [event for event in run.metrics() if event["event"] == "EpochEnd"]
    if not ends:
        raise ConfigError(f"'{run.path}' has not finished its first epoch; there are no weights to test")
    last, best = ends[-1], next(end for end in reversed(ends) if end["best"])
    finished = Finished(
        reason=f"stopped after epoch {last['epoch']} of {config.train.epochs}",
        epoch=last["epoch"],
        best_epoch=best["epoch"],
        best_val_accuracy=best["val_accuracy"][-1],
        seconds=last["seconds"],
    )
    before = run.status()
    run.set_status("finishing")
    try:
        summary = _summary(run, _load_data(config, arguments.data_root), finished, device)
    except BaseException as error:
        run.set_status(before["status"] or "stopped", str(error))
        raise
    run.record(finished)
    run.finish(summary)
    print((run.path / "README.md").read_text(encoding="utf-8"))
    return 0


def _export(arguments: argparse.Namespace, overrides: dict[str, str]) -> int:
    from vitrm.judge.halting import halting_report
    from vitrm.judge.mixture import mixture_report
    from vitrm.runs.checkpoints import find_run
    from vitrm.runs.export import check_onnx, export, save_onnx
    from vitrm.traces.recording import gallery, mixture_gallery

    _no_settings(overrides, "export takes no settings")
    if arguments.onnx:
        check_onnx()
    run = export(
        find_run(arguments.name), arguments.folder, arguments.bf16, arguments.data_name, hub=arguments.hugging_face
    )
    if arguments.onnx:
        save_onnx(run.load_model(), run.path / "model.onnx")
    if arguments.gallery or arguments.halting or arguments.mixture or arguments.domain is not None:
        dataset, model = _load_data(run.config(), arguments.data_root), run.load_model()
        if arguments.gallery and model.config.mixes:
            run.save_mixtures(mixture_gallery(model, dataset.test, arguments.gallery))
        elif arguments.gallery:
            run.save_gallery(gallery(model, dataset.test, arguments.gallery))
        if arguments.halting:
            shown = dataset.test if arguments.gallery else None  # images that may be passed on
            run.save_halting(halting_report(model, dataset.val, dataset.test), shown)
        if arguments.mixture:
            run.save_mixture(mixture_report(model, dataset.test))
        if arguments.domain is not None:
            run.save_domain(_domain_report(arguments, model, dataset))
    print(f"exported to {run.path}")
    return 0


def _download(arguments: argparse.Namespace, overrides: dict[str, str]) -> int:
    from vitrm.data.dataset import load_dataset

    _no_settings(overrides, "download takes no settings")
    grey = arguments.data == "fashion_mnist"
    dataset = load_dataset(arguments.data, 28 if grey else 32, 1 if grey else 3, root=arguments.data_root)
    print(f"{arguments.data} is in '{arguments.data_root}': {len(dataset.train) + len(dataset.val):,} training images")
    return 0


def _sweep(arguments: argparse.Namespace, overrides: dict[str, str]) -> int:
    import shutil

    from vitrm.sweep import run as sweep

    lists = ("batch_sizes", "memory_steps", "supervision_steps", "recursion_depths")
    given = {name: getattr(arguments, name) for name in lists}
    cells = sweep.grid(
        arguments.kind,
        arguments.presets,
        arguments.seeds,
        overrides,
        **{name: values for name, values in given.items() if values},
    )
    devices = _devices(arguments.devices)
    name = arguments.name or f"sweep-{arguments.kind}"
    whole = sweep.Sweep(
        kind=arguments.kind,
        folder=Path(arguments.runs) / name,
        cells=cells,
        data=arguments.data,
        budget_minutes=arguments.budget_minutes,
        devices=devices,
        threads=arguments.threads or max(1, min(os.cpu_count() or 1, 8) // len(devices)),
        data_root=arguments.data_root,
    )
    print(f"{len(cells)} trainings on {', '.join(devices)}, into {whole.folder}; stop with Ctrl-C, repeat to continue")
    terminate = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        complete = sweep.run(whole, report=lambda line: print(line, flush=True))
    except KeyboardInterrupt:
        print("stopped and saved; the same command continues")
        return 130
    finally:
        signal.signal(signal.SIGTERM, terminate)
        for suffix in ("csv", "md") if arguments.results else ():
            if (whole.folder / f"table.{suffix}").exists():
                Path(arguments.results).mkdir(parents=True, exist_ok=True)
                shutil.copyfile(whole.folder / f"table.{suffix}", Path(arguments.results) / f"{name}.{suffix}")
    print((whole.folder / "table.md").read_text(encoding="utf-8"))
    return 0 if complete else 1


def _devices(names: Sequence[str]) -> tuple[str, ...]:
    """The devices that a sweep works on: every GPU there is, for "auto". Raises ConfigError for one that is not."""
    import torch

    if list(names) == ["auto"]:
        gpus = tuple(f"cuda:{i}" for i in range(torch.cuda.device_count()))
        return gpus or (_device(argparse.Namespace(device="auto", threads=1)),)
    for name in names:
        _device(argparse.Namespace(device=name, threads=1))
    return tuple(names)


def _bench(arguments: argparse.Namespace, overrides: dict[str, str]) -> int:
    from vitrm.bench import bench, bench_halting, bench_training, halting_table, table, training_table
    from vitrm.runs.checkpoints import find_run

    device, show = _device(arguments), table
    training = arguments.training or (device.startswith("cuda") and not arguments.halting)
    if not training:
        _no_settings(overrides, "only bench --training takes settings")
    if arguments.halting:
        run = find_run(arguments.halting)
        split = _load_data(run.config(), arguments.data_root).test
        result, show = bench_halting(run, split, device, arguments.repeats), halting_table
    elif training:
        result = bench_training(
            arguments.presets or ["paper"],
            device,
            arguments.repeats,
            batch_sizes=arguments.batch_sizes,
            settings=overrides,
            profiled=arguments.profile,
        )
        show = training_table
    else:
        result = bench(arguments.presets or ["paper", "tiny", "digits"], device, arguments.repeats)
    print(json.dumps(result) if arguments.json else show(result))
    return 0


# What they share


def _device(arguments: argparse.Namespace) -> str:
    """The device to use; also sets the number of CPU threads. Raises ConfigError if it is not there."""
    import torch

    torch.set_num_threads(arguments.threads)
    here = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if arguments.device == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if here[name])
    try:
        torch.empty(1, device=arguments.device)
    except (RuntimeError, AssertionError):  # no such device, not built for it, or not so many of it
        usable = ", ".join(name for name, found in here.items() if found)
        raise ConfigError(f"device '{arguments.device}' is not available here; usable: {usable}") from None
    if arguments.device.startswith("cuda:"):
        torch.cuda.set_device(arguments.device)  # streams and events belong to the current one
    return arguments.device


def _load_data(config: Config, root: str):
    from vitrm.data.dataset import load_dataset

    model, data = config.model, config.data
    dataset = load_dataset(
        data.source,
        model.image_size,
        model.channels,
        val_fraction=data.val_fraction,
        split_seed=data.split_seed,
        train_images=data.train_images,
        root=root,
        memory_gb=data.memory_gb,
        say=lambda line: print(line, file=sys.stderr, flush=True),
    )
    if dataset.skipped:
        print(f"{len(dataset.skipped)} unreadable images skipped:", file=sys.stderr)
        for line in dataset.skipped[:20]:
            print(f"  {line}", file=sys.stderr)
        if len(dataset.skipped) > 20:
            print(f"  and {len(dataset.skipped) - 20} more", file=sys.stderr)
    return dataset


def _summary(run, dataset, finished, device: str) -> dict[str, Any]:
    """The run's last word. Test is touched here, once, with the weights that validation chose."""
    from vitrm.judge.evaluation import evaluate

    model, config = run.load_model(device), run.config()
    steps = config.model.supervision_steps
    scores = evaluate(model, model.transform, dataset.test, 2 * steps if steps > 1 else 1)
    return {
        "data": config.data.source,
        "split_sizes": {name: len(dataset.split(name)) for name in ("train", "val", "test")},
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


def _command_line(processes: int) -> str:
    """What was typed, for the model card."""
    return shlex.join([*_launcher(processes), *sys.argv[1:]])


def _launcher(processes: int) -> list[str]:
    """The words that `vitrm` is started with in so many processes, as this one was."""
    if processes == 1:
        return ["vitrm"]
    here = int(os.environ.get("LOCAL_WORLD_SIZE", processes))
    nodes = [f"--nnodes={processes // here}"] if processes > here else []
    return ["torchrun", *nodes, f"--nproc-per-node={here}", "-m", "vitrm"]


class _Bar:
    """Progress on the terminal: one bar for the run on a screen, one line per epoch in a log."""

    def __init__(self, trainer) -> None:
        from tqdm import tqdm

        total = trainer.config.train.epochs * trainer.batches
        done = trainer.epoch * trainer.batches + trainer.batch
        self.batches, self.screen = trainer.batches, sys.stderr.isatty()
        self.bar = tqdm(total=total, initial=done, unit="batch", disable=not self.screen, dynamic_ncols=True)

    def show(self, event: Any) -> None:
        name = type(event).__name__
        if name == "Progress":
            self.bar.set_description(f"epoch {event.epoch}")
            recursion = f"halting {_list(event.halt_prob, 2)} |z| {event.memory_norm:.1f} " if event.halt_prob else ""
            self.bar.set_postfix_str(
                f"loss {_list(event.loss, 2)} accuracy % {_list([100 * a for a in event.accuracy], 0)} "
                f"{recursion}{event.images_per_s:.0f} images/s {event.time_left_s / 60:.1f} min left"
            )
            self.bar.n = (event.epoch - 1) * self.batches + event.batch
            self.bar.refresh()
        elif name == "EpochEnd":
            halting = f"halting {_list(event.val_halt_prob, 2)}, " if event.val_halt_prob else ""
            self.bar.write(
                f"epoch {event.epoch}: loss {_list(event.train_loss, 3)}; validation accuracy % "
                f"{_list([100 * a for a in event.val_accuracy], 1)}, {halting}"
                f"{event.seconds:.0f} s{', best so far' if event.best else ''}"
            )

    def close(self) -> None:
        self.bar.close()


def _list(values: Sequence[float], digits: int) -> str:
    return " ".join(f"{value:.{digits}f}" for value in values)


def entry() -> None:
    """The console script."""
    sys.exit(main())
