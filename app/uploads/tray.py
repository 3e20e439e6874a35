"""The learner's own pictures, as one session keeps them: in its memory alone. Pure, no streamlit, no torch.

Nothing here is written, logged, put into an address or kept in a cache that sessions share.
"""

from __future__ import annotations

import itertools
import secrets
import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from typing import Literal

from PIL import Image

from app.uploads.picture import Picture, first_framing, fitted
from vitrm.data.images import FORMATS, as_seen, decode_image
from vitrm.errors import DataError
from vitrm.traces.trace import Trace

MAX_IMAGES = 16  # a session's; the oldest does not give way to the newest, or a class would lose what it compares
MAX_SIDE = 768  # pixels; what is larger is shrunk when it comes in: 2.4 MB a picture at most
MAX_TRACES = 64  # a session's, about 0.1 MB each for a bundled checkpoint

_DECODING = threading.Lock()  # a large picture needs up to 0.2 GB for a second: one at a time for the whole server


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

    def add(self, name: str, kind: Literal["photo", "drawing"], content: bytes) -> Picture | None:
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
        picture = Picture(number, number, name, kind, image, first_framing(kind, image))
        self.pictures[picture.number] = picture
        self.opened = picture.number
        return picture

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
            self.pictures[number] = replace(picture, framing=first_framing(picture.kind, picture.image))

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
    with _DECODING:
        return as_seen(decode_image(content, MAX_SIDE), MAX_SIDE)
