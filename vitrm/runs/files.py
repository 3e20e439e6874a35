"""Files that several processes share: read strictly, replaced at once or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vitrm.config import Config
from vitrm.errors import ConfigError, RunError

_LARGEST_JSON = 2**24  # bytes
_UNFINISHED = ".tmp"
_AT_WORK_S = 60.0  # a file that somebody is still writing is not older than that


def read_json(file: Path) -> dict[str, Any] | None:
    """The named values in a JSON file; None if there is no such file. Raises RunError if it is damaged."""
    try:
        with open(file, "rb") as content:
            text = content.read(_LARGEST_JSON + 1)
        if len(text) > _LARGEST_JSON:
            raise RunError(f"'{file}' is damaged (larger than {_LARGEST_JSON >> 20} MB)")
        values = json.loads(text.decode("utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RunError(f"'{file}' cannot be read ({error.strerror})") from None
    except RunError:
        raise
    except (ValueError, RecursionError) as error:  # no JSON, no text, or nested without end
        raise RunError(f"'{file}' is damaged ({error})") from None
    if not isinstance(values, dict):
        raise RunError(f"'{file}' is damaged (it holds no named values)")
    return values


def read_lines(file: Path) -> list[dict[str, Any]]:
    """The named values in each line of a file; what is half written, damaged or not named is left out."""
    found = []
    with contextlib.suppress(FileNotFoundError), open(file, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            with contextlib.suppress(ValueError, RecursionError):
                found.append(json.loads(line))
    return [values for values in found if isinstance(values, dict)]


def read_config(file: Path) -> Config:
    """The configuration of a run folder. Raises RunError if it is absent or cannot be read."""
    values = read_json(file)
    if values is None:
        raise RunError(f"'{file}' is absent; '{file.parent}' is no run folder")
    if "vitrm" in values and "model_type" in values:  # in the style of the Hub
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
    temporary = file.with_name(f"{file.name}.{os.getpid()}-{threading.get_native_id()}{_UNFINISHED}")
    try:
        try:
            write(str(temporary))
        except RuntimeError as error:  # how torch.save says it
            raise OSError(f"could not write '{file}' ({error}); is the disk full?") from error
        with open(temporary, "r+b") as written:  # Windows flushes only what may be written
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


def replace_or_overwrite(file: Path, content: bytes) -> None:
    """`replace_bytes`; where the disk has no room for a second file, `file` is overwritten where it is.

    That needs no room if `content` has the length it has always had. A reader may then find half of it, for as long as
    one call of the system takes. Raises OSError if neither works.
    """
    try:
        replace_bytes(file, content)
    except OSError:
        with open(file, "r+b" if file.exists() else "wb", buffering=0) as out:
            out.write(content)


def is_unfinished(file: Path) -> bool:
    """Whether a file is what `replace` writes, before it has its name."""
    return file.suffix == _UNFINISHED


def clear_unfinished(folder: Path) -> None:
    """Remove what processes that were killed had not written to the end.

    What another process may still be writing stays: it lives, and the file is young.
    """
    found = [Path(place, name) for place, _, names in os.walk(folder) for name in names]  # which follows no links
    for file in filter(is_unfinished, found):
        with contextlib.suppress(OSError):
            old = time.time() - file.stat().st_mtime > _AT_WORK_S
            if old or not _lives(file.name.removesuffix(_UNFINISHED).rpartition(".")[2].partition("-")[0]):
                file.unlink()


def _lives(process: str) -> bool:
    """Whether another process of that number is there; where the system does not say, yes."""
    if os.name == "nt" or not process.isdecimal():  # on Windows to ask would be to end it
        return process.isdecimal()
    if int(process) == os.getpid():
        return False
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True  # somebody else's
    return True
