"""What a training has said so far, read on from where it was read before. One of these serves everybody who watches."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from typing import Any

from vitrm.runs.folder import Run

FEW = 5  # batches: the report on the rest of an epoch, over fewer than these, would only make the curves jump
POINTS = 400  # of each kind of event at most; beyond twice that, every other one is left out


@dataclass
class Series:
    """Events of one kind, thinned out evenly when there are many. `last` is the newest in any case."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    last: dict[str, Any] | None = None
    stride: int = 1
    count: int = 0

    def add(self, row: dict[str, Any], keep: bool = True) -> None:
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
    """The events of a run. `read` takes in what has been written since; `version` grows when something has."""

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
            except FileNotFoundError:
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
        self.progress, self.epochs = Series(), Series()
        self.updates: list[dict[str, Any]] = []  # single ones, the last few
        self.finished: dict[str, Any] | None = None
        self._offset, self._identity, self._seen = 0, None, None

    def _take(self, line: bytes) -> None:
        try:
            event = json.loads(line)
            kind = event["event"]
        except (ValueError, KeyError, TypeError):
            return
        if kind == "Progress":
            before = self.progress.last
            short = before is not None and before["epoch"] == event["epoch"] and event["batch"] - before["batch"] < FEW
            self.progress.add(event, keep=not short)
        elif kind == "EpochEnd":
            self.epochs.add(event)
        elif kind == "Updated":
            self.updates = [*self.updates[-19:], event]
        elif kind == "Finished":
            self.finished = event
