"""Where the numbers of points stand in a figure, so that none covers another number or a point."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

_MARK, _CHAR, _LINE = 8.0, 7.5, 16.0  # pixels: half a point, a sign and a line of text
_A_LINE = 3  # numbers


class Place(NamedTuple):
    """The numbers of points that stand in one place, right of them: "2, 5"."""

    x: float
    y: float
    text: str


def places(
    points: Sequence[tuple[float, float]],
    names: Sequence[str],
    width: float = 260,
    height: float = 270,
    *,
    logarithmic: bool = True,
) -> list[Place]:
    """Where the name of each point (x, y) stands: right of it. Points whose names would overlap share one list.

    Reckoned for a plot of `width` by `height` pixels, that of a telephone; in a larger one there is more room.
    """
    if not points:
        return []
    logs = [math.log10(max(x, 1e-12)) if logarithmic else x for x, _ in points]
    span = max(max(logs) - min(logs), 0.3)
    low, high = min(y for _, y in points), max(y for _, y in points)
    tall = max(high - low, 0.5)
    at = [
        ((log - min(logs)) / span * width, (high - y) / tall * height) for log, (_, y) in zip(logs, points, strict=True)
    ]
    groups = [[k] for k in range(len(points))]
    while pair := _colliding(groups, at, names):
        one, other = pair
        groups[one] = sorted(groups[one] + groups.pop(other))
    return [
        Place(max(points[k][0] for k in group), sum(points[k][1] for k in group) / len(group), _listed(group, names))
        for group in groups
    ]


def _colliding(groups: list[list[int]], at: list[tuple[float, float]], names: Sequence[str]) -> tuple[int, int] | None:
    boxes = [_box(group, at, names) for group in groups]
    for one in range(len(groups)):
        for other in range(one + 1, len(groups)):
            marks = [(x - _MARK, y - _MARK, x + _MARK, y + _MARK) for x, y in (at[k] for k in groups[other])]
            own = [(x - _MARK, y - _MARK, x + _MARK, y + _MARK) for x, y in (at[k] for k in groups[one])]
            if (
                _overlap(boxes[one], boxes[other])
                or any(_overlap(boxes[one], mark) for mark in marks)
                or any(_overlap(boxes[other], mark) for mark in own)
            ):
                return one, other
    return None


def _box(group: list[int], at: list[tuple[float, float]], names: Sequence[str]) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of what is written of a group."""
    lines = _listed(group, names).split("<br>")
    left = max(at[k][0] for k in group) + _MARK + 1
    middle, half = sum(at[k][1] for k in group) / len(group), _LINE * len(lines) / 2
    return left, middle - half, left + _CHAR * max(map(len, lines)), middle + half


def _listed(group: list[int], names: Sequence[str]) -> str:
    texts = sorted((names[k] for k in group), key=lambda name: (len(name), name))
    return ",<br>".join(", ".join(texts[k : k + _A_LINE]) for k in range(0, len(texts), _A_LINE))


def _overlap(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return min(one[2], other[2]) > max(one[0], other[0]) and min(one[3], other[3]) > max(one[1], other[1])
