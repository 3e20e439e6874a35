"""The learner's maze as a value: its text travels in a link, and what follows from its cells is found once.

Pure, no streamlit, no torch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from vitrm.config.mazes import COLOURS, MazeSettings
from vitrm.data.mazes import FIRST_GEM, START, WALL, Solution, distances, solve
from vitrm.errors import DataError
from vitrm.judge.mazes import BEYOND
from vitrm.judge.sizes import longest_path

SIGNS = "w-s" + "".join(str(1 + k) for k in range(len(COLOURS)))  # one for each code of a cell
LARGEST = 21  # cells along a side that a page draws


@dataclass(frozen=True)
class Maze:
    """A maze, known by its text: S * S signs, row by row: w wall, - free, s start, 1 to 6 gems.

    It need not have an answer. A text that somebody else wrote is for `read`: nothing is checked here.
    """

    text: str

    @classmethod
    def read(cls, text: str, gems: int = len(COLOURS)) -> Self:
        """The maze of any text; only the first `gems` gems may be in it. Raises DataError that names what is wrong."""
        size = math.isqrt(len(text))
        if size * size != len(text) or not 3 <= size <= LARGEST:
            raise DataError(
                f"it has {len(text)} cells, expected a square of 3 × 3 to {LARGEST} × {LARGEST}, such as 36 for 6 × 6"
            )
        for place, sign in enumerate(text):
            if sign not in SIGNS[: FIRST_GEM + gems]:
                raise DataError(
                    f"'{sign}' in row {place // size + 1}, column {place % size + 1} is no cell: expected w (wall), "
                    f"- (free), s (start) or 1 to {gems} (gems)"
                )
        return cls(text)

    @classmethod
    def of(cls, cells: np.ndarray) -> Self:
        """The maze of cells (S, S) uint8."""
        return cls("".join(SIGNS[code] for code in cells.ravel()))

    @cached_property
    def cells(self) -> np.ndarray:
        """(S, S) uint8, read-only."""
        cells = np.array([SIGNS.index(sign) for sign in self.text], np.uint8).reshape(self.size, self.size)
        cells.flags.writeable = False
        return cells

    @property
    def size(self) -> int:
        """S, cells along a side."""
        return math.isqrt(len(self.text))

    @cached_property
    def _answer(self) -> Solution | str:
        try:
            return solve(self.cells)
        except DataError as error:
            return str(error)

    @property
    def solution(self) -> Solution | None:
        """Its answer; None if it has none."""
        return None if isinstance(self._answer, str) else self._answer

    @property
    def trouble(self) -> str:
        """Why it has no answer, in words; empty if it has one."""
        return self._answer if isinstance(self._answer, str) else ""

    @cached_property
    def distances(self) -> np.ndarray:
        """(S, S) int16: steps from the start, or the nearest of several; -1 where no way leads."""
        return self.solution.distances if self.solution else distances(self.cells[None])[0]

    @property
    def has_one_start(self) -> bool:
        """Only then can cells be told reachable or not."""
        return self.text.count(SIGNS[START]) == 1


def offered_sizes(settings: MazeSettings) -> list[int]:
    """Sizes that can be asked for of a model that takes any: those of the training, and odd ones up to the largest."""
    return sorted({*range(5, LARGEST + 1, 2), *(each.size for each in (settings, *settings.also))})


def offered_lengths(settings: MazeSettings, size: int) -> list[int]:
    """Lengths of paths that can be asked for in a size: those of the training, or those that are not too rare in it."""
    same = [each.longest + BEYOND for each in (settings, *settings.also) if each.size == size]
    return list(range(settings.shortest, 1 + (same[0] if same else longest_path(settings.kind, size))))


def longest_trained(settings: MazeSettings) -> int:
    """The longest path that the training may have had."""
    return max(each.longest for each in (settings, *settings.also))


def answer_words(solution: Solution) -> str:
    """The answer to a maze in a sentence."""
    gem = COLOURS[solution.label]
    return f"The {gem} gem can be reached, in {solution.length} step{'s' * (solution.length > 1)}; no other can."


def unlike_training(maze: Maze, settings: MazeSettings) -> list[str]:
    """What sets a maze apart from all that a model was trained on, each in words; empty if nothing does."""
    cells, solution, found = maze.cells, maze.solution, []
    trained = (settings, *settings.also)
    if maze.size not in {each.size for each in trained}:
        of = " and ".join(f"{each.size} × {each.size}" for each in trained)
        found.append(f"it has {maze.size} × {maze.size} cells, those of the training {of}")
    for k, name in enumerate(settings.classes):
        count = int((cells == FIRST_GEM + k).sum())
        if count != 1:
            found.append(f"it has {count or 'no'} {name} gem{'s' * (count > 1)}, those of the training one of each")
    for k in np.unique(cells[cells >= FIRST_GEM + settings.gems]):
        found.append(f"the model knows no {COLOURS[int(k) - FIRST_GEM]} gem")
    shortest, longest = settings.shortest, longest_trained(settings)
    if solution is not None and not shortest <= solution.length <= longest:
        found.append(f"its path has {solution.length} steps, those of the training {shortest} to {longest}")
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
