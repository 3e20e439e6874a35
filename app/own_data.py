"""Pictures that a visitor has uploaded to train on: for that visitor and the teacher alone, and gone with their runs.

Each upload is a folder of its own under a name that cannot be guessed, in a hidden one that is offered to nobody. What
is kept is what a decoder in another process has made of each picture, small and without what cameras write into files.
Whoever may not see the pictures may not see a model that was trained on them either: it shows and remembers them.
No streamlit here.
"""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated

from app.visitors import Visitor
from vitrm.config.data import UPLOADS
from vitrm.data.decoder import Decoder
from vitrm.data.images import FORMATS
from vitrm.data.zipped import Entry, Zipped, contents, read_list, shown
from vitrm.errors import DataError, RunError
from vitrm.places import home
from vitrm.reading import Between, read
from vitrm.runs.strays import size_of

LIMITS = Zipped()
MAX_SIDE = 128  # pixels a picture is kept with
SECONDS = 120.0  # for all pictures of an upload
UNUSED_S = 3600.0  # how long pictures are kept that nothing has been trained on
_ABOUT = "about.json"
_NAME = re.compile(r"[0-9a-f]{32}")
_COMING: dict[Path, int] = {}  # uploads that are being taken in: how many bytes each may come to
_COMING_LOCK = threading.Lock()
_RUN_FILES = ("job.json", "config.json")  # where a run names its data, before it is trained and from then on


@dataclass(frozen=True)
class Upload:
    """What is known of an upload beside its pictures."""

    visitor: str
    classes: tuple[str, ...]
    pictures: int
    at: Annotated[float, Between(0, 1e12)]  # seconds since 1970


@cache
def _decoder() -> Decoder:
    return Decoder(MAX_SIDE)  # not the one that everybody's single pictures wait for


def folder(source: str) -> Path | None:
    """The folder of an upload, if a source is one; None for any other data, wherever that lies."""
    kind, _, place = source.partition(":")
    if kind != "folder":
        return None
    path = Path(place)
    inside = path.absolute().parent == (home() / "data" / UPLOADS).absolute()
    return path if inside and _NAME.fullmatch(path.name) else None


def owner(source: str) -> str | None:
    """The number of the visitor whose pictures a source is; None if everybody may see it. "": nobody's any more."""
    place = folder(source)
    if place is None:
        return None
    try:
        return about(place).visitor
    except RunError:
        return ""


def may_see(source: str, visitor: Visitor) -> bool:
    """Whether a visitor may see the images of a source, and the models that were trained on them."""
    whose = owner(source)
    return whose is None or visitor.is_teacher or whose == visitor.number


def about(place: Path) -> Upload:
    """What is known of an upload. Raises RunError if it is gone or damaged."""
    try:
        values = json.loads((place / _ABOUT).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"these pictures are gone, or damaged ({error})") from None
    return read(Upload, values, _ABOUT)


def latest(visitor: Visitor) -> str | None:
    """The source of what this visitor uploaded last; None if there is nothing (any more)."""
    own = [(kept.at, place) for place, kept in _uploads() if kept.visitor == visitor.number]
    return f"folder:{max(own)[1]}" if own else None


def take(
    content: bytes, visitor: Visitor, most_mb: float, lock: AbstractContextManager | None = None
) -> Iterator[float | tuple[str, list[str]]]:
    """Keep the pictures of a ZIP file, one folder a class. Yields the share that is done, 0..1; then, last, the source
    and a sentence for each file that was left out.

    What this visitor uploaded before and never used gives way (`lock` as in `tidy`). Raises DataError if the file
    cannot be used, or all uploads on this server would take more than `most_mb` MB.
    """
    if not most_mb:
        raise DataError("this server takes no pictures to train on (VITRM_TRAIN_UPLOADS_MB=0)")
    archive, entries, left_out = read_list(content, LIMITS)
    tidy(visitor, lock)
    place = home() / "data" / UPLOADS / secrets.token_hex(16)
    unfinished = place.with_suffix(".tmp")
    with _COMING_LOCK:
        used = (size_of(home() / "data" / UPLOADS) + sum(_COMING.values())) / 2**20
        coming = len(entries) * MAX_SIDE**2 * 3
        if used + coming / 2**20 > most_mb:
            raise DataError(
                f"the pictures of all visitors take {used:,.0f} of the {most_mb:,.0f} MB that this server keeps; "
                "delete runs that were trained on some, or choose fewer pictures"
            )
        _COMING[unfinished] = coming
    counts: Counter[str] = Counter()
    last = time.monotonic() + SECONDS
    try:
        for number, (entry, found) in enumerate(contents(archive, entries, LIMITS), start=1):
            if time.monotonic() > last:
                raise DataError(f"its pictures take longer than {SECONDS:.0f} seconds to decode; make them smaller")
            why = found if isinstance(found, str) else _kept(unfinished, entry, number, found)
            if why:
                left_out.append(f"{shown(entry.name)}: {why}")
            else:
                counts[entry.label] += 1
            yield number / len(entries)
        _check(counts, left_out)
        upload = Upload(visitor.number, tuple(sorted(counts)), counts.total(), time.time())
        (unfinished / _ABOUT).write_text(json.dumps(vars(upload)), encoding="utf-8")
        unfinished.rename(place)
    finally:  # also where the visitor leaves in the middle
        _COMING.pop(unfinished, None)
        shutil.rmtree(unfinished, ignore_errors=True)
    yield f"folder:{place}", left_out


