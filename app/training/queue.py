"""Trainings that the app starts: `vitrm train` in processes of their own, and the queue in front of them.

Everything is in the run folders: whoever waits is a folder with a job.json and no process, whoever trains is a folder
whose lock is held. So nothing is lost when the app ends, and a training started in a terminal is like any other.
One thread of one server (the one that holds the queue's own lock) starts what waits; no browser is involved.
"""

from __future__ import annotations

import contextlib
import math
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from app.training.estimates import Estimates
from app.training.limits import Limits
from app.training.process import exists, killed, last_line, launch
from vitrm.config import Config
from vitrm.errors import ConfigError, RunError, VitrmError
from vitrm.places import home
from vitrm.runs.folder import Run
from vitrm.runs.state import Failure, State
from vitrm.training.commands import train_words

TICK_S = 0.25
RESCAN_S = 3.0  # folders in which nothing is going on are looked at less often
ANSWER_S = 0.8  # a process answers an order within that, or a little later
START_S = 120.0  # a process that has not begun by then never will
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,59}")
_AT_REST = (State.STOPPED, State.INTERRUPTED, State.FAILED, State.FINISHED)


@dataclass(frozen=True)
class Training:
    """A run as the queue sees it."""

    name: str
    state: State | None  # as `Run.state`
    cause: str | None = None  # why it failed, or was interrupted
    diverged: bool = False  # that is why it failed: continuing would only do that again
    asked_at: float = 0.0  # seconds since 1970; 0 for a run from a terminal
    visitor: str | None = None  # whose it is; None for a run from a terminal
    position: int = 0  # in the queue, from 1; 0: not waiting
    fingerprint: str | None = None  # of its settings, where they are known

    @property
    def is_active(self) -> bool:
        """Whether something is going on, or about to."""
        return self.state is not None and self.state.is_active


