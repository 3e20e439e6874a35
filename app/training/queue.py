"""Trainings that the app starts: `vitrm train` in processes of their own, and the queue in front of them.

Everything is in the run folders: whoever waits is a folder with a job.json and no process, whoever trains is a folder
whose lock is held. So nothing is lost when the app ends, and a training started in a terminal is like any other.
One thread of one server (the one that holds the queue's own lock) starts what waits; no browser is involved.

Who may do what is decided here, at every act, and not by what a page offers. A run folder is data: what cannot be read
is shown as that and set aside, and the others go on.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from app import own_data, sources
from app.training.clocks import Clocks
from app.training.estimates import Estimates
from app.training.jobs import QUEUE, Asked, Job, Jobs
from app.training.limits import Limits
from app.training.process import Processes, launch
from app.training.seen import Training, checked_name, folders, free_name, in_words, is_fault, new_name, see, strayed
from app.visitors import Visitor
from vitrm.config import Config
from vitrm.errors import ConfigError, RunError
from vitrm.places import home
from vitrm.runs.folder import Run
from vitrm.runs.state import State
from vitrm.runs.strays import stray
from vitrm.training.commands import train_words

_LOG = logging.getLogger(__name__)
TICK_S = 0.25
TIDY_S = 300.0  # uploads on which nobody trained are removed as often as that
RESCAN_S = 3.0  # folders in which nothing is going on are looked at less often
ANSWER_S = 0.8  # a process answers an order within that, or a little later
_AT_REST = (State.STOPPED, State.INTERRUPTED, State.FAILED, State.FINISHED)


class Trainings:
    """The queue and what it started, for one folder of runs. Every method may be called from any thread."""

    def __init__(
        self,
        runs: str | Path | None = None,
        limits: Limits | None = None,
        *,
        launch: Callable[[Sequence[str], Path], subprocess.Popen] = launch,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.runs, self.limits = Path(runs or home() / "runs"), limits or Limits.from_environment()
        self.clock, self.now = clock, now
        self.known: dict[str, Training] = {}  # replaced as a whole by every look, never changed
        self._owner = Run(self.runs / QUEUE)  # whoever holds this folder's lock starts what waits
        self.owns = False  # whether this one does
        self._tried = self._scanned = self._tidied = -math.inf
        self._jobs, self._clocks = Jobs(self.runs), Clocks(self.limits, clock)
        self.processes = Processes(self.runs, self.limits, self._jobs, self._clocks, launch)
        self._aside: dict[str, tuple[str, float]] = {}  # what cannot be handled: why, and when to try again
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

    def check(self, config: Config, visitor: Visitor) -> None:
        """Raises ConfigError if this visitor may not have that trained, or measured, here."""
        self.limits.check(config)
        self.limits.check_places(config, visitor)

    def train(self, config: Config, visitor: Visitor, *, device: str = "auto", join: bool = True) -> str:
        """The name of the run that trains this, now or when its turn comes.

        That is a run which trains the same already, if there is one and `join` allows it. Raises ConfigError if the
        limits forbid it, or the visitor has another run waiting.
        """
        with self._lock:
            self.check(config, visitor)  # before anything is joined: it may be on another's pictures
            self.look(everything=True)
            same = self.same(config) if join else None
            if same is not None:
                return same
            self.limits.check_size(config)
            self._may_wait(visitor.number)
            sources.choose(config.data.source)
            name = free_name(self.runs, train_words(config)[1])
            self._queue(Run(self.runs / name), "train", config, device, visitor.number)
            return name

    def resume(self, name: str, visitor: Visitor) -> None:
        """Continue a stopped, failed or interrupted run from its last saved state, when its turn comes."""
        with self._lock:
            run = self._steered(name, visitor)
            if not run.resumable:
                raise RunError(f"'{name}' has no saved state: it ended before its first 20 seconds; start it anew")
            self._again(run, "resume", self._device(run), visitor)

    def retry(self, name: str, visitor: Visitor) -> None:
        """Ask again for a training that could not begin, as it was asked for."""
        with self._lock:
            run = self._steered(name, visitor)
            self._at_rest(name)
            job = self._jobs.read(run)
            if job is None or run.has_config:
                raise RunError(f"what “{name}” was asked for is not known, or has begun already; start it anew")
            self._may_wait(visitor.number)
            self._queue(run, job.asked.act, job.asked.config, job.asked.device, job.asked.visitor)

    def finish(self, name: str, visitor: Visitor) -> None:
        """End a stopped run as it is: test its best weights and write its model card."""
        with self._lock:
            self._again(self._steered(name, visitor), "finish", "cpu", visitor)

    def same(self, config: Config) -> str | None:
        """A run that trains, or waits to train, exactly this."""
        wanted = config.fingerprint()
        return next((job.name for job in self.known.values() if job.is_active and job.fingerprint == wanted), None)

    def leave(self, name: str, visitor: Visitor) -> None:
        """Take a waiting run out of the queue."""
        with self._lock:
            run = self._steered(name, visitor)
            self.look(everything=True)
            if self.known[name].state is not State.WAITING:
                raise RunError(f"'{name}' is not waiting any more")
            job = self._jobs.read(run)
            if job.asked.act == "train" and not run.has_config:
                shutil.rmtree(run.path)
                own_data.remove_unused(job.asked.config.data.source, self.runs)
            else:
                self._jobs.write(run, replace(job, state="begun", cause=None))
            self.look(everything=True)

    def ask(self, name: str, order: str, visitor: Visitor) -> None:
        """Ask a training for one of `vitrm.runs.folder.ORDERS`. Raises RunError if none is going on."""
        run = self._steered(name, visitor)
        if not run.is_running:
            raise RunError(f"no process is training “{name}” any more")
        before = run.metrics_size
        run.ask(order)
        done = {"pause": (State.PAUSED,), "go": (State.RUNNING,), "step": ()}.get(order, _AT_REST)
        last = time.monotonic() + ANSWER_S  # what it answers is worth waiting for
        while run.state not in done and (order != "step" or run.metrics_size == before) and time.monotonic() < last:
            time.sleep(0.02)
        self.look(everything=True)

    def restart(self, name: str, visitor: Visitor) -> str:
        """Train the same again from its beginning, as a new run; the one that may be training is stopped and saved."""
        with self._lock:
            run = self._steered(name, visitor)
            new = self.train(run.config(), visitor, device=self._device(run), join=False)
            if run.is_running:
                run.ask("stop")
            return new

    def rename(self, name: str, new: str, visitor: Visitor) -> None:
        """Give a run that is at rest another name."""
        with self._lock:
            run = self._steered(name, visitor)
            self._at_rest(name)
            new = new_name(self.runs, new)
            job = self._jobs.found(run)
            run.path.rename(self.runs / new)
            if job is not None:
                self._jobs.write(Run(self.runs / new), job)
            self.look(everything=True)

    def delete(self, name: str, visitor: Visitor) -> None:
        """Remove a run that is at rest, with all its files; what a link in it leads to stays."""
        with self._lock:
            run = self._owned(name, visitor)
            self._at_rest(name)
            source = self.known[name].source if name in self.known else None
            shutil.rmtree(run.path)
            own_data.remove_unused(source, self.runs)
            self._aside.pop(name, None)
            self.look(everything=True)

    def take_pictures(self, content: bytes, visitor: Visitor) -> Iterator[float | tuple[str, list[str]]]:
        """Keep a visitor's own pictures (`own_data.take`); nobody asks for a training while others give way."""
        return own_data.take(content, visitor, self.limits.uploads_mb, self._lock)

    def remove_pictures(self, visitor: Visitor) -> None:
        """Remove a visitor's latest pictures, if nothing was, or is to be, trained on them."""
        with self._lock:
            own_data.remove_unused(own_data.latest(visitor), self.runs)

    def run(self, name: str) -> Run:
        """The folder of a run. Raises RunError if there is none of that name."""
        path = self.runs / checked_name(name)
        if path.is_symlink() or not path.is_dir():
            raise RunError(f"there is no run “{name}” in {self.runs}")
        return Run(path)

    def _owned(self, name: str, visitor: Visitor) -> Run:
        """A run that this visitor may do something with. Raises RunError if it is somebody else's, or there is none."""
        run = self.run(name)
        if not visitor.may_control(None if stray(run.path) else self._jobs.owner(run)):
            raise RunError(f"only the browser that started “{name}”, and the teacher, can do that")
        return run

    def _steered(self, name: str, visitor: Visitor) -> Run:
        """The same for what reads it. Raises RunError also if there is a link in it."""
        run = self._owned(name, visitor)
        if stray(run.path):
            raise RunError(strayed(run))
        return run

    def _may_wait(self, visitor: str) -> None:
        own = [job.name for job in self.known.values() if job.state is State.WAITING and job.visitor == visitor]
        if own:
            raise ConfigError(f"your run “{own[0]}” is waiting already; take it out of the queue to ask for another")
        used = sum(run.bytes for run in map(Run, folders(self.runs))) / 2**20
        if self.limits.disk_mb and used > self.limits.disk_mb:
            raise ConfigError(
                f"the runs take {used:,.0f} MB, more than the {self.limits.disk_mb:,.0f} MB this server allows; "
                "delete some first"
            )

    def _again(self, run: Run, act: str, device: str, visitor: Visitor) -> None:
        self._at_rest(run.name)
        if run.is_complete:
            raise RunError(f"“{run.name}” is finished; there is nothing to continue")
        self._may_wait(visitor.number)
        config = run.config()
        self.limits.check(config)
        self._queue(run, act, config, device, self._jobs.owner(run) or visitor.number)

    def _queue(self, run: Run, act: str, config: Config, device: str, visitor: str) -> None:
        # Later than whoever waits already, even if somebody has set the clock back.
        last = max((job.asked_at for job in self.known.values() if job.state is State.WAITING), default=0.0)
        asked = Asked(act, json.dumps(config.to_dict()), device, visitor, max(self.now(), last + 1e-3))
        self._jobs.write(run, Job(asked))
        self._aside.pop(run.name, None)
        self.look(everything=True)

    def _at_rest(self, name: str) -> None:
        """Raises RunError if something is going on with a run, or about to."""
        self.look(everything=True)
        training = self.known.get(name)
        if training is not None and training.is_active:
            raise RunError(f"“{name}” is {training.state}; stop it first")

    def _device(self, run: Run) -> str:
        return job.asked.device if (job := self._jobs.found(run)) is not None else "auto"

    # What the thread does

    def _watch(self) -> None:
        said = None
        while not self._ended.wait(TICK_S):
            try:
                self.tick()
            except Exception as error:  # whatever it is, the next look is worth trying
                if str(error) != said:
                    _LOG.warning("the queue could not look after its runs: %s", error, exc_info=is_fault(error))
                said = str(error)

    def tick(self) -> None:
        """One look at everything, and one thing started if there is room."""
        if self.owns and self.clock() - self._tidied > TIDY_S:
            self._tidied = self.clock()
            own_data.tidy(lock=self._lock)
        with self._lock:
            self.look()
            if not self.owns:
                self._take_over()
            if not self.owns:
                return
            over = self.processes.over(self.known)
            for name, note in over:
                self._each(name, note)
            if over:
                self.look(everything=True)
            for name, why in self._clocks.look(self.known):
                self._each(name, lambda name=name, why=why: self.processes.stop(name, why))
            alive = [job for job in self.known.values() if job.state and job.state.is_alive]
            waiting = sorted((job for job in self.known.values() if job.position), key=lambda job: job.position)
            ready = [job.name for job in waiting if self.clock() >= self._aside.get(job.name, ("", -math.inf))[1]]
            if ready and len(alive) < self.limits.at_once:
                self._each(ready[0], lambda: self.processes.begin(ready[0]))
                self.look(everything=True)

    def look(self, everything: bool = False) -> None:
        """Find out how every run is doing; what is at rest only every few seconds."""
        now = self.clock()
        with self._lock:
            everything = everything or now - self._scanned > RESCAN_S
            found = {}
            for folder in folders(self.runs):
                name = folder.name
                known = self.known.get(name)
                if everything or known is None or known.is_active:
                    job = see(Run(folder), self._jobs, known, self._aside.get(name, (None,))[0])
                    if job is not None:
                        found[name] = job
                else:
                    found[name] = known
            if everything:
                self._scanned = now
            queue = sorted((j for j in found.values() if j.state is State.WAITING), key=lambda j: (j.asked_at, j.name))
            found |= {job.name: replace(job, position=k) for k, job in enumerate(queue, start=1)}
            self._aside = {name: each for name, each in self._aside.items() if name in found}
            self.known = found

    def _each(self, name: str, act: Callable[[], None]) -> None:
        """Do something with one run; if that goes wrong it is set aside for a while, and the others go on."""
        try:
            act()
        except Exception as error:
            why = in_words(error)
            if self._aside.get(name, ("", 0.0))[0] != why:
                _LOG.warning("the run '%s' is set aside: %s", name, why, exc_info=is_fault(error))
            self._aside[name] = why, self.clock() + RESCAN_S

    def _take_over(self) -> None:
        if self.clock() - self._tried < RESCAN_S:
            return
        self._tried = self.clock()
        with contextlib.suppress(RunError):
            self._owner.acquire(patience_s=0.0)
            self.owns = True