def is_used(source: str, runs: Path) -> bool:
    """Whether a run in a folder of runs was, or is to be, trained on an upload."""
    return Path(source).name in _said(runs)


def remove_unused(source: str | None, runs: Path) -> None:
    """Remove an upload on which no run in a folder of runs was, or is to be, trained any more; no upload is fine."""
    place = source and folder(source)
    if place and not is_used(source, runs):
        shutil.rmtree(place, ignore_errors=True)


def tidy(visitor: Visitor | None = None, lock: AbstractContextManager | None = None) -> None:
    """Remove what nobody has trained on: after an hour, and of this visitor at once; and what a server that was killed
    left half taken in.

    Under `lock` nobody asks for a training. All runs are read before it is taken; only where something is to go are
    they read again, as one of them may have been asked for since.
    """
    if _unused(visitor):
        with lock or contextlib.nullcontext():
            for place in _unused(visitor):
                shutil.rmtree(place, ignore_errors=True)


def _kept(where: Path, entry: Entry, number: int, content: bytes) -> str | None:
    """Decode a picture and keep it; why that cannot be done, in words."""
    if not content:
        return "empty file"
    try:
        image = _decoder().decode(content)
    except DataError as error:
        return f"{error}; expected {FORMATS}" if "not an image" in str(error) else str(error)
    except MemoryError:
        return "it takes too much memory; make it smaller"
    (where / entry.label).mkdir(parents=True, exist_ok=True)
    image.save(where / entry.label / f"{number:04}.png")
    return None


def _check(counts: Counter[str], left_out: list[str]) -> None:
    few = [name for name, count in counts.items() if count < LIMITS.each]
    if len(counts) < 2 or few:
        found = ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "none"
        least = f"2 classes or more, with {LIMITS.each} pictures or more each"
        why = f". Left out: {'; '.join(left_out[:3])}" if left_out else ""
        raise DataError(f"it has too few pictures: {found}; expected {least}{why}")


def _uploads() -> list[tuple[Path, Upload]]:
    """All of them; what is damaged is nobody's, and left to whoever looks after the server."""
    found = []
    for place in (home() / "data" / UPLOADS).glob("*"):
        if _NAME.fullmatch(place.name):
            with contextlib.suppress(RunError):
                found.append((place, about(place)))
    return found


def _unused(visitor: Visitor | None) -> list[Path]:
    """What `tidy` removes. Runs are read only where there is something that they may have been trained on."""
    half = []
    for place in (home() / "data" / UPLOADS).glob("*.tmp"):
        with contextlib.suppress(OSError):
            if time.time() - place.stat().st_mtime > UNUSED_S:
                half.append(place)
    old = [
        place
        for place, kept in _uploads()
        if not 0 <= time.time() - kept.at < UNUSED_S or (visitor is not None and kept.visitor == visitor.number)
    ]
    said = _said(home() / "runs") if old else ""
    return half + [place for place in old if place.name not in said]


def _said(runs: Path) -> str:
    """What the runs say of themselves, to look for names of uploads in."""
    texts = []
    for file in (file for name in _RUN_FILES for file in runs.glob(f"*/{name}")):
        with contextlib.suppress(OSError):
            texts.append(file.read_text(encoding="utf-8", errors="replace"))
    return "\n".join(texts)
