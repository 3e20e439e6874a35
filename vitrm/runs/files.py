"""Files that several processes share: read strictly, replaced at once or not at all, locked by one process."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from vitrm.config import Config
from vitrm.errors import ConfigError, RunError

try:
    import fcntl
except ModuleNotFoundError:  # Windows
    fcntl = None
    import msvcrt


def read_json(file: Path) -> dict[str, Any] | None:
    """The JSON in a file; None if there is no such file. Raises RunError if it is damaged."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError) as error:  # no JSON, no text, or nested without end
        raise RunError(f"'{file}' is damaged ({error})") from None


def read_config(file: Path) -> Config:
    """The configuration of a run folder. Raises RunError if it is absent or cannot be read."""
    values = read_json(file)
    if values is None:
        raise RunError(f"'{file}' is absent; '{file.parent}' is no run folder")
    if isinstance(values, dict) and "vitrm" in values and "model_type" in values:  # in the style of the Hub
        values = values["vitrm"]
    try:
        return Config.from_dict(values)
    except ConfigError as error:
        raise RunError(f"'{file}': {error}") from None


def changed_at(file: Path) -> int | None:
    """When a file was last written, in ns; None if there is no such file."""
    try:
        return file.stat().st_mtime_ns
    except FileNotFoundError:
        return None


def replace(file: Path, write: Callable[[str], Any]) -> None:
    """Write beside `file`, then rename: a reader sees the old content or the new, and a full disk keeps the old.

    Raises OSError if it cannot be written.
    """
    temporary = file.with_name(f"{file.name}.{os.getpid()}.tmp")
    try:
        try:
            write(str(temporary))
        except RuntimeError as error:  # how torch.save says it
            raise OSError(f"could not write '{file}' ({error}); is the disk full?") from error
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, file)
    finally:
        temporary.unlink(missing_ok=True)


def replace_text(file: Path, text: str) -> None:
    """`replace` by text that ends with its line."""
    replace(file, lambda beside: Path(beside).write_text(f"{text}\n" if text else "", encoding="utf-8"))


def replace_bytes(file: Path, content: bytes) -> None:
    """`replace` by some bytes."""
    replace(file, lambda beside: Path(beside).write_bytes(content))


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
