"""The learner's own pictures: taken in, kept in the session's memory alone, and made into what a model is given.

Nothing here is written, logged, put into an address or kept in a cache that sessions share.
"""

from __future__ import annotations

import itertools
import re
import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import streamlit as st
from PIL import Image, ImageOps
from starlette.formparsers import MultiPartParser
from streamlit.runtime.scriptrunner import get_script_run_ctx

from app import cache, state
from app.cache import Checkpoint
from app.change import parse_edit
from vitrm.config import Config
from vitrm.data.images import FORMATS, as_seen, decode_image, fit_image, quiet_decoders, square
from vitrm.errors import DataError
from vitrm.traces.trace import Trace

MAX_IMAGES = 16  # a session's; the oldest does not give way to the newest, or a class would lose what it compares
MAX_SIDE = 768  # pixels; what is larger is shrunk when it comes in: 2.4 MB a picture at most
MAX_PASTED_MB = 8
MAX_TRACES = 64  # a session's, about 0.1 MB each for a bundled checkpoint
MAX_NAME = 40
MAX_ZOOM = 8
INK_MARGIN = 1.04  # side of the square around the ink of a drawing; the digits of the training data fill theirs

# The web server keeps an upload of more than 1 MB in a temporary file until it has all of it: not here.
MultiPartParser.spool_max_size = 2**30  # what may be uploaded at all is limited by server.maxUploadSize
quiet_decoders()

