"""Where things are: what the project brings, in a clone or in a wheel, and what is the user's."""

from __future__ import annotations

import os
from pathlib import Path

IMPORTS = Path(__file__).resolve().parents[1]  # where `vitrm` is imported from: a clone, or site-packages
_LAID_OUT = IMPORTS / "vitrm_app"  # as pyproject.toml does it in a wheel; a clone has no such folder
INSTALLED = _LAID_OUT.is_dir()
ROOT = _LAID_OUT if INSTALLED else IMPORTS  # of app/, pages/, checkpoints/ and results/


def home() -> Path:
    """The folder of the user's `runs` and `data`: the environment's VITRM_HOME, or the working folder."""
    return Path(os.environ.get("VITRM_HOME") or ".").expanduser()
