"""Where the numbers of points stand in a figure, so that none covers another number or a point."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

_MARK, _CHAR, _LINE = 8.0, 7.5, 16.0  # pixels: half a point, a sign and a line of text
_A_LINE = 3  # numbers


class Place(NamedTuple):
    """The numbers of points that stand in one place, beside them: "2, 5"."""

    x: float
    y: float
    text: str
    side: str  # of (x, y): "right" or "left"


@dataclass
class _Group:
    members: list[int]
    side: str = "right"


def places(
    points: Sequence[tuple[float, float]],
    names: Sequence[str],
    width: float = 260,
    height: float = 270,
    *,
    logarithmic: bool = True,
) -> list[Place]:
    """Where the name of each point (x, y) stands: right of it, or left; where neither is free, some share one list.

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
    groups: list[_Group] = []
    for k, point in enumerate(at):  # points that lie on one another are one from the start
        same = (group for group in groups if any(math.dist(point, at[j]) < _MARK for j in group.members))
        if (group := next(same, None)) is None:
            groups.append(_Group([k]))
        else:
            group.members.append(k)
    while pair := _colliding(groups, at, names):
        if any(_turned(groups, k, at, names) for k in pair):
            continue
        one, other = pair
        groups[one] = _Group(sorted(groups[one].members + groups.pop(other).members))
    return [
        Place(
            (max if group.side == "right" else min)(points[k][0] for k in group.members),
            sum(points[k][1] for k in group.members) / len(group.members),
            _listed(group, names),
            group.side,
        )
        for group in groups
    ]


def _turned(groups: list[_Group], k: int, at: list[tuple[float, float]], names: Sequence[str]) -> bool:
    """Whether a name has been put on the left, as it is free of all others there."""
    group = groups[k]
    if group.side == "left":
        return False
    group.side = "left"
    if not any(_clash(group, other, at, names) for other in groups if other is not group):
        return True
    group.side = "right"
    return False


def _colliding(groups: list[_Group], at: list[tuple[float, float]], names: Sequence[str]) -> tuple[int, int] | None:
    for one in range(len(groups)):
        for other in range(one + 1, len(groups)):
            if _clash(groups[one], groups[other], at, names):
                return one, other
    return None


def _clash(one: _Group, other: _Group, at: list[tuple[float, float]], names: Sequence[str]) -> bool:
    """Whether what is written of one group covers the other, or its points."""
    boxes = _box(one, at, names), _box(other, at, names)
    marks = [
        [(x - _MARK, y - _MARK, x + _MARK, y + _MARK) for x, y in (at[k] for k in group.members)]
        for group in (one, other)
    ]
    return (
        _overlap(*boxes)
        or any(_overlap(boxes[0], mark) for mark in marks[1])
        or any(_overlap(boxes[1], mark) for mark in marks[0])
    )


def _box(group: _Group, at: list[tuple[float, float]], names: Sequence[str]) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of what is written of a group."""
    lines = _listed(group, names).split("<br>")
    wide, half = _CHAR * max(map(len, lines)), _LINE * len(lines) / 2
    across, down = zip(*(at[k] for k in group.members), strict=True)
    left = max(across) + _MARK + 1 if group.side == "right" else min(across) - _MARK - 1 - wide
    middle = sum(down) / len(down)
    return left, middle - half, left + wide, middle + half


def _listed(group: _Group, names: Sequence[str]) -> str:
    texts = sorted((names[k] for k in group.members), key=lambda name: (len(name), name))
    return ",<br>".join(", ".join(texts[k : k + _A_LINE]) for k in range(0, len(texts), _A_LINE))


def _overlap(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return min(one[2], other[2]) > max(one[0], other[0]) and min(one[3], other[3]) > max(one[1], other[1])
