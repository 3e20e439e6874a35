"""What a source string such as "mazes:6x6,gems=2" asks for. What a maze is and how it is drawn: data/mazes.py."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal, Self

from vitrm.errors import DataError

COLOURS = ("orange", "sky blue", "bluish green", "vermillion", "yellow", "reddish purple")  # Okabe and Ito's
KINDS = {"deep": "mazes", "even": "mazes grown evenly", "rooms": "rooms with loops"}  # with what they are called
_FORM = (
    "mazes:6x6,gems=2,walls=0.3,lengths=1-8,train=20000,test=4000 (each of them may be left out), kind=even or "
    "kind=rooms, or several of them, as in mazes:7x7,lengths=1-7+9x9,lengths=1-10"
)


@dataclass(frozen=True)
class MazeSettings:
    """What a source string such as "mazes:6x6,gems=2,lengths=1-8" asks for.

    Lengths are drawn uniformly from `shortest` to `longest`; `walls` is the share of the cells that at least stay
    walls. `kind` is what the ways are: corridors that go on where they are longest ("deep"), corridors grown evenly
    ("even"), or open rooms with loops ("rooms"). `train` mazes are drawn anew for every epoch; `test` is the size of
    the test split. `also` are further mazes for the same training, as in "mazes:7x7,lengths=1-7+9x9,lengths=1-10"; what
    such a part leaves out is as in the first, whose gems it may have fewer of, in any of their colours: ways are longer
    where fewer share a grid.
    """

    size: int = 6  # cells along a side
    gems: int = 2  # and so classes
    walls: float = 0.3
    shortest: int = 1
    longest: int = 8
    train: int = 20_000
    test: int = 4_000
    kind: Literal["deep", "even", "rooms"] = "deep"
    also: tuple[MazeSettings, ...] = ()

    def __post_init__(self) -> None:
        def check(condition: bool, message: str) -> None:
            if not condition:
                raise DataError(f"{message} in a source like {_FORM}")

        check(3 <= self.size <= 32, f"mazes of {self.size}x{self.size} cells: expected 3x3 to 32x32")
        check(2 <= self.gems <= len(COLOURS), f"gems={self.gems}: expected 2 to {len(COLOURS)}")
        check(self.kind in KINDS, f"kind={self.kind}: expected one of {', '.join(KINDS)}")
        check(0 < self.walls < 1, f"walls={self.walls:g}: expected between 0 and 1")
        check(
            1 <= self.shortest <= self.longest < self.size**2,
            f"lengths={self.shortest}-{self.longest}: expected 1 to {self.size**2 - 1}, the shorter one first",
        )
        for name in ("train", "test"):
            check(1 <= getattr(self, name) <= 10_000_000, f"{name}={getattr(self, name)}: expected 1 to 10,000,000")
        for each in self.also:
            check(
                each.gems <= self.gems,
                f"gems={each.gems} beside gems={self.gems}: expected most in the first mazes",
            )

    @classmethod
    def parse(cls, source: str) -> Self:
        """Read a source string. Raises DataError that names what is wrong in it."""
        kind, _, text = source.partition(":")
        if kind != "mazes":
            raise DataError(f"'{source}' is no source of mazes: expected {_FORM}")
        first, *also = (cls._given(part, source) for part in text.split("+"))
        settings = cls(**first)
        return replace(settings, also=tuple(replace(settings, **given) for given in also))

    @classmethod
    def _given(cls, text: str, source: str) -> dict[str, int | float | str]:
        """What one of the mazes in a source says."""
        given: dict[str, int | float | str] = {}
        for part in filter(None, (word.strip() for word in text.split(","))):
            for name, value in cls._read(part).items():
                if name in given:
                    raise DataError(f"'{part}' in '{source}' says again what was said before: expected {_FORM}")
                given[name] = value
        return given

    @staticmethod
    def _read(part: str) -> dict[str, int | float | str]:
        wrong = DataError(f"'{part}' is no setting of mazes: expected {_FORM}")
        if size := re.fullmatch(r"(\d{1,3})x(\d{1,3})", part):
            if size[1] != size[2]:
                raise DataError(f"mazes of {part} cells: expected a square such as 6x6, as images are square")
            return {"size": int(size[1])}
        name, _, value = part.partition("=")
        if name == "lengths" and (both := re.fullmatch(r"(\d{1,4})-(\d{1,4})", value)):
            return {"shortest": int(both[1]), "longest": int(both[2])}
        if name == "walls" and re.fullmatch(r"\d?\.\d{1,6}", value):
            return {name: float(value)}
        if name == "kind":
            return {name: value}
        if name in ("gems", "train", "test") and re.fullmatch(r"\d{1,9}", value):
            return {name: int(value)}
        raise wrong

    @property
    def source(self) -> str:
        """The source string in full; `parse` is the inverse."""
        parts = (
            f"{each.size}x{each.size},gems={each.gems},walls={f'{each.walls:.6f}'.rstrip('0')},"
            f"lengths={each.shortest}-{each.longest},train={each.train},test={each.test}"
            + (f",kind={each.kind}" if each.kind != "deep" else "")
            for each in (self, *self.also)
        )
        return "mazes:" + "+".join(parts)

    def image_size(self, taken: int, size: int) -> int:
        """Pixels along a side of mazes of size x size cells as large as those of these mazes in images of `taken`."""
        return taken // self.size * size

    @property
    def title(self) -> str:
        """What to call them wherever a number stands beside them. The test split has the first of them alone."""
        also = "".join(
            f"; trained on {each.size} × {each.size} as well, "
            + (f"{each.gems} gems, " if each.gems != self.gems else "")
            + f"paths of {each.shortest} to {each.longest}"
            for each in self.also
        )
        first = f"{self.size} × {self.size} cells, {self.gems} gems, paths of {self.shortest} to {self.longest}"
        return f"{KINDS[self.kind]} ({first}{also})"

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the colours; class i is a gem FIRST_GEM + i."""
        return COLOURS[: self.gems]
