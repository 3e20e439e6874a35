"""How a run can be, and why a training can have failed. Both are strings, as the run folder has them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from vitrm.errors import RunError


class State(StrEnum):
    """How a run is."""

    WAITING = "waiting"  # in the app's queue
    STARTING = "starting"
    RUNNING = "running"
    PAUSING = "pausing"  # as soon as the update in progress is done
    PAUSED = "paused"
    STOPPING = "stopping"  # as soon as the batch in progress is done and saved
    FINISHING = "finishing"  # its best weights are tested
    STOPPED = "stopped"
    INTERRUPTED = "interrupted"  # its process is gone, without a word
    FAILED = "failed"
    FINISHED = "finished"

    @property
    def is_alive(self) -> bool:
        """Whether a process is working at it, or should be."""
        return self in (
            State.STARTING, State.RUNNING, State.PAUSING, State.PAUSED, State.STOPPING, State.FINISHING,
        )  # fmt: skip

    @property
    def is_active(self) -> bool:
        """The same, or it waits for one."""
        return self is State.WAITING or self.is_alive


class Failure(StrEnum):
    """What kind of thing ended a training."""

    DIVERGED = "diverged"  # its loss is no longer a number: to continue would only do that again
    MEMORY = "memory"
    LOST_PROCESS = "lost process"  # one of several
    SYSTEM = "system"  # a full disk, for instance
    INPUT = "input"  # settings or data that cannot be used
    FAULT = "fault"  # in this program


def state_of(name: str, file: Path) -> State:
    """The state of that name, as a file has it. Raises RunError if there is none."""
    try:
        return State(name)
    except ValueError:
        raise RunError(f"'{file}' is damaged: '{name}' is no status of a run") from None
