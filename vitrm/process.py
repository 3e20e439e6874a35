"""`vitrm` commands in processes of their own: the one way in which trainings are started by something else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def start_vitrm(words: Sequence[str], **options: Any) -> subprocess.Popen:
    """Start `vitrm WORDS` with this Python and code; `options` as `subprocess.Popen` takes them, except `env`."""
    return subprocess.Popen([sys.executable, "-m", "vitrm", *words], env=environment(), **options)


def environment() -> dict[str, str]:
    """This process's, in which `vitrm` can be imported whether or not it is installed.

    Threads of a training wait for each other asleep: while others use the same cores (the app's server, the other cells
    of a sweep), a thread that spins keeps the one it waits for from running, and training becomes ten times slower
    (measured on two busy cores).
    """
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {"OMP_WAIT_POLICY": "PASSIVE"} | os.environ | {"PYTHONPATH": path}
