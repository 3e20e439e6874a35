"""A file that one process at a time holds: who trains into a folder, who downloads a data set."""

from __future__ import annotations

import time
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ModuleNotFoundError:  # Windows
    fcntl = None
    import msvcrt


def lock(file: BinaryIO, exclusive: bool) -> bool:
    """Try to lock an open file, until it is closed; whether that worked. The system unlocks it when a process ends."""
    try:
        if fcntl is None:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


class Lock:
    """The right to work in a folder, held through a file in it: until `release`, or the end of the process."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._held: BinaryIO | None = None

    def __del__(self) -> None:
        self.release()

    @property
    def is_held(self) -> bool:
        """Whether a process holds it now, this one or another."""
        if self._held is not None:
            return True
        try:
            with open(self.file, "rb") as other:
                return not lock(other, exclusive=False)
        except FileNotFoundError:
            return False

    def take(self, patience_s: float) -> bool:
        """Hold it; whether that worked within so many seconds: somebody may only be looking whether it is held."""
        held = open(self.file, "ab")  # noqa: SIM115 (until release)
        last = time.monotonic() + patience_s
        while not lock(held, exclusive=True):
            if time.monotonic() >= last:
                held.close()
                return False
            time.sleep(0.02)
        self._held = held
        return True

    def release(self) -> None:
        """Let others hold it."""
        if self._held is not None:
            self._held.close()
            self._held = None
