"""Processes that the queue starts, and what is known of those that have ended."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from vitrm.process import start_vitrm


def launch(words: Sequence[str], output: Path) -> subprocess.Popen:
    """Start `vitrm WORDS` in a session of its own, so that it outlives the app; what it prints goes to a file."""
    with open(output, "ab") as out:
        return start_vitrm(
            words, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )


def killed(number: int) -> str:
    """By which signal a process was ended, in words."""
    memory = "; that is how the system ends a process when memory runs out" if number == 9 else ""
    return f"its process was killed (signal {number}{memory})"


def last_line(file: Path) -> str:
    """What a process said at last, without `vitrm: `."""
    with contextlib.suppress(OSError):
        lines = file.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        if lines:
            return lines[-1].removeprefix("vitrm: ")[:500]
    return "its process ended without a word"


def exists(pid: int | None) -> bool:
    """Whether there is such a process."""
    if pid is None or os.name == "nt":
        return False
    try:
        os.kill(pid, 0)  # sends nothing
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError, TypeError):
        return False
    return True
