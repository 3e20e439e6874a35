"""How long a training has taken so far: over all its sessions, without its pauses."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Stopwatch:
    """Counts seconds from `start` to `stop`. `clock` says what time it is, in seconds."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.clock = clock
        self._before, self._since = 0.0, None  # counted until it was started; when that was

    @property
    def seconds(self) -> float:
        """Counted so far. It can be set, to go on from there."""
        return self._before + (0.0 if self._since is None else self.clock() - self._since)

    @seconds.setter
    def seconds(self, value: float) -> None:
        self._before = value
        self._since = None if self._since is None else self.clock()

    def start(self) -> None:
        """Count, if it does not already."""
        if self._since is None:
            self._since = self.clock()

    def stop(self) -> None:
        """Count no further."""
        self._before, self._since = self.seconds, None

    @contextmanager
    def off(self) -> Iterator[None]:
        """Stopped for as long as the body lasts."""
        self.stop()
        try:
            yield
        finally:
            self.start()
