"""How each run is doing, as far as its folder says so: what cannot be read is a run that failed, and says why."""

from __future__ import annotations

import logging
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

from app.training.jobs import Jobs
from vitrm.errors import RunError, VitrmError
from vitrm.places import ROOT
from vitrm.runs.folder import Run
from vitrm.runs.state import Failure, State
from vitrm.runs.strays import stray

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,59}")
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Training:
    """A run as the queue sees it."""

    name: str
    state: State | None  # as `Run.state`
    cause: str | None = None  # why it failed, or was interrupted
    diverged: bool = False  # that is why it failed: continuing would only do that again
    asked_at: float = 0.0  # seconds since 1970; 0 for a run from a terminal
    visitor: str | None = None  # whose it is; None for a run from a terminal, or from elsewhere
    position: int = 0  # in the queue, from 1; 0: not waiting
    fingerprint: str | None = None  # of its settings, where they are known
    source: str | None = None  # of its data, likewise
    is_readable: bool = True  # otherwise its cause is all there is to show

    @property
    def is_active(self) -> bool:
        """Whether something is going on, or about to."""
        return self.state is not None and self.state.is_active


def folders(runs: Path) -> list[Path]:
    """The folders in which there may be runs: those that are hidden, or links, are none."""
    if not runs.is_dir():
        return []
    with os.scandir(runs) as entries:
        names = [each.name for each in entries if each.is_dir(follow_symlinks=False)]
    return [runs / name for name in sorted(names) if not name.startswith(".")]


def see(run: Run, jobs: Jobs, known: Training | None, aside: str | None) -> Training | None:
    """How a run is doing; None for a folder that is no run.

    `known` is what was seen before; `aside` is why the queue could not handle it.
    """
    try:
        return _read(run, jobs, known, aside)
    except Exception as error:  # whatever is in that folder, the others have nothing to do with it
        why = in_words(error)
        if is_fault(error) and (known is None or known.cause != why):
            _LOG.warning("the run '%s' cannot be read", run.path, exc_info=True)
        return Training(run.name, State.FAILED, why, is_readable=False)


def _read(run: Run, jobs: Jobs, known: Training | None, aside: str | None) -> Training | None:
    if stray(run.path) is not None:
        return Training(run.name, State.FAILED, strayed(run), is_readable=False)
    job, why = None, None
    try:
        job = jobs.read(run)
    except RunError as error:
        why = str(error)
    state = run.state
    if job is None and state in (State.WAITING, State.STARTING) and not run.is_running:
        return Training(run.name, State.FAILED, why)  # only a job of the queue's own waits
    fingerprint, source = (known.fingerprint, known.source) if known is not None else (None, None)
    if job is not None or (fingerprint is None and run.has_config):
        config = job.asked.config if job is not None else run.config()
        fingerprint, source = config.fingerprint(), config.data.source
    if state is None and fingerprint is None:
        return None
    status, noted = run.status(), job.cause if job is not None else None
    cause = status["cause"] or noted
    if state is State.INTERRUPTED:
        cause = noted or "its process ended without a word: killed, out of memory, or power was lost"
    if state is State.WAITING:
        cause = aside
    diverged = status["failure"] == Failure.DIVERGED and state is State.FAILED
    at, visitor = (job.asked.at, job.asked.visitor) if job is not None else (0.0, None)
    return Training(run.name, state, cause, diverged, at, visitor, 0, fingerprint, source)


def checked_name(name: str) -> str:
    """The name of a run, if it can be one. Raises RunError if not; no name leads out of the folder of runs."""
    name = name.strip()
    if not NAME.fullmatch(name):
        raise RunError(f"“{name[:80]}” cannot be a name; use letters, digits, blanks, . _ - and begin with a letter")
    return name


def new_name(runs: Path, name: str) -> str:
    """The name of a run that there is none of yet. Raises RunError if there is, or a model that comes with the app."""
    name = checked_name(name)
    if os.path.lexists(runs / name):
        raise RunError(f"there is a run “{name}” already; choose another name")
    if (ROOT / "checkpoints" / name).exists():  # everybody's pages and lessons would show the run in its place
        raise RunError(f"“{name}” is the name of a model that comes with this app; choose another name")
    return name


def free_name(runs: Path, preset: str) -> str:
    """A name for a new run in a folder of runs: its preset and the time."""
    name = f"{preset}-{time.strftime('%Y%m%d-%H%M%S')}"
    each = (name, *(f"{name}-{k}" for k in range(2, 10_000)))
    return next(name for name in each if not os.path.lexists(runs / name))


def strayed(run: Run) -> str:
    """Why a run with a link in it is not read."""
    return f"“{stray(run.path)}” in it is a link or a device, which this app never follows; remove it, or the run"


def is_fault(error: Exception) -> bool:
    """Whether an error is neither the visitors' to mend nor the system's: then where it came from is worth logging."""
    return not isinstance(error, VitrmError | OSError)


def in_words(error: Exception) -> str:
    """What is said of an error on the page."""
    return str(error) if not is_fault(error) else f"this app failed at it ({type(error).__name__}: {error})"[:400]
