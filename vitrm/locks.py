"""A file that one process at a time holds: who trains into a folder, who downloads a data set."""

from __future__ import annotations

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
