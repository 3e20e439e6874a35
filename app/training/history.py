"""What a training has said so far, read on from where it was read before. One of these serves everybody who watches."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from vitrm.errors import RunError
from vitrm.runs.folder import Run
from vitrm.training.events import EpochEnd, Finished, Progress, Updated, event_of

E = TypeVar("E")

FEW = 5  # batches: the report on the rest of an epoch, over fewer than these, would only make the curves jump
POINTS = 400  # of each kind of event at most; beyond twice that, every other one is left out


@dataclass
class Series(Generic[E]):
    """Events of one kind, thinned out evenly when there are many. `last` is the newest in any case."""

    rows: list[E] = field(default_factory=list)
    last: E | None = None
    stride: int = 1
    count: int = 0

    def add(self, row: E, keep: bool = True) -> None:
        """Take a row in; one that is not worth keeping is only the last for a while."""
        self.last = row
        if not keep:
            return
        if self.count % self.stride == 0:
            self.rows.append(row)
        self.count += 1
        if len(self.rows) > 2 * POINTS:
            self.rows, self.stride = self.rows[::2], 2 * self.stride


class History:
    """The events of a run. `read` takes in what has been written since; `version` grows when something has.

    A damaged line is left out, and counted.
    """

    def __init__(self, run: Run) -> None:
        self.file = run.metrics_file
        self.version = 0
        self._lock = threading.Lock()
        self._start()

    def read(self) -> int:
        """Read on, and return the version. A file that was replaced (a resumed run) is read from its beginning."""
        with self._lock:
            try:
                stat = self.file.stat()
            except OSError:
                return self.version
            seen = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
            if seen == self._seen:
                return self.version
            if (stat.st_ino, stat.st_dev) != self._identity or stat.st_size < self._offset:
                self._start()
                self._identity = (stat.st_ino, stat.st_dev)
            with open(self.file, "rb") as lines:
                lines.seek(self._offset)
                for line in lines:
                    if not line.endswith(b"\n"):
                        break  # still being written
                    self._offset += len(line)
                    self._take(line)
            self._seen = seen
            self.version += 1
            return self.version

    def _start(self) -> None:
        self.progress: Series[Progress] = Series()
        self.epochs: Series[EpochEnd] = Series()
        self.updates: list[Updated] = []  # single ones, the last few
        self.finished: Finished | None = None
        self.unread = 0  # lines that hold no event
        self._offset, self._identity, self._seen = 0, None, None

    def _take(self, line: bytes) -> None:
        try:
            event = event_of(json.loads(line))
        except (ValueError, RecursionError, RunError):
            self.unread += 1
            return
        if isinstance(event, Progress):
            before = self.progress.last
            short = before is not None and before.epoch == event.epoch and event.batch - before.batch < FEW
            self.progress.add(event, keep=not short)
        elif isinstance(event, EpochEnd):
            self.epochs.add(event)
        elif isinstance(event, Updated):
            self.updates = [*self.updates[-19:], event]
        elif isinstance(event, Finished):
            self.finished = event
