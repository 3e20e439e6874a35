"""`vitrm` commands in processes of their own: the one way in which trainings are started by something else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from vitrm.places import IMPORTS, INSTALLED

# Threads of torch wait for each other asleep: while others use the same cores (the app's server, the other cells of a
# sweep), a thread that spins keeps the one it waits for from running. Measured on two cores, a batch of digits-glimpse
# by two threads: on an idle machine 0.33 s asleep and 0.21 s spinning, which a command in a terminal therefore may; at
# a lower priority than two busy processes 7 s asleep, and over 20 s spinning.
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
