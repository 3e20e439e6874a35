"""The learner's maze: the text that travels in a link, what is unlike training about it, and what a trace says of its
cells. Pure, no streamlit, no torch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from vitrm.data.mazes import COLOURS, FIRST_GEM, START, WALL, MazeSettings, Solution, distances, render, solve
from vitrm.errors import DataError
from vitrm.judge.mazes import BEYOND
from vitrm.traces.trace import Trace

SIGNS = "w-s" + "".join(str(1 + k) for k in range(len(COLOURS)))  # one for each code of a cell
LARGEST = 12  # cells along a side that a page draws


def to_text(cells: np.ndarray) -> str:
    """A maze (S, S) as S * S signs, row by row: w wall, - free, s start, 1 to 6 gems. `from_text` is the inverse."""
    return "".join(SIGNS[code] for code in cells.ravel())


def from_text(text: str, gems: int = len(COLOURS)) -> np.ndarray:
    """The maze (S, S) uint8 that a text stands for. Raises DataError that names what is wrong with it."""
    size = math.isqrt(len(text))
    if size * size != len(text) or not 3 <= size <= LARGEST:
        raise DataError(
            f"it has {len(text)} cells, expected a square of 3 × 3 to {LARGEST} × {LARGEST}, such as 36 for 6 × 6"
        )
    known = SIGNS[: FIRST_GEM + gems]
    for place, sign in enumerate(text):
        if sign not in known:
            raise DataError(
                f"'{sign}' in {place_words(place, size)} is no cell: expected w (wall), - (free), s (start) "
                f"or 1 to {gems} (gems)"
            )
    return np.array([known.index(sign) for sign in text], np.uint8).reshape(size, size)


def place_words(place: int, size: int) -> str:
    """A cell by its place in reading order, counted from 1 as people do."""
    return f"row {place // size + 1}, column {place % size + 1}"


def cell_colours() -> list[str]:
    """The colour of each code of a cell, as the model is shown it: "#rrggbb"."""
    pixels = render(np.arange(FIRST_GEM + len(COLOURS), dtype=np.uint8).reshape(1, 3, 3), 3)[0]
    return ["#" + "".join(f"{value:02x}" for value in colour) for colour in pixels.reshape(3, -1).T.tolist()]


def offered_lengths(settings: MazeSettings) -> list[int]:
    """Lengths of paths that can be asked for: those of the training, and some beyond (too long ones are not found)."""
    return list(range(settings.shortest, settings.longest + BEYOND + 1))


def answer(cells: np.ndarray) -> tuple[Solution | None, str]:
    """The answer to a maze, and what is wrong with it in words (empty, if nothing is)."""
    try:
        return solve(cells), ""
    except DataError as error:
        return None, str(error)


def unlike_training(cells: np.ndarray, solution: Solution | None, settings: MazeSettings) -> list[str]:
    """What sets a maze apart from all that a model was trained on, each in words; empty if nothing does."""
    found = []
    if len(cells) != settings.size:
        found.append(
            f"it has {len(cells)} × {len(cells)} cells, those of the training {settings.size} × {settings.size}"
        )
    for k, name in enumerate(settings.classes):
        count = int((cells == FIRST_GEM + k).sum())
        if count != 1:
            found.append(f"it has {count or 'no'} {name} gem{'s' * (count > 1)}, those of the training one of each")
    for k in np.unique(cells[cells >= FIRST_GEM + settings.gems]):
        found.append(f"the model knows no {COLOURS[int(k) - FIRST_GEM]} gem")
    if solution is not None and not settings.shortest <= solution.length <= settings.longest:
        found.append(
            f"its path has {solution.length} steps, those of the training {settings.shortest} to {settings.longest}"
        )
    pockets = [COLOURS[int(code) - FIRST_GEM] for code in cells[(cells >= FIRST_GEM) & ~_has_way_out(cells)]]
    if pockets:
        found.append(f"the {' and the '.join(pockets)} gem{'s' * (len(pockets) > 1)} alone in a pocket of one cell")
    if _loops(cells):
        found.append("its ways have loops or open places, those of the training have none")
    return found


def _loops(cells: np.ndarray) -> int:
    """How many ways there are besides one from each cell to each it is joined to; 0 in a maze without loops."""
    from scipy.ndimage import label

    free = cells != WALL
    joints = int((free[:, 1:] & free[:, :-1]).sum() + (free[1:] & free[:-1]).sum())
    return joints - int(free.sum()) + label(free)[1]


def _has_way_out(cells: np.ndarray) -> np.ndarray:
    """(S, S) which cells have a neighbour that is no wall."""
    free = np.pad(cells != WALL, 1)
    return free[:-2, 1:-1] | free[2:, 1:-1] | free[1:-1, :-2] | free[1:-1, 2:]


def maze_words(cells: np.ndarray) -> str:
    """A maze in a sentence, for those who cannot see it."""
    size, flat = len(cells), cells.ravel()
    parts = [f"start in {place_words(int(k), size)}" for k in np.flatnonzero(flat == START)]
    parts += [
        f"{COLOURS[int(flat[k]) - FIRST_GEM]} gem in {place_words(int(k), size)}"
        for k in np.flatnonzero(flat >= FIRST_GEM)
    ]
    return f"Maze of {size} × {size} cells, {int((flat == WALL).sum())} of them walls; {'; '.join(parts) or 'empty'}."


def answer_words(solution: Solution) -> str:
    """The answer to a maze in a sentence."""
    gem = COLOURS[solution.label]
    return f"The {gem} gem can be reached, in {solution.length} step{'s' * (solution.length > 1)}; no other can."


def has_one_start(cells: np.ndarray) -> bool:
    """Whether one start is there: only then can cells be told reachable or not."""
    return int((cells == START).sum()) == 1


# What a trace says of the cells. R = N * T * M moments, one after every memory update; L = S * S cells.


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


def cell_maps(
    trace: Trace, cells: np.ndarray, tied: bool, reachable: np.ndarray | None = None, probe_words: str = ""
) -> Cells:
    """What a trace says of the cells of its maze (S, S).

    With one memory token per cell (K = L), also what each cell's own token does; `tied` says whether the model ties
    them to their cells by construction. `reachable` (R, L) is a probe's estimate, 0..1, that a cell can be reached.
    """
    moments, found = trace.halt_logit.size, distances(cells[None])[0].ravel()
    maps = []
    if reachable is not None:
        maps.append(
            CellMap("Probe: can this cell be reached?", probe_words, _rows(reachable, moments), "sequential", 0.0, 1.0)
        )
    if trace.memory.shape[-2] == cells.size:
        states = trace.memory.reshape(moments, cells.size, -1)
        before = np.concatenate([np.broadcast_to(trace.initial_memory, states.shape[1:])[None], states[:-1]])
        change = np.linalg.norm(states - before, axis=-1)
        bound = (
            "Each cell has a memory token of its own."
            if tied
            else "There are as many memory tokens as cells, in the same order; that token and cell belong together was "
            "left to training."
        )
        if has_one_start(cells):
            unit = states / np.maximum(np.linalg.norm(states, axis=-1, keepdims=True), 1e-12)
            alike = np.einsum("rld,rd->rl", unit, unit[:, int(np.flatnonzero(cells.ravel() == START)[0])])
            maps.append(
                CellMap(
                    "Likeness to the start's memory token",
                    f"{bound} Cosine between a cell's token and that of the start: 1 the same direction, 0 none in "
                    "common. Tokens can be alike for other reasons than being reachable.",
                    alike.astype(np.float32),
                    "diverging",
                    -1.0,
                    1.0,
                )
            )
        maps.append(
            CellMap(
                "Change of the cell's memory token",
                f"{bound} Length of the change of a cell's token in this memory update. A change says that something "
                "was written there, not what.",
                change.astype(np.float32),
                "sequential",
                0.0,
                float(np.quantile(change[1:] if moments > 1 else change, 0.99)) or 1.0,
            )
        )
    if trace.patch_attention is not None:
        weights = trace.patch_attention.mean(axis=(3, 4, 5)).reshape(moments, -1)  # over layers, heads, memory tokens
        if weights.shape[1] == cells.size:
            maps.append(
                CellMap(
                    "Attention of the memory to the cells",
                    "Mean over all layers, heads and memory tokens, in percent: which cells were read. What was read "
                    "need not have mattered.",
                    (100 * weights).astype(np.float32),
                    "sequential",
                    0.0,
                    float(100 * weights.max()) or 1.0,
                    "%",
                )
            )
    return Cells(cells.ravel().copy(), found, tuple(maps))


def _rows(values: np.ndarray, moments: int) -> np.ndarray:
    return np.asarray(values, np.float32).reshape(moments, -1)


NOT_REACHED = -1


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
