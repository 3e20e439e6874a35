"""What the cells panel shows of a maze: one number per moment and cell, and how these spread from the start.

R = N * T * M moments, one after every memory update; L = S * S cells. Pure, no streamlit, no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from vitrm.config.mazes import COLOURS
from vitrm.data.mazes import FIRST_GEM, START, WALL, render

NOT_REACHED = -1  # the distance of cells that are no walls and to which no way leads


@dataclass(frozen=True, eq=False)
class CellMap:
    """One number per moment and cell, with how to read it and what not to conclude."""

    name: str
    how: str
    values: np.ndarray  # (R, L) float32
    scale: Literal["sequential", "diverging"]
    low: float  # ends of the colour scale, fixed over the moments
    high: float
    unit: str = ""


@dataclass(frozen=True, eq=False)
class Cells:
    """A maze and what a trace of it says of each cell."""

    codes: np.ndarray  # (L,) uint8
    distances: np.ndarray  # (L,) int16, steps from the start; -1 where no way leads
    maps: tuple[CellMap, ...]


def cell_colours() -> list[str]:
    """The colour of each code of a cell, as the model is shown it: "#rrggbb"."""
    pixels = render(np.arange(FIRST_GEM + len(COLOURS), dtype=np.uint8).reshape(1, 3, 3), 3)[0]
    return ["#" + "".join(f"{value:02x}" for value in colour) for colour in pixels.reshape(3, -1).T.tolist()]


def class_colours(names: Sequence[str]) -> list[str] | None:
    """The colour of each class where all of them are called by a gem's colour, as in mazes; else None."""
    if not set(names) <= set(COLOURS):
        return None
    gems = cell_colours()[FIRST_GEM:]
    return [gems[COLOURS.index(name)] for name in names]


def wave(values: np.ndarray, cells: Cells) -> tuple[list[int], np.ndarray]:
    """The mean of a map (R, L) over all cells equally far from the start, with the distances from 0 (G,): (G, R).

    Cells that are no walls but cannot be reached come last, as distance NOT_REACHED; what no cell has is left out.
    """
    known = sorted(set(cells.distances[cells.distances >= 0].tolist()))
    groups = [cells.distances == d for d in known]
    cut_off = (cells.codes != WALL) & (cells.distances < 0)
    if cut_off.any():
        known, groups = [*known, NOT_REACHED], [*groups, cut_off]
    if not groups:
        return [], np.zeros((0, len(values)), np.float32)
    return known, np.stack([values[:, group].mean(axis=1) for group in groups])


def telling(values: np.ndarray, cells: Cells) -> np.ndarray | None:
    """How well a map (R, L) tells cells that can be reached from those that cannot, at each moment: AUROC (R,).

    Walls and the start are left out. None where there is only one kind.
    """
    others = (cells.codes != WALL) & (cells.codes != START)
    inside, outside = values[:, others & (cells.distances > 0)], values[:, others & (cells.distances < 0)]
    if not inside.shape[1] or not outside.shape[1]:
        return None
    above = (inside[:, :, None] > outside[:, None]).mean(axis=(1, 2))
    return above + 0.5 * (inside[:, :, None] == outside[:, None]).mean(axis=(1, 2))
