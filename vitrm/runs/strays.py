"""What is in a folder that may come from anywhere, without following where a link leads."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path


def regular_files(folder: Path) -> Iterator[Path]:
    """All files in it and its folders; neither links nor what they lead to."""
    for place, _, names in os.walk(folder):
        for file in (Path(place, name) for name in names):
            with contextlib.suppress(OSError):  # replaced just now
                if stat.S_ISREG(file.lstat().st_mode):
                    yield file


def size_of(folder: Path) -> int:
    """What they take on the disk, in bytes."""
    total = 0
    for file in regular_files(folder):
        with contextlib.suppress(OSError):
            total += file.lstat().st_size
    return total


def stray(run: Path) -> str | None:
    """The name of something in a run folder that is neither a file nor a folder, such as a link; None without any.

    The app reads no such run: what a link leads to is not the run's, and a pipe can be read for ever.
    """
    for folder in (run, run / "snapshots"):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
            for each in entries:
                if not (each.is_file(follow_symlinks=False) or each.is_dir(follow_symlinks=False)):
                    return each.name
    return None