class Trainings:
    """The queue and what it started, for one folder of runs. Every method may be called from any thread."""

    def __init__(
        self,
        runs: str | Path | None = None,
        limits: Limits | None = None,
        *,
        launch: Callable[[Sequence[str], Path], subprocess.Popen] = launch,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.runs, self.limits = Path(runs or home() / "runs"), limits or Limits.from_environment()
        self.launch, self.clock = launch, clock
        self.known: dict[str, Training] = {}  # replaced as a whole by every look, never changed
        self.children: list[tuple[str, subprocess.Popen]] = []  # started here, not yet seen to have ended
        self._owner = Run(self.runs / ".queue")  # whoever holds this folder's lock starts what waits
        self.owns = False  # whether this one does
        self._tried = self._scanned = -math.inf
        self._clocks = {}
        self._lock, self._ended = threading.RLock(), threading.Event()
        self._thread: threading.Thread | None = None
        self.estimates = Estimates(self.limits)

    def start(self) -> Trainings:
        """Begin to look after the queue, in a thread of its own."""
        self.look(everything=True)
        self._thread = threading.Thread(target=self._watch, name="trainings", daemon=True)
        self._thread.start()
        return self

    def close(self) -> None:
        """Let another server look after the queue. What is training goes on."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        self._owner.release()
        self.estimates.close()

    # What visitors ask for

    def train(self, config: Config, visitor: str, *, device: str = "auto", join: bool = True) -> str:
        """The name of the run that trains this, now or when its turn comes.

        That is a run which trains the same already, if there is one and `join` allows it. Raises ConfigError if the
        limits forbid it, or the visitor has another run waiting.
        """
        with self._lock:
            self.look(everything=True)
            same = self.same(config) if join else None
            if same is not None:
                return same
            self.limits.check(config)
            self.limits.check_size(config)
            self._may_wait(visitor)
            words = train_words(config)
            name = self._free_name(words[1])
            words += ["--name", name, "--runs", str(self.runs)]
            words += ["--device", device, "--threads", str(self.limits.cpu_threads)]
            self._queue(name, words, visitor, config.fingerprint())
            return name

    def resume(self, name: str, visitor: str) -> None:
        """Continue a stopped, failed or interrupted run from its last saved state, when its turn comes."""
        with self._lock:
            run = self.run(name)
            if not run.resumable:
                raise RunError(f"'{name}' has no saved state: it ended before its first 20 seconds; start it anew")
            self._again(name, ["train", "--resume", str(run.path), "--device", self._device(run)], visitor)

    def retry(self, name: str, visitor: str) -> None:
        """Ask again for a training that could not begin, as it was asked for."""
        with self._lock:
            run = self._at_rest(name)
            self._may_wait(visitor)
            run.save_job((run.job() or {}) | {"state": State.WAITING, "asked_at": time.time(), "cause": None})
            self.look(everything=True)

    def finish(self, name: str, visitor: str) -> None:
        """End a stopped run as it is: test its best weights and write its model card."""
        with self._lock:
            self._again(name, ["finish", str(self.run(name).path), "--device", "cpu"], visitor)

    def same(self, config: Config) -> str | None:
        """A run that trains, or waits to train, exactly this."""
        wanted = config.fingerprint()
        return next((job.name for job in self.known.values() if job.is_active and job.fingerprint == wanted), None)

    def leave(self, name: str) -> None:
        """Take a waiting run out of the queue."""
        with self._lock:
            run = self.run(name)
            if run.state is not State.WAITING:
                raise RunError(f"'{name}' is not waiting any more")
            if (run.job() or {}).get("fresh"):
                shutil.rmtree(run.path)
            else:
                run.save_job(run.job() | {"state": "begun"})
            self.look(everything=True)

    def ask(self, name: str, order: str) -> None:
        """Ask a training for one of `vitrm.runs.folder.ORDERS`. Raises RunError if none is going on."""
        run = self.run(name)
        if not run.is_running:
            raise RunError(f"no process is training “{name}” any more")
        before = run.metrics_size
        run.ask(order)
        done = {"pause": (State.PAUSED,), "go": (State.RUNNING,), "step": ()}.get(order, _AT_REST)
        last = time.monotonic() + ANSWER_S  # what it answers is worth waiting for
        while run.state not in done and (order != "step" or run.metrics_size == before) and time.monotonic() < last:
            time.sleep(0.02)
        self.look(everything=True)

    def restart(self, name: str, visitor: str) -> str:
        """Train the same again from its beginning, as a new run; the one that may be training is stopped and saved."""
        with self._lock:
            run = self.run(name)
            config, device = run.config(), self._device(run)
            if run.is_running:
                run.ask("stop")
            return self.train(config, visitor, device=device, join=False)

    def rename(self, name: str, new: str) -> None:
        """Give a run that is at rest another name."""
        with self._lock:
            run = self._at_rest(name)
            new = checked_name(new)
            if (self.runs / new).exists():
                raise RunError(f"there is a run “{new}” already; choose another name")
            run.path.rename(self.runs / new)
            self.look(everything=True)

    def delete(self, name: str) -> None:
        """Remove a run that is at rest, with all its files."""
        with self._lock:
            shutil.rmtree(self._at_rest(name).path)
            self.look(everything=True)

    def run(self, name: str) -> Run:
        """The folder of a run. Raises RunError if there is none of that name."""
        path = self.runs / checked_name(name)
        if not path.is_dir():
            raise RunError(f"there is no run “{name}” in {self.runs}")
        return Run(path)

    def _may_wait(self, visitor: str) -> None:
        own = [job.name for job in self.known.values() if job.state is State.WAITING and job.visitor == visitor]
        if own:
            raise ConfigError(f"your run “{own[0]}” is waiting already; take it out of the queue to ask for another")
        used = sum(run.bytes for run in map(Run, self._folders())) / 2**20
        if self.limits.disk_mb and used > self.limits.disk_mb:
            raise ConfigError(
                f"the runs take {used:,.0f} MB, more than the {self.limits.disk_mb:,.0f} MB this server allows; "
                "delete some first"
            )

    def _again(self, name: str, words: list[str], visitor: str) -> None:
        run = self.run(name)
        if _is_active(run) or run.is_complete:
            raise RunError(f"“{name}” is {run.state}; there is nothing to continue")
        self._may_wait(visitor)
        with contextlib.suppress(RunError):
            owner = (run.job() or {}).get("visitor")
            visitor = owner or visitor
        words += ["--threads", str(self.limits.cpu_threads)]
        self._queue(name, words, visitor, run.config().fingerprint(), fresh=False)

    def _queue(self, name: str, words: list[str], visitor: str, fingerprint: str, *, fresh: bool = True) -> None:
        job = {"state": State.WAITING, "words": words, "visitor": visitor, "asked_at": time.time(), "fresh": fresh,
               "fingerprint": fingerprint}  # fmt: skip
        Run(self.runs / name).save_job(job)
        self.look(everything=True)

    def _free_name(self, preset: str) -> str:
        name = f"{preset}-{time.strftime('%Y%m%d-%H%M%S')}"
        taken = [file.name for file in self._folders()]
        return next(each for each in (name, *(f"{name}-{k}" for k in range(2, 10_000))) if each not in taken)

    def _at_rest(self, name: str) -> Run:
        run = self.run(name)
        if _is_active(run) or run.is_running:
            raise RunError(f"“{name}” is {run.state}; stop it first")
        return run

    def _device(self, run: Run) -> str:
        words = (run.job() or {}).get("words", [])
        return words[words.index("--device") + 1] if "--device" in words else "auto"

    # What the thread does

    def _watch(self) -> None:
        while not self._ended.wait(TICK_S):
            with contextlib.suppress(OSError, VitrmError):  # a full disk, a folder that somebody removed just now
                self.tick()

    def tick(self) -> None:
        """One look at everything, and one thing started if there is room."""
        with self._lock:
            self.look()
            if not self.owns:
                self._take_over()
            if not self.owns:
                return
            self._reap()
            self._enforce()
            alive = [job for job in self.known.values() if job.state and job.state.is_alive]
            waiting = sorted((job for job in self.known.values() if job.position), key=lambda job: job.position)
            if waiting and len(alive) < self.limits.at_once:
                self._launch(waiting[0].name)

    def look(self, everything: bool = False) -> None:
        """Find out how every run is doing; what is at rest only every few seconds."""
        now = self.clock()
        with self._lock:
            everything = everything or now - self._scanned > RESCAN_S
            folders = {file.name: file for file in self._folders()}
            found = {}
            for name, folder in folders.items():
                known = self.known.get(name)
                if everything or known is None or known.is_active:
                    job = self._see(Run(folder), known)
                    if job is not None:
                        found[name] = job
                else:
                    found[name] = known
            if everything:
                self._scanned = now
            queue = sorted((j for j in found.values() if j.state is State.WAITING), key=lambda j: (j.asked_at, j.name))
            found |= {job.name: replace(job, position=k) for k, job in enumerate(queue, start=1)}
            self.known = found

    def _folders(self) -> list[Path]:
        if not self.runs.is_dir():
            return []
        return sorted(file for file in self.runs.iterdir() if file.is_dir() and not file.name.startswith("."))

    def _see(self, run: Run, known: Training | None) -> Training | None:
        """None for a folder that is no run."""
        try:
            state, job = run.state, run.job() or {}
            fingerprint = job.get("fingerprint") or (known and known.fingerprint)
            if fingerprint is None and run.has_config:
                fingerprint = run.config().fingerprint()
            if state is None and fingerprint is None:
                return None
            cause = run.status()["cause"] or job.get("cause")
            if state is State.INTERRUPTED:
                cause = job.get("cause") or "its process ended without a word: killed, out of memory, or power was lost"
            diverged = run.status()["failure"] == Failure.DIVERGED and state is State.FAILED
            return Training(
                run.name, state, cause, diverged, job.get("asked_at", 0.0), job.get("visitor"), 0, fingerprint
            )
        except RunError as error:
            return Training(run.name, State.FAILED, str(error))

    def _take_over(self) -> None:
        if self.clock() - self._tried < RESCAN_S:
            return
        self._tried = self.clock()
        with contextlib.suppress(RunError):
            self._owner.acquire(patience_s=0.0)
            self.owns = True

    def _launch(self, name: str) -> None:
        run = Run(self.runs / name)
        job = run.job()
        run.forget_orders()
        job |= {"state": State.STARTING, "started_at": time.time(), "cause": None}
        run.save_job(job)
        child = self.launch(job["words"], run.output)
        self.children.append((name, child))
        run.save_job(job | {"pid": child.pid})
        self.look(everything=True)

    def _reap(self) -> None:
        """Note which processes have ended, and how."""
        for name, child in list(self.children):
            code = child.poll()
            if code is None:
                continue
            self.children.remove((name, child))
            run = Run(self.runs / name)
            if run.path.is_dir():
                self._ended_with(run, code)
        own = {name for name, _ in self.children}
        for name, job in self.known.items():
            if job.state is State.STARTING and name not in own:  # an app that is no more started it
                run = Run(self.runs / name)
                job_file = run.job() or {}
                late = time.time() - job_file.get("started_at", 0) > START_S
                if job_file.get("state") == State.STARTING and (late or not exists(job_file.get("pid"))):
                    self._ended_with(run, None)

    def _ended_with(self, run: Run, code: int | None) -> None:
        """A process is over. Where it could not say why, that is noted: before it had begun, or when it was killed."""
        job = run.job() or {}
        cause = killed(-code) if code is not None and code < 0 else last_line(run.output)
        if job.get("state") == State.STARTING:
            run.save_job(job | {"state": State.FAILED, "cause": cause})
            if run.has_config:
                run.set_status(State.FAILED, cause)
        elif run.state is State.INTERRUPTED:
            run.save_job(job | {"cause": cause})
        self.look(everything=True)

    def _enforce(self) -> None:
        """Stop what has trained, or kept others waiting, for longer than is allowed."""
        waiting = any(job.position for job in self.known.values())
        now = self.clock()
        for name, job in self.known.items():
            if job.state is State.PAUSED and waiting and self.limits.pause_minutes:
                began = self._clocks.setdefault((name, "paused"), now)
                if now - began > 60 * self.limits.pause_minutes:
                    self._stop(name, f"Stopped: paused for {self.limits.pause_minutes:g} minutes while others wait.")
            else:
                self._clocks.pop((name, "paused"), None)
            if job.state is State.RUNNING and job.visitor is not None and self.limits.minutes:
                trained, since = self._clocks.get((name, "running"), (0.0, now))
                trained += min(now - since, 1.0)
                self._clocks[name, "running"] = (trained, now)
                if trained > 60 * self.limits.minutes:
                    self._stop(name, f"Stopped after {self.limits.minutes:g} minutes, the limit of this server.")

    def _stop(self, name: str, why: str) -> None:
        run = Run(self.runs / name)
        if run.control()["wanted"] == "stop":
            return
        run.ask("stop")
        job = run.job()
        if job is not None:
            run.save_job(job | {"cause": why})


def checked_name(name: str) -> str:
    """The name of a run, if it can be one. Raises RunError if not; no name leads out of the folder of runs."""
    name = name.strip()
    if not NAME.fullmatch(name):
        raise RunError(f"“{name[:80]}” cannot be a name; use letters, digits, blanks, . _ - and begin with a letter")
    return name


def _is_active(run: Run) -> bool:
    state = run.state
    return state is not None and state.is_active
