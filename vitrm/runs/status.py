"""status.json and control.json of a run folder: how the run says it is, and what it is asked to do."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from vitrm.errors import RunError
from vitrm.reading import Count, read
from vitrm.runs.files import read_json, replace_or_overwrite, replace_text
from vitrm.runs.state import Failure, State, state_of

_BYTES = 4096  # of status.json, always: so that a later status needs no new room
_TRIES, _PAUSE_S = 5, 0.01  # for a status that is being overwritten just now, on a full disk
Order = Literal["go", "pause", "stop", "stop at once"]


@dataclass(frozen=True)
class _Status:
    status: str | None = None
    cause: str | None = None
    failure: str | None = None
    pid: Count | None = None


@dataclass(frozen=True)
class _Control:
    wanted: Order = "go"
    steps: Count = 0  # single updates asked for so far


def read_status(file: Path) -> dict[str, Any]:
    """`{"status": State, "cause": ..., "failure": Failure, "pid": ...}`; all None where there is no such file.

    Raises RunError if it is damaged.
    """
    for attempt in range(_TRIES):
        try:
            found = read(_Status, read_json(file) or {})
        except RunError as error:
            damage = error if str(file) in str(error) else RunError(f"'{file}' is damaged: {error}")
            if not _may_be_half_written(file):
                break
            if attempt < _TRIES - 1:
                time.sleep(_PAUSE_S)
            continue
        if found.status is not None:
            state_of(found.status, file)
        return asdict(found)
    raise damage


def _may_be_half_written(file: Path) -> bool:
    """Only what is overwritten in its place ever is, and that keeps its size; nobody waits for anything else."""
    try:
        return file.stat().st_size == _BYTES
    except OSError:
        return False


def write_status(file: Path, status: State, cause: str | None, failure: Failure | None) -> None:
    """Replace status.json at once, as other files are; on a full disk overwrite it, which needs no room."""
    short = cause and cause[:500]  # at most six bytes a character, so that all of it fits
    values = {"status": status, "cause": short, "failure": failure, "pid": os.getpid()}
    text = json.dumps(values, ensure_ascii=False)
    replace_or_overwrite(file, text.encode(errors="replace").ljust(_BYTES))


def read_control(file: Path) -> dict[str, Any]:
    """`{"wanted": Order, "steps": single updates asked for so far}`; to go on, if it is absent or damaged."""
    try:
        return asdict(read(_Control, read_json(file) or {}))
    except RunError:
        return asdict(_Control())


def write_control(file: Path, control: dict[str, Any], order: str) -> None:
    """Replace control.json by an order that is added to an earlier one."""
    added = {"wanted": "pause", "steps": control["steps"] + 1} if order == "step" else {"wanted": order}
    replace_text(file, json.dumps(control | added))
