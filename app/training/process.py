"""Processes that the queue starts, and what is known of those that have ended."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from app.training.clocks import Clocks, Seen
from app.training.jobs import Jobs
from app.training.limits import Limits
from app.training.seen import in_words, strayed
from vitrm.errors import RunError, VitrmError
from vitrm.process import start_vitrm
from vitrm.runs.folder import Run
from vitrm.runs.state import State
from vitrm.runs.strays import stray


class Processes:
    """Those of the runs in one folder. What comes of each is noted in its job.json, or by itself in its status."""

    def __init__(
        self,
        runs: Path,
        limits: Limits,
        jobs: Jobs,
        clocks: Clocks,
        launch: Callable[[Sequence[str], Path], subprocess.Popen],
    ) -> None:
        self.runs, self.limits, self.launch = runs, limits, launch
        self._jobs, self._clocks = jobs, clocks
        self.started: list[tuple[str, subprocess.Popen]] = []  # by this server, not yet seen to have ended

    def begin(self, name: str) -> None:
        """Start what was asked for. Raises RunError if that is not known, OSError if there can be no process now."""
        run = Run(self.runs / name)
        job = self._jobs.read(run)
        if job is None or stray(run.path):
            raise RunError(strayed(run) if job else f"what “{name}” was asked for is not known; start it anew")
        try:
            words = job.asked.words(run, self.limits)
        except VitrmError as error:
            self._jobs.write(run, replace(job, state="failed", cause=str(error)))
            return
        run.forget_orders()
        job = replace(job, state="starting", cause=None)
        self._jobs.write(run, job)
        try:
            child = self.launch(words, run.output)
        except Exception as error:  # no memory, no more processes
            self._jobs.write(run, replace(job, state="failed", cause=in_words(error)))
            raise
        self.started.append((name, child))
        self._jobs.write(run, replace(job, pid=child.pid))

    def over(self, known: Mapping[str, Seen]) -> list[tuple[str, Callable[[], None]]]:
        """The runs whose process may have ended since the last time, each with what notes how."""
        ended = [(each, code) for each in self.started if (code := each[1].poll()) is not None]
        for each, _ in ended:
            self.started.remove(each)
        own = {name for name, _ in self.started}
        strangers = [name for name, job in known.items() if job.state is State.STARTING and name not in own]
        return [
            *((name, partial(self._ended_with, Run(self.runs / name), code)) for (name, _), code in ended),
            *((name, partial(self._left_behind, Run(self.runs / name))) for name in strangers),
        ]

    def stop(self, name: str, why: str) -> None:
        """Ask a run to stop, once, and note the reason."""
        run = Run(self.runs / name)
        if run.control()["wanted"] == "stop":
            return
        run.ask("stop")
        if (job := self._jobs.read(run)) is not None:
            self._jobs.write(run, replace(job, cause=why))

    def _left_behind(self, run: Run) -> None:
        """What an app that is no more had started, or one that this server has just seen to its end."""
        job = self._jobs.read(run)
        if job is not None and job.state == "starting" and (self._clocks.never_began(run.name) or not exists(job.pid)):
            self._ended_with(run, None)

    def _ended_with(self, run: Run, code: int | None) -> None:
        """A process is over. Where it could not say why, that is noted: before it had begun, or when it was killed."""
        job = self._jobs.read(run)
        cause = killed(-code) if code is not None and code < 0 else last_line(run.output)
        if job is not None and job.state == "starting":
            self._jobs.write(run, replace(job, state="failed", cause=cause))
            if run.has_config:
                run.set_status(State.FAILED, cause)
        elif job is not None and run.state is State.INTERRUPTED:
            self._jobs.write(run, replace(job, cause=cause))


def launch(words: Sequence[str], output: Path) -> subprocess.Popen:
    """Start `vitrm WORDS` in a session of its own, so that it outlives the app; what it prints goes to a file."""
    with open(output, "ab") as out:
        return start_vitrm(
            words, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )


def killed(number: int) -> str:
    """By which signal a process was ended, in words."""
    memory = "; that is how the system ends a process when memory runs out" if number == 9 else ""
    return f"its process was killed (signal {number}{memory})"


def last_line(file: Path) -> str:
    """What a process said at last, without `vitrm: `."""
    with contextlib.suppress(OSError):
        lines = file.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        if lines:
            return lines[-1].removeprefix("vitrm: ")[:500]
    return "its process ended without a word"


def exists(pid: int | None) -> bool:
    """Whether there is such a process."""
    if pid is None or os.name == "nt":
        return False
    try:
        os.kill(pid, 0)  # sends nothing
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError, TypeError):
        return False
    return True