_DECODING = threading.Lock()  # a large picture needs up to 0.2 GB for a second: one at a time for the whole server
_NOT_SHOWN = re.compile(r"[\x00-\x1f\x7f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


@dataclass(frozen=True)
class Framing:
    """Which part of a picture the model is given: quarter turns counter-clockwise, a square, and its lightness."""

    turns: int = 0
    zoom: float = 1.0
    x: float = 0.5
    y: float = 0.5
    swapped: bool | None = None  # dark and light change places; None: where paper is light and training images dark
    by_hand: bool = False  # or fitted to the ink of a drawing, anew for every stroke


@dataclass(frozen=True)
class Picture:
    """One picture as people see it (mode "L" or "RGB", `MAX_SIDE` pixels at most), and how it is framed."""

    number: int
    version: int  # another one for every other content
    name: str
    kind: Literal["photo", "drawing"]
    image: Image.Image
    framing: Framing = Framing()

    def turned(self) -> Image.Image:
        """The whole picture, the right way up."""
        return self.image.rotate(90 * self.framing.turns, expand=True)

    def box(self) -> tuple[float, float, float, float]:
        """(left, top, right, bottom) of the square that the model is given, in pixels of `turned`."""
        return square(self.turned().size, self.framing.zoom, self.framing.x, self.framing.y)

    def is_swapped(self, config: Config) -> bool:
        """Whether dark and light change places for a model of this configuration."""
        if self.framing.swapped is not None:
            return self.framing.swapped
        dark_training = config.model.channels == 1 and bool(config.data.mean) and config.data.mean[0] < 0.5
        return dark_training and is_on_light_paper(self.turned().crop(tuple(map(round, self.box()))))

    def pixels(self, config: Config) -> np.ndarray:
        """(C, H, W) uint8: exactly what a model of this configuration is given, before normalisation."""
        whole = self.turned()
        if self.is_swapped(config):
            whole = ImageOps.invert(whole)
        return fit_image(whole, config.model.image_size, config.model.channels, self.box())


@dataclass
class Tray:
    """All that a session keeps of its own pictures."""

    session: str = field(default_factory=lambda: secrets.token_hex(8))
    pictures: dict[int, Picture] = field(default_factory=dict)
    opened: int | None = None
    refused: list[str] = field(default_factory=list)  # what the last attempt was told, a sentence each
    sheets: dict[int, int] = field(default_factory=dict)  # the canvas's sheet -> picture
    traces: OrderedDict[tuple, Trace] = field(default_factory=OrderedDict)
    numbers: itertools.count = field(default_factory=lambda: itertools.count(1))
    rounds: int = 0  # a widget that has handed over its files gets a new key, and is empty again

    def add(self, name: str, kind: Literal["photo", "drawing"], content: bytes) -> Picture | None:
        """Take in the bytes of a picture and open it; what is wrong with it goes to `refused`."""
        if len(self.pictures) >= MAX_IMAGES:
            self.refused.append(f"“{name}” was left out: {MAX_IMAGES} pictures are kept at most. Remove one first.")
            return None
        try:
            with _DECODING:
                image = as_seen(decode_image(content, MAX_SIDE), MAX_SIDE)
        except DataError as error:
            self.refused.append(f"“{name}” cannot be used: {error}. Choose another file: {FORMATS}.")
            return None
        except MemoryError:
            self.refused.append(f"“{name}” cannot be used: it takes too much memory. Choose a smaller picture.")
            return None
        number = next(self.numbers)
        picture = Picture(number, number, name, kind, image, _first_framing(kind, image))
        self.pictures[picture.number] = picture
        self.opened = picture.number
        return picture

    def open(self, number: int) -> None:
        """Show this picture in the player."""
        self.opened = number if number in self.pictures else self.opened

    def clear(self) -> None:
        """Forget everything."""
        for number in list(self.pictures):
            self.remove(number)

    def remove(self, number: int) -> None:
        """Forget a picture and all that was computed from it."""
        self.pictures.pop(number, None)
        self.traces = OrderedDict((key, trace) for key, trace in self.traces.items() if key[0] != number)
        self.sheets = {sheet: kept for sheet, kept in self.sheets.items() if kept != number}
        if self.opened == number:
            self.opened = next(reversed(self.pictures), None)

    def unframe(self, number: int) -> None:
        """Frame a picture as it was when it came in."""
        if number in self.pictures:
            picture = self.pictures[number]
            self.pictures[number] = replace(picture, framing=_first_framing(picture.kind, picture.image))

    def frame(self, number: int, **changes: object) -> None:
        """Change the framing of a picture; no picture of that number, no change."""
        if number in self.pictures:
            picture = self.pictures[number]
            self.pictures[number] = replace(picture, framing=replace(picture.framing, by_hand=True, **changes))


def tray() -> Tray:
    """This session's tray."""
    if state.TRAY not in st.session_state:
        st.session_state[state.TRAY] = Tray()
    return st.session_state[state.TRAY]


def take_files(key: str, name: str = "") -> None:
    """Take what the uploader or the camera with this key holds; both are empty again afterwards."""
    kept, files = tray(), st.session_state.get(key)
    kept.refused = []
    files = files if isinstance(files, list) else [files] if files else []
    for file in files:
        if len(kept.refused) <= MAX_IMAGES:  # of a folder of a thousand files, nobody reads a thousand sentences
            kept.add(name or safe_name(file.name), "photo", file.getvalue())
        _forget(file.file_id)
    kept.rounds += 1


def take_paste(content: bytes) -> None:
    """Take a picture from the clipboard."""
    tray().refused = []
    tray().add("Pasted picture", "photo", content)


def take_sheet(number: int, content: bytes) -> None:
    """Take a sheet of the canvas as it is now: a new drawing, another state of one that is here, or none any more."""
    kept = tray()
    kept.refused = []
    before = kept.pictures.get(kept.sheets.get(number, -1))
    if not content:
        if before:
            kept.remove(before.number)
        return
    if before:
        try:
            image = as_seen(decode_image(content, MAX_SIDE), MAX_SIDE)
        except DataError as error:
            kept.refused.append(f"The drawing cannot be used: {error}. Clear the sheet and draw again.")
            return
        framing = before.framing if before.framing.by_hand else fitted(image)
        kept.pictures[before.number] = replace(before, version=next(kept.numbers), image=image, framing=framing)
        kept.opened = before.number
        return
    drawings = 1 + sum(picture.kind == "drawing" for picture in kept.pictures.values())
    picture = kept.add(f"Drawing {drawings}", "drawing", content)
    if picture:
        kept.sheets[number] = picture.number


def seed() -> int:
    """The seed of the glimpses, as everywhere in the app."""
    return st.session_state[state.GLIMPSE_SEED]


def trace(picture: Picture, checkpoint: Checkpoint, config: Config, change: str = "") -> Trace:
    """The trace of a picture, computed once and then kept in the session, the latest `MAX_TRACES` of them.

    `change` is what a learner changed about the run (see `parse_edit`); ConfigError if it cannot be made.
    """
    kept = tray()
    key = (picture.number, picture.version, picture.framing, checkpoint, seed(), change)
    if key in kept.traces:
        kept.traces.move_to_end(key)
        return kept.traces[key]
    parsed = parse_edit(change, trace(picture, checkpoint, config)) if change else None
    made = kept.traces[key] = cache.unshared_trace(checkpoint, picture.pixels(config), seed(), parsed)
    while len(kept.traces) > MAX_TRACES:
        kept.traces.popitem(last=False)
    return made


def _first_framing(kind: str, image: Image.Image) -> Framing:
    return fitted(image) if kind == "drawing" else Framing()


def fitted(drawing: Image.Image) -> Framing:
    """The framing that fits the ink (light on dark) of a drawing, as the digits of the training data fill their box."""
    ink = drawing.convert("L").point(lambda level: 255 * (level > 64)).getbbox()
    if ink is None:
        return Framing()
    left, top, right, bottom = ink
    short = min(drawing.size)
    side = min(short, max(right - left, bottom - top, short / MAX_ZOOM) * INK_MARGIN)
    room = [(width - side) or 1 for width in drawing.size]
    x, y = (
        (middle - side / 2) / free for middle, free in zip(((left + right) / 2, (top + bottom) / 2), room, strict=True)
    )
    return Framing(zoom=short / side, x=min(max(x, 0.0), 1.0), y=min(max(y, 0.0), 1.0))


def is_on_light_paper(image: Image.Image) -> bool:
    """Whether more than half of the edge of a picture is light."""
    grey = np.atleast_2d(np.asarray(image.convert("L")))
    edge = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    return bool(np.median(edge) > 127)


def safe_name(name: str) -> str:
    """The last part of a path, without what cannot be seen, no longer than `MAX_NAME`."""
    last = _NOT_SHOWN.sub("", re.split(r"[\\/]", name)[-1]).strip()
    return last if len(last) <= MAX_NAME else f"{last[: MAX_NAME - 8]}…{last[-7:]}"


def plain(text: str) -> str:
    """Text that is not ours, for places that read Markdown: every sign of its is shown as it is."""
    return re.sub(r"([\\`*_{}\[\]()#+\-.!~>|$:<&=^\"'@/])", r"\\\1", text)


def _forget(file_id: str) -> None:
    """Have Streamlit drop an uploaded file now, not at the end of the session."""
    context = get_script_run_ctx()
    remove = getattr(getattr(context, "uploaded_file_mgr", None), "remove_file", None)
    if remove:
        remove(session_id=context.session_id, file_id=file_id)
