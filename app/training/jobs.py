"""Trainings that the app starts: `vitrm train` in processes of their own, and the queue in front of them.

Everything is in the run folders: whoever waits is a folder with a job.json and no process, whoever trains is a folder
whose lock is held. So nothing is lost when the app ends, and a training started in a terminal is like any other.
One thread of one server (the one that holds the queue's own lock) starts what waits; no browser is involved.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from vitrm.config import Config
from vitrm.errors import ConfigError, RunError, VitrmError
from vitrm.process import start_vitrm
from vitrm.runs.folder import Run
from vitrm.training.commands import train_words

TICK_S = 0.25
RESCAN_S = 3.0  # folders in which nothing is going on are looked at less often
ANSWER_S = 0.8  # a process answers an order within that, or a little later
START_S = 120.0  # a process that has not begun by then never will
ACTIVE = ("waiting", "starting", "running", "pausing", "paused", "stopping", "finishing")
ALIVE = ACTIVE[1:]
_AT_REST = ("stopped", "interrupted", "failed", "finished")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,59}")
_ESTIMATES = 64


@dataclass(frozen=True)
class Limits:
    """What the person who starts the server allows, by environment variables `VITRM_TRAIN_...`; 0 means no limit."""

    at_once: int = 1  # trainings at a time, those from terminals counted
    epochs: int = 0
    parameters: int = 0
    minutes: float = 0.0  # of training, per run
    pause_minutes: float = 15.0  # how long a paused run keeps its place while others wait
    disk_mb: float = 5000.0  # of all runs together; beyond it nothing new is started
    threads: int = 0  # CPU threads of a training; 0: all cores, shared by those at once

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Limits:
        """Raises ConfigError if a variable is no number, or below 0."""
        values = {}
        for name, hint in (("at_once", int), ("epochs", int), ("parameters", int), ("minutes", float),
                           ("pause_minutes", float), ("disk_mb", float), ("threads", int)):  # fmt: skip
            variable = f"VITRM_TRAIN_{name.upper()}"
            if variable not in environment:
                continue
            try:
                values[name] = hint(environment[variable])
            except ValueError:
                values[name] = -1
            if not 0 <= values[name] < 10**12:
                raise ConfigError(f"{variable}={environment[variable]}: expected a number, 0 or more")
        return cls(**values)

    def check(self, config: Config, parameters: int = 0) -> None:
        """Raises ConfigError if a training asks for more than is allowed here."""
        if self.at_once == 0:
            raise ConfigError("training is switched off on this server (VITRM_TRAIN_AT_ONCE=0)")
        if self.epochs and config.train.epochs > self.epochs:
            raise ConfigError(f"train.epochs={config.train.epochs}: this server allows at most {self.epochs}")
        if self.parameters and parameters > self.parameters:
            raise ConfigError(
                f"the model has {parameters:,} parameters; this server allows at most {self.parameters:,}: "
                "lower model.dim, model.depth or model.mlp_dim"
            )

    @property
    def cpu_threads(self) -> int:
        return self.threads or max(1, (os.cpu_count() or 1) // max(1, self.at_once))


@dataclass(frozen=True)
class Job:
    """A run as the queue sees it."""

    name: str
    state: str | None  # as `Run.state`
    cause: str | None = None  # why it failed, or was interrupted
    asked_at: float = 0.0  # seconds since 1970; 0 for a run from a terminal
    visitor: str | None = None  # whose it is; None for a run from a terminal
    position: int = 0  # in the queue, from 1; 0: not waiting
    fingerprint: str | None = None  # of its settings, where they are known

    @property
    def is_active(self) -> bool:
        """Whether something is going on, or about to."""
        return self.state in ACTIVE


class Trainings:
    """The queue and what it started, for one folder of runs. Every method may be called from any thread."""

    def __init__(self, runs: str | Path = "runs", limits: Limits | None = None) -> None:
        self.runs, self.limits = Path(runs), limits or Limits.from_environment()
        self.jobs: dict[str, Job] = {}  # replaced as a whole by every look, never changed
        self._children: list[tuple[str, subprocess.Popen]] = []  # started here, not yet seen to have ended
        self._owner = Run(self.runs / ".queue")  # whoever holds this folder's lock starts what waits
        self._owns, self._tried = False, 0.0
        self._scanned, self._clocks = 0.0, {}
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
            self.limits.check(config, _parameters(config) if self.limits.parameters else 0)
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
            run.save_job((run.job() or {}) | {"state": "waiting", "asked_at": time.time(), "cause": None})
            self.look(everything=True)

    def finish(self, name: str, visitor: str) -> None:
        """End a stopped run as it is: test its best weights and write its model card."""
        with self._lock:
            self._again(name, ["finish", str(self.run(name).path), "--device", "cpu"], visitor)

    def same(self, config: Config) -> str | None:
        """A run that trains, or waits to train, exactly this."""
        wanted = config.fingerprint()
        return next((job.name for job in self.jobs.values() if job.is_active and job.fingerprint == wanted), None)

    def leave(self, name: str) -> None:
        """Take a waiting run out of the queue."""
        with self._lock:
            run = self.run(name)
            if run.state != "waiting":
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
        done = {"pause": ("paused",), "go": ("running",), "step": ()}.get(order, _AT_REST)
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
        own = [job.name for job in self.jobs.values() if job.state == "waiting" and job.visitor == visitor]
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
        if run.state in ACTIVE or run.is_complete:
            raise RunError(f"“{name}” is {run.state}; there is nothing to continue")
        self._may_wait(visitor)
        with contextlib.suppress(RunError):
            owner = (run.job() or {}).get("visitor")
            visitor = owner or visitor
        words += ["--threads", str(self.limits.cpu_threads)]
        self._queue(name, words, visitor, run.config().fingerprint(), fresh=False)

    def _queue(self, name: str, words: list[str], visitor: str, fingerprint: str, *, fresh: bool = True) -> None:
        job = {"state": "waiting", "words": words, "visitor": visitor, "asked_at": time.time(), "fresh": fresh,
               "fingerprint": fingerprint}  # fmt: skip
        Run(self.runs / name).save_job(job)
        self.look(everything=True)

    def _free_name(self, preset: str) -> str:
        name = f"{preset}-{time.strftime('%Y%m%d-%H%M%S')}"
        taken = [file.name for file in self._folders()]
        return next(each for each in (name, *(f"{name}-{k}" for k in range(2, 10_000))) if each not in taken)

    def _at_rest(self, name: str) -> Run:
        run = self.run(name)
        if run.state in ACTIVE or run.is_running:
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
            if not self._owns:
                self._take_over()
            if not self._owns:
                return
            self._reap()
            self._enforce()
            alive = [job for job in self.jobs.values() if job.state in ALIVE]
            waiting = sorted((job for job in self.jobs.values() if job.position), key=lambda job: job.position)
            if waiting and len(alive) < self.limits.at_once:
                self._launch(waiting[0].name)

    def look(self, everything: bool = False) -> None:
        """Find out how every run is doing; what is at rest only every few seconds."""
        now = time.monotonic()
        with self._lock:
            everything = everything or now - self._scanned > RESCAN_S
            folders = {file.name: file for file in self._folders()}
            found = {}
            for name, folder in folders.items():
                known = self.jobs.get(name)
                if everything or known is None or known.is_active:
                    job = self._job(Run(folder), known)
                    if job is not None:
                        found[name] = job
                else:
                    found[name] = known
            if everything:
                self._scanned = now
            queue = sorted((j for j in found.values() if j.state == "waiting"), key=lambda j: (j.asked_at, j.name))
            found |= {job.name: replace(job, position=k) for k, job in enumerate(queue, start=1)}
            self.jobs = found

    def _folders(self) -> list[Path]:
        if not self.runs.is_dir():
            return []
        return sorted(file for file in self.runs.iterdir() if file.is_dir() and not file.name.startswith("."))

    def _job(self, run: Run, known: Job | None) -> Job | None:
        """None for a folder that is no run."""
        try:
            state, job = run.state, run.job() or {}
            fingerprint = job.get("fingerprint") or (known and known.fingerprint)
            if fingerprint is None and run.has_config:
                fingerprint = run.config().fingerprint()
            if state is None and fingerprint is None:
                return None
            cause = run.status()["cause"] or job.get("cause")
            if state == "interrupted":
                cause = job.get("cause") or "its process ended without a word: killed, out of memory, or power was lost"
            return Job(run.name, state, cause, job.get("asked_at", 0.0), job.get("visitor"), 0, fingerprint)
        except RunError as error:
            return Job(run.name, "failed", str(error))

    def _take_over(self) -> None:
        if time.monotonic() - self._tried < RESCAN_S:
            return
        self._tried = time.monotonic()
        with contextlib.suppress(RunError):
            self._owner.acquire(patience_s=0.0)
            self._owns = True

    def _launch(self, name: str) -> None:
        run = Run(self.runs / name)
        job = run.job()
        run.forget_orders()
        job |= {"state": "starting", "started_at": time.time(), "cause": None}
        run.save_job(job)
        with open(run.output, "ab") as output:
            child = start_vitrm(
                job["words"],
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        self._children.append((name, child))
        run.save_job(job | {"pid": child.pid})
        self.look(everything=True)

    def _reap(self) -> None:
        """Note which processes have ended, and how."""
        for name, child in list(self._children):
            code = child.poll()
            if code is None:
                continue
            self._children.remove((name, child))
            run = Run(self.runs / name)
            if run.path.is_dir():
                self._ended_with(run, code)
        own = {name for name, _ in self._children}
        for name, job in self.jobs.items():
            if job.state == "starting" and name not in own:  # an app that is no more started it
                run = Run(self.runs / name)
                job_file = run.job() or {}
                late = time.time() - job_file.get("started_at", 0) > START_S
                if job_file.get("state") == "starting" and (late or not _exists(job_file.get("pid"))):
                    self._ended_with(run, None)

    def _ended_with(self, run: Run, code: int | None) -> None:
        """A process is over. Where it could not say why, that is noted: before it had begun, or when it was killed."""
        job = run.job() or {}
        cause = _killed(-code) if code is not None and code < 0 else _last_line(run.output)
        if job.get("state") == "starting":
            run.save_job(job | {"state": "failed", "cause": cause})
            if run.has_config:
                run.set_status("failed", cause)
        elif run.state == "interrupted":
            run.save_job(job | {"cause": cause})
        self.look(everything=True)

    def _enforce(self) -> None:
        """Stop what has trained, or kept others waiting, for longer than is allowed."""
        waiting = any(job.position for job in self.jobs.values())
        now = time.monotonic()
        for name, job in self.jobs.items():
            if job.state == "paused" and waiting and self.limits.pause_minutes:
                began = self._clocks.setdefault((name, "paused"), now)
                if now - began > 60 * self.limits.pause_minutes:
                    self._stop(name, f"Stopped: paused for {self.limits.pause_minutes:g} minutes while others wait.")
            else:
                self._clocks.pop((name, "paused"), None)
            if job.state == "running" and job.visitor is not None and self.limits.minutes:
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


class Estimates:
    """How long trainings would take, measured one at a time in a process of their own."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._known: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._wanted: OrderedDict[str, tuple[str, list[str]]] = OrderedDict()  # by visitor: the last one wins
        self._lock, self._more, self._ended = threading.Lock(), threading.Event(), False
        self._child: subprocess.Popen | None = None

    @cached_property
    def _thread(self) -> threading.Thread:
        thread = threading.Thread(target=self._work, name="estimates", daemon=True)
        thread.start()
        return thread

    def known(self, config: Config, device: str) -> dict[str, Any] | None:
        """What has been measured already."""
        return self._known.get(f"{device} {config.fingerprint()}")

    def get(self, config: Config, device: str, visitor: str) -> dict[str, Any] | None:
        """What `vitrm train --estimate` says, or `{"error": ...}`; None while it is being measured."""
        key = f"{device} {config.fingerprint()}"
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
            words = [*train_words(config), "--estimate", "--device", device]
            self._wanted[visitor] = (key, [*words, "--threads", str(self.limits.cpu_threads)])
            self._more.set()
        assert self._thread is not None
        return None

    def close(self) -> None:
        """End a measurement that is under way."""
        self._ended = True
        self._more.set()
        with contextlib.suppress(AttributeError, OSError):
            self._child.kill()

    def _work(self) -> None:
        while not self._ended:
            self._more.wait()
            with self._lock:
                if not self._wanted:
                    self._more.clear()
                    continue
                _, (key, words) = self._wanted.popitem(last=False)
            if key in self._known or self._ended:
                continue
            result = self._measure(words)
            with self._lock:
                self._known[key] = result
                while len(self._known) > _ESTIMATES:
                    self._known.popitem(last=False)

    def _measure(self, words: list[str]) -> dict[str, Any]:
        self._child = start_vitrm(
            words, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        try:
            out, err = self._child.communicate(timeout=300)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.communicate()
            return {"error": "a single batch takes more than minutes here; choose a smaller model or batch"}
        if self._child.returncode == 0:
            return json.loads(out.splitlines()[-1])
        if self._child.returncode < 0:
            return {"error": _killed(-self._child.returncode)}
        return {"error": (err.strip().splitlines() or ["it ended without a word"])[-1].removeprefix("vitrm: ")}


def checked_name(name: str) -> str:
    """The name of a run, if it can be one. Raises RunError if not; no name leads out of the folder of runs."""
    name = name.strip()
    if not NAME.fullmatch(name):
        raise RunError(f"“{name[:80]}” cannot be a name; use letters, digits, blanks, . _ - and begin with a letter")
    return name


def _parameters(config: Config) -> int:
    import torch

    from vitrm.families import make_model

    with torch.device("meta"):  # nothing is allocated
        return sum(parameter.numel() for parameter in make_model(config.model).parameters())


def _killed(number: int) -> str:
    memory = "; that is how the system ends a process when memory runs out" if number == 9 else ""
    return f"its process was killed (signal {number}{memory})"


def _last_line(file: Path) -> str:
    with contextlib.suppress(OSError):
        lines = file.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        if lines:
            return lines[-1].removeprefix("vitrm: ")[:500]
    return "its process ended without a word"


def _exists(pid: int | None) -> bool:
    if pid is None or os.name == "nt":
        return False
    try:
        os.kill(pid, 0)  # sends nothing
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError, TypeError):
        return False
    return True
