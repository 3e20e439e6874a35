"""`vitrm finish`: end a stopped run as it is."""

from __future__ import annotations

import argparse

from vitrm.cli.arguments import add_data_root, add_device, no_settings
from vitrm.cli.inputs import find_device, load_data
from vitrm.errors import ConfigError
from vitrm.runs.state import State


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run."""
    parser.add_argument("name")
    add_device(parser)
    add_data_root(parser)


def execute(arguments: argparse.Namespace, settings: dict[str, str]) -> int:
    """Test the best weights so far."""
    from vitrm.runs.checkpoints import find_run

    no_settings(settings, "finish takes no settings")
    run = find_run(arguments.name)
    if run.is_complete:
        raise ConfigError(f"'{run.path}' is complete already")
    run.acquire()
    try:
        return _finish_held(run, arguments)
    finally:
        run.release()


def _finish_held(run, arguments: argparse.Namespace) -> int:
    from vitrm.runs.same_data import check_data
    from vitrm.training.events import EpochEnd, Finished, events_of
    from vitrm.training.recording import summarize

    device, config = find_device(arguments), run.config()
    ends = [event for event in events_of(run.metrics()) if isinstance(event, EpochEnd)]
    if not ends:
        raise ConfigError(f"'{run.path}' has not finished its first epoch; there are no weights to test")
    last, best = ends[-1], next((end for end in reversed(ends) if end.best), ends[-1])
    finished = Finished(
        reason=f"stopped after epoch {last.epoch} of {config.train.epochs}",
        epoch=last.epoch,
        best_epoch=best.epoch,
        best_val_accuracy=best.val_accuracy[-1],
        seconds=last.seconds,
    )
    before = run.status()
    run.set_status(State.FINISHING)
    try:
        dataset = load_data(config, arguments.data_root)
        check_data(str(run.path), config, None, dataset)
        summary = summarize(run, dataset, finished, device)
    except BaseException as error:
        run.set_status(before["status"] or State.STOPPED, str(error))
        raise
    run.record(finished)
    run.finish(summary)
    print((run.path / "README.md").read_text(encoding="utf-8"))
    return 0
