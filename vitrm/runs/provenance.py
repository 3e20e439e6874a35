"""What a result needs to be believed: the commit, versions and hardware it was measured with."""

from __future__ import annotations

import contextlib
import platform
import subprocess
from typing import TYPE_CHECKING, Any

import vitrm
from vitrm.places import INSTALLED, ROOT

if TYPE_CHECKING:  # torch takes seconds to import
    import torch


def provenance(device: torch.device | str) -> dict[str, Any]:
    """Commit, versions and hardware of this process."""
    import torch

    device = torch.device(device)
    if device.type == "cuda":
        hardware = torch.cuda.get_device_name(device)
    else:
        hardware = f"{_cpu_name()}, {torch.get_num_threads()} threads"
    return {
        "commit": _commit(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "device": device.type,
        "hardware": hardware,
    }


def _commit() -> str:
    if INSTALLED:  # git would speak of the repository that somebody's virtual environment lies in
        return f"version {vitrm.__version__}"

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "--short=12", "HEAD") + (
            " + local changes" if git("status", "--porcelain", "-uno") else ""
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _cpu_name() -> str:
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
