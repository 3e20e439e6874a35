"""Where the names of points stand in a figure, so that few cover another."""

from __future__ import annotations

import math
from collections.abc import Sequence

_PLACES = ("top center", "bottom center", "middle right", "middle left", "top right", "bottom left", "top left",
           "bottom right")  # fmt: skip


def label_places(
    points: Sequence[tuple[float, float]],
    names: Sequence[str],
    width: float = 480,
    height: float = 270,
    *,
    logarithmic: bool = True,
) -> list[str]:
    """Where the name of each point (x, y) stands, so that few cover another name or a point.

    Reckoned for a plot of `width` by `height` pixels; greedy, from the highest point down.
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
    taken = [(x - 8, y - 8, x + 8, y + 8) for x, y in at]
    places = [""] * len(points)
    for k in sorted(range(len(points)), key=lambda k: at[k][1]):
        x, y = at[k]
        long, high_px = 6.6 * len(names[k]), 16.0
        best = None
        for rank, place in enumerate(_PLACES):
            up, _, side = place.partition(" ")
            left = {"center": x - long / 2, "right": x + 9, "left": x - 9 - long}[side]
            top = {"top": y - 8 - high_px, "bottom": y + 8, "middle": y - high_px / 2}[up]
            box = (left, top, left + long, top + high_px)
            covered = sum(_overlap(box, other) for j, other in enumerate(taken) if j != k)
            outside = max(0.0, -60 - left) + max(0.0, left + long - width - 60)
            cost = covered + 20 * outside + rank
            if best is None or cost < best[0]:
                best = cost, place, box
        places[k] = best[1]
        taken.append(best[2])
    return places


def _overlap(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return wide * high if wide > 0 and high > 0 else 0.0
