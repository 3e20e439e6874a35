"""What visitors have asked the queue for: kept in the job.json of each run, and believed only where the queue wrote it.

A run folder may come from anywhere: unpacked, copied, written by hand. So what is to be done stands in job.json as an
act and a configuration, never as a command, and under a seal that only a queue of this folder of runs can make. The
seal holds the name of the run: a copy of its folder is nobody's.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import re
import secrets
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

from app.training.limits import Limits
from vitrm.config import Config
from vitrm.errors import ConfigError, RunError
from vitrm.reading import Between, read
from vitrm.runs.folder import Run
from vitrm.training.commands import train_words

QUEUE = ".queue"  # the queue's own folder among those of the runs; hidden, so no run
_KEY, _KEY_BYTES = "key", 32
_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d{1,3})?")


@dataclass(frozen=True)
class Asked:
    """What somebody wants done with a run."""

    act: Literal["train", "resume", "finish"]
    settings: str  # its configuration, as JSON
    device: str
    visitor: str  # the number of whoever asked
    at: Annotated[float, Between(0, 1e12)]  # seconds since 1970

    @property
    def config(self) -> Config:
        """The configuration, read as strictly as any. Raises RunError if there is something wrong with it."""
        try:
            return Config.from_dict(json.loads(self.settings))
        except (ConfigError, ValueError, RecursionError) as error:
            raise RunError(f"what it was to train cannot be read ({error})") from None

    def words(self, run: Run, limits: Limits) -> list[str]:
        """The `vitrm` command that does it. Raises RunError or ConfigError if it is none, or against the limits."""
        config = self.config
        limits.check(config)
        if self.act == "train":
            limits.check_size(config)
            words = [*train_words(config), "--name", run.name, "--runs", str(run.path.parent)]
        else:
            words = ["train", "--resume", str(run.path)] if self.act == "resume" else ["finish", str(run.path)]
        if self.act != "finish":
            words += ["--processes", "auto"]
        if not _DEVICE.fullmatch(self.device):
            raise RunError(f"“{self.device[:40]}” is no device; expected auto, cpu, cuda or mps")
        return [*words, "--device", self.device, "--threads", str(limits.cpu_threads)]


@dataclass(frozen=True)
class Job:
    """A job.json. Beyond what was asked it says how far that has come, until the process says so itself."""

    asked: Asked
    state: Literal["waiting", "starting", "begun", "failed"] = "waiting"
    cause: str | None = None
    pid: Annotated[int, Between(1, 2**31)] | None = None
    seal: str = ""


class Jobs:
    """The jobs of the runs in a folder."""

    def __init__(self, runs: Path) -> None:
        self.folder = runs / QUEUE

    def read(self, run: Run) -> Job | None:
        """None where there is none. Raises RunError if it is damaged, or was not written by a queue of this folder."""
        values = run.job()
        if values is None:
            return None
        if not isinstance(values, dict) or "seal" not in values:
            raise RunError("this server's queue did not write its job.json; if you want it trained, start it anew")
        job = read(Job, values, "job.json")
        key = self._key()
        if key is None or not hmac.compare_digest(job.seal.encode(), _seal(key, run.name, job.asked).encode()):
            raise RunError("its job.json was written for another run or changed since; start it anew")
        return job

    def write(self, run: Run, job: Job) -> None:
        """Raises OSError if it cannot be written."""
        seal = _seal(self._key() or self._made_key(), run.name, job.asked)
        run.save_job(asdict(job) | {"seal": seal})

    def found(self, run: Run) -> Job | None:
        """The same; None also if it cannot be believed."""
        try:
            return self.read(run)
        except (RunError, OSError):
            return None

    def owner(self, run: Run) -> str | None:
        """The number of whoever asked for a run; None if that cannot be said."""
        job = self.found(run)
        return job.asked.visitor if job is not None else None

    def _key(self) -> bytes | None:
        """None where no queue of this folder has ever written anything."""
        file = self.folder / _KEY
        for _ in range(50):
            if not file.is_file():
                return None
            key = file.read_bytes()
            if len(key) == _KEY_BYTES:
                return key
            time.sleep(0.02)  # another one is just writing it
        raise RunError(f"'{file}' is damaged; remove it, and whatever waits in the queue must be asked for again")

    def _made_key(self) -> bytes:
        """For this user alone; two queues that begin at once end with the same."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            made = os.open(self.folder / _KEY, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(made, "wb") as out:
                out.write(secrets.token_bytes(_KEY_BYTES))
        return self._key()


def _seal(key: bytes, name: str, asked: Asked) -> str:
    text = json.dumps([name, asdict(asked)], sort_keys=True)
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
