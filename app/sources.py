"""Which data this server reads for its visitors: what comes with it, what lies in `data/`, and what it was told of.

A run folder may come from anywhere, and its configuration may name any folder of this machine as what it was trained
on. So a folder is read because the server knows it, never because a run names it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from app import own_data
from vitrm.config.data import ALIASES, BUNDLED
from vitrm.data.fetching import KINDS, is_here
from vitrm.errors import DataError
from vitrm.places import home
from vitrm.runs.files import replace_text

VARIABLE = "VITRM_DATA_FOLDERS"
_CHOSEN = Path("runs", ".queue", "folders.json")  # beside the queue's key, in no folder that comes from elsewhere


def is_offered(source: str) -> bool:
    """Whether visitors may have the images of a source.

    Folders only where they lie in `data/` (but not `data/` itself) or in one that the variable `VITRM_DATA_FOLDERS`
    names, and those that the teacher has had something trained on. A path is taken as it is written: one that goes on
    with `..` or a hidden folder is not offered, a link that stands in `data/` is. Whose pictures an upload is,
    `own_data` decides, for the runs and models on them as well.
    """
    path, data = _folder(source), home().absolute() / "data"
    if path is None or own_data.folder(source) is not None or path in _chosen():
        return True
    return path != data and any(_is_in(path, folder) for folder in (data, *_named()))


def check(source: str) -> None:
    """Raises DataError if visitors may not have the images of a source; nothing of it has been looked at then."""
    if not is_offered(source):
        raise DataError(
            f"'{source}' is no data that this server offers: put the folder into data/, or start the server with "
            f"{VARIABLE} naming it"
        )


def lies_here(source: str) -> bool:
    """Whether visitors may have the images of a source, and these, or some of them, are on this machine.

    Nothing is read: that what is there is also whole, whoever reads it finds out.
    """
    path = _folder(source)
    if path is not None:
        return is_offered(source) and path.is_dir()
    source = ALIASES.get(source, source)
    return source not in KINDS or source == BUNDLED or is_here(source, home() / "data")


def choose(source: str) -> None:
    """Offer a source from now on: the teacher has asked for a training on it. Raises OSError if it cannot be kept."""
    if not is_offered(source):
        file = home() / _CHOSEN
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_text(file, json.dumps(sorted({*map(str, _chosen()), str(_folder(source))})))


def _folder(source: str) -> Path | None:
    """Where the images of a source lie; None if they come with the project, are drawn or are downloaded."""
    kind, _, path = source.partition(":")
    return Path(path).absolute() if kind in ("folder", "parquet") else None


def _is_in(path: Path, folder: Path) -> bool:
    return path.is_relative_to(folder) and not any(part.startswith(".") for part in path.relative_to(folder).parts)


def _named() -> list[Path]:
    return [Path(name).expanduser().absolute() for name in os.environ.get(VARIABLE, "").split(os.pathsep) if name]


def _chosen() -> list[Path]:
    try:
        names = json.loads((home() / _CHOSEN).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # none was, or the file is damaged: they are to be chosen again
        return []
    return [Path(name) for name in names if isinstance(name, str)] if isinstance(names, list) else []
