"""The learner's own pictures: taken in, kept in the session's memory alone, and made into what a model is given.

Pure, no streamlit, no torch.

Nothing here is written, logged, put into an address or kept in a cache that sessions share.
"""

from __future__ import annotations

import itertools
import secrets
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image, ImageOps

from app.uploads.examples.examples import Example
from vitrm.config import Config
from vitrm.data.decoder import Decoder
from vitrm.data.images import FORMATS, FRAMES, fit_image, square
from vitrm.errors import DataError
from vitrm.traces.trace import Trace

if TYPE_CHECKING:  # it is kept in caches of streamlit's
    from app.cache import Checkpoint

MAX_IMAGES = 16  # a session's; the oldest does not give way to the newest, or a class would lose what it compares
MAX_SIDE = 768  # pixels; what is larger is shrunk when it comes in: 2.4 MB a picture at most
MAX_TRACES = 64  # a session's, about 0.1 MB each for a bundled checkpoint
MAX_ZOOM = 8
INK_MARGIN = 1.04  # side of the square around the ink of a drawing; the digits of the training data fill theirs

_DECODER = Decoder(MAX_SIDE)  # a large picture needs up to 0.2 GB for a second: one at a time for the whole server


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
    example: str = ""  # its name among the examples that come with the project; "": it is the learner's own

    def turned(self) -> Image.Image:
        """The whole picture, the right way up."""
        return self.image.rotate(90 * self.framing.turns, expand=True)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of `turned`, in pixels."""
        return self.image.size[::-1] if self.framing.turns % 2 else self.image.size

    @property
    def has_several_frames(self) -> bool:
        """Whether its file has others, which are not shown."""
        return self.image.info.get(FRAMES, False)

    @property
    def box(self) -> tuple[float, float, float, float]:
        """(left, top, right, bottom) of the square that the model is given, in pixels of `turned`."""
        return square(self.size, self.framing.zoom, self.framing.x, self.framing.y)

    def cut(self) -> Image.Image:
        """That square, as people see it: whole pixels, and one at least."""
        (width, height), (left, top, right, bottom) = self.size, map(round, self.box)
        left, top = min(left, width - 1), min(top, height - 1)
        return self.turned().crop((left, top, max(right, left + 1), max(bottom, top + 1)))


@dataclass(frozen=True, eq=False)
class Given:
    """A picture as it is given to a model: made once a run of the page, and handed on by everything there."""

    picture: Picture
    checkpoint: Checkpoint
    config: Config

    @property
    def key(self) -> tuple[Hashable, ...]:
        """Equal for what gives the same pixels to the same model; begins with the picture's number."""
        return self.picture.number, self.picture.version, self.picture.framing, self.checkpoint

    @cached_property
    def whole(self) -> Image.Image:
        """The whole picture as people see it, the right way up."""
        return self.picture.turned()

    @cached_property
    def is_swapped(self) -> bool:
        """Whether dark and light change places."""
        if self.picture.framing.swapped is not None:
            return self.picture.framing.swapped
        return wants_light_on_dark(self.config) and is_on_light_paper(self.picture.cut())

    @cached_property
    def pixels(self) -> np.ndarray:
        """(C, H, W) uint8: exactly what the model is given, before normalisation."""
        whole = ImageOps.invert(self.whole) if self.is_swapped else self.whole
        return fit_image(whole, self.config.model.image_size, self.config.model.channels, self.picture.box)


@dataclass
class Tray:
    """All that a session keeps of its own pictures."""

    session: str = field(default_factory=lambda: secrets.token_hex(8))
    pictures: dict[int, Picture] = field(default_factory=dict)
    opened: int | None = None
    refused: list[str] = field(default_factory=list)  # what the last attempt was told, a sentence each
    sheets: dict[int, int] = field(default_factory=dict)  # the canvas's sheet -> picture
    traces: OrderedDict[tuple[Hashable, ...], Trace] = field(default_factory=OrderedDict)  # key: see `keep`
    most_traces: int = MAX_TRACES
    numbers: itertools.count = field(default_factory=lambda: itertools.count(1))
    rounds: int = 0  # a widget that has handed over its files gets a new key, and is empty again

    def add(self, name: str, kind: Literal["photo", "drawing"], content: bytes, example: str = "") -> Picture | None:
        """Take in the bytes of a picture and open it; what is wrong with it goes to `refused`."""
        if len(self.pictures) >= MAX_IMAGES:
            self.refused.append(f"“{name}” was left out: {MAX_IMAGES} pictures are kept at most. Remove one first.")
            return None
        try:
            image = _decoded(content)
        except DataError as error:
            self.refused.append(f"“{name}” cannot be used: {error}. Choose another file: {FORMATS}.")
            return None
        except MemoryError:
            self.refused.append(f"“{name}” cannot be used: it takes too much memory. Choose a smaller picture.")
            return None
        number = next(self.numbers)
        picture = Picture(number, number, name, kind, image, _first_framing(kind, image), example)
        self.pictures[picture.number] = picture
        self.opened = picture.number
        return picture

    def take_example(self, example: Example) -> None:
        """Open an example, as the picture that it was before if it is still here."""
        self.refused = []
        here = next((each.number for each in self.pictures.values() if each.example == example.name), None)
        if here is None:
            self.add(example.name, "photo", example.content, example.name)
        else:
            self.open(here)

    def take_sheet(self, number: int, content: bytes) -> None:
        """Take a sheet of the canvas as it is now: a new drawing, another state of one that is here, or, without
        content, none any more.
        """
        self.refused = []
        before = self.pictures.get(self.sheets.get(number, -1))
        if not content:
            if before:
                self.remove(before.number)
        elif before:
            try:
                image = _decoded(content)
            except DataError as error:
                self.refused.append(f"The drawing cannot be used: {error}. Clear the sheet and draw again.")
                return
            framing = before.framing if before.framing.by_hand else fitted(image)
            self.pictures[before.number] = replace(before, version=next(self.numbers), image=image, framing=framing)
            self.opened = before.number
        else:
            drawings = 1 + sum(picture.kind == "drawing" for picture in self.pictures.values())
            picture = self.add(f"Drawing {drawings}", "drawing", content)
            if picture:
                self.sheets[number] = picture.number

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

    def keep(self, key: tuple[Hashable, ...], trace: Trace) -> Trace:
        """Keep a trace under a key that begins with the picture's number; of all the latest `most_traces` are kept."""
        self.traces[key] = trace
        self.traces.move_to_end(key)
        while len(self.traces) > self.most_traces:
            self.traces.popitem(last=False)
        return trace


def _decoded(content: bytes) -> Image.Image:
    if not content:
        raise DataError("empty file")
    return _DECODER.decode(content)


def _first_framing(kind: str, image: Image.Image) -> Framing:
    """How a picture is framed when it comes in."""
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


def wants_light_on_dark(config: Config) -> bool:
    """Whether a model was trained on grey images that are mostly dark, as digits and Fashion-MNIST's clothes are."""
    mean = config.data.mean
    return config.model.channels == 1 and bool(mean) and mean[0] < 0.5


def is_on_light_paper(image: Image.Image) -> bool:
    """Whether more than half of the edge of a picture is light."""
    grey = np.atleast_2d(np.asarray(image.convert("L")))
    edge = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    return bool(np.median(edge) > 127)
