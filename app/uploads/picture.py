"""A learner's picture, how it is framed, and what a model is given of it. Pure, no streamlit, no torch."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image, ImageOps

from vitrm.config import Config
from vitrm.data.images import fit_image, square

if TYPE_CHECKING:  # it is kept in caches of streamlit's
    from app.cache import Checkpoint

MAX_ZOOM = 8
INK_MARGIN = 1.04  # side of the square around the ink of a drawing; the digits of the training data fill theirs


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

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of `turned`, in pixels."""
        return self.image.size[::-1] if self.framing.turns % 2 else self.image.size

    @property
    def box(self) -> tuple[float, float, float, float]:
        """(left, top, right, bottom) of the square that the model is given, in pixels of `turned`."""
        return square(self.size, self.framing.zoom, self.framing.x, self.framing.y)

    def cut(self) -> Image.Image:
        """That square, as people see it."""
        return self.turned().crop(tuple(map(round, self.box)))


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
    def is_swapped(self) -> bool:
        """Whether dark and light change places."""
        if self.picture.framing.swapped is not None:
            return self.picture.framing.swapped
        mean = self.config.data.mean
        dark_training = self.config.model.channels == 1 and bool(mean) and mean[0] < 0.5
        return dark_training and is_on_light_paper(self.picture.cut())

    @cached_property
    def pixels(self) -> np.ndarray:
        """(C, H, W) uint8: exactly what the model is given, before normalisation."""
        whole = self.picture.turned()
        if self.is_swapped:
            whole = ImageOps.invert(whole)
        return fit_image(whole, self.config.model.image_size, self.config.model.channels, self.picture.box)


def first_framing(kind: str, image: Image.Image) -> Framing:
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


def is_on_light_paper(image: Image.Image) -> bool:
    """Whether more than half of the edge of a picture is light."""
    grey = np.atleast_2d(np.asarray(image.convert("L")))
    edge = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    return bool(np.median(edge) > 127)
