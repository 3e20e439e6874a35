"""A training obeys its run folder: what `Run.ask` writes there is done here, whoever started the training and where."""

from __future__ import annotations

import _thread
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from vitrm.runs.folder import Run
from vitrm.runs.state import State
from vitrm.training.trainer import Trainer

LOOK_S = 0.1  # between two looks at the orders


@contextmanager
def obeying(run: Run, trainer: Trainer) -> Iterator[None]:
    """Have the trainer do what is asked of the run, for as long as the body lasts.

    The answer does not wait for the update in progress: the status says at once that a pause or stop is under way.
    """
    ended = threading.Event()
    watcher = threading.Thread(target=_watch, args=(run, trainer, ended), name="orders", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


def _watch(run: Run, trainer: Trainer, ended: threading.Event) -> None:
    before = {"wanted": "go", "steps": 0}
    while True:
        control = run.control()
        if control != before:
            with suppress(OSError):  # an answer that cannot be written is no reason not to obey
                _obey(run, trainer, control, int(control["steps"]) - int(before["steps"]))
            before = control
        if ended.wait(LOOK_S):
            return


def _obey(run: Run, trainer: Trainer, control: dict, steps: int) -> None:
    wanted = control["wanted"]
    if wanted == "pause":
        if not trainer.pause.active:
            run.set_status(State.PAUSING)
        trainer.hold()
        for _ in range(steps):
            trainer.step()
    elif wanted == "go":
        trainer.go()
        if not trainer.pause.active:  # the pause was taken back before it began
            run.set_status(State.RUNNING)
    elif wanted in ("stop", "stop at once"):
        run.set_status(State.STOPPING)
        trainer.stop()
        if wanted == "stop at once":
            _thread.interrupt_main(signal.SIGINT)  # as a second Ctrl-C would
