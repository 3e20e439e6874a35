"""`vitrm` commands in processes of their own: the one way in which trainings are started by something else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from vitrm.places import IMPORTS, INSTALLED

# Threads of torch wait for each other asleep: while others use the same cores (the app's server, the other cells of a
# sweep), a thread that spins keeps the one it waits for from running, and training becomes ten times slower (measured
# on two busy cores; an evaluation with two threads there took over 30 times as long as with one).
WAITING = {"OMP_WAIT_POLICY": "PASSIVE"}


def start_vitrm(words: Sequence[str], more: Mapping[str, str] | None = None, **options: Any) -> subprocess.Popen:
    """Start `vitrm WORDS` with this Python and code.

    `more` is added to its environment; `options` as `subprocess.Popen` takes them, except `env`.
    """
    return subprocess.Popen([sys.executable, "-m", "vitrm", *words], env=environment() | dict(more or {}), **options)


def environment() -> dict[str, str]:
    """This process's, in which `vitrm` can be imported from a clone too."""
    found = WAITING | os.environ
    if not INSTALLED:
        found["PYTHONPATH"] = os.pathsep.join(filter(None, [str(IMPORTS), os.environ.get("PYTHONPATH")]))
    return found
