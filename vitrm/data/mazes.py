"""Mazes: a task in which information must travel. A start, one gem that can be reached from it and several that cannot.

The class of a maze is the colour of the gem that can be reached, its difficulty the length of the shortest path there.
Two shortcuts are closed: every gem has a colour of its own and every colour is there; and the start could lie as far
from each of the gems, so that walls and gems alone say nothing. What the start's place still says, `nearest_gem` tells,
and what can be seen around start and gems `maze_guess` does: a lot, above all of short paths.

A maze is an array of cells (S, S), uint8: WALL, FREE, START, or FIRST_GEM + colour. One goes up, down, left and right.
No torch here: `load_dataset("mazes:...")` turns cells into a data set.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from vitrm.config.mazes import COLOURS, MazeSettings
from vitrm.errors import DataError

WALL, FREE, START, FIRST_GEM = range(4)
_PALETTE = np.array(  # of the codes above; the start is Okabe and Ito's blue
    [(34, 34, 34), (236, 236, 236), (0, 114, 178), (230, 159, 0), (86, 180, 233), (0, 158, 115), (213, 94, 0),
     (240, 228, 66), (204, 121, 167)], dtype=np.uint8,
)  # fmt: skip
PROPOSED = 8192  # mazes at a time, from which those that fit are taken; part of what a seed means
PATIENCE = 400  # batches without a maze that fits, before a setting is called impossible


class Mazes(NamedTuple):
    """Mazes with their answers: cells (n, S, S) uint8, labels (n,) int64, lengths of the shortest paths (n,) int64."""

    cells: np.ndarray
    labels: np.ndarray
    lengths: np.ndarray


def draw_mazes(
    settings: MazeSettings,
    count: int,
    seed: tuple[int, ...],
    without: np.ndarray | None = None,
    *,
    colours: int | None = None,
    patience: int = PATIENCE,
    batch: int = PROPOSED,
) -> Mazes:
    """`count` different mazes; classes and lengths as evenly shared out as can be. The same seed gives the same mazes,
    if as many are proposed at a time (`batch`).

    Gems have different ones of the first `colours`, each as often that of the answer; None: as many as gems.

    `without` holds the `keys` of mazes that must not come up. Raises DataError if such mazes are too rare to be found:
    if more than `patience` batches of proposals in a row had none.
    """
    rng = np.random.default_rng(seed)
    lengths = np.arange(settings.shortest, settings.longest + 1)
    wanted = np.full(len(lengths), count // len(lengths))
    wanted[: count % len(lengths)] += 1
    left, taken = wanted.copy(), np.zeros(0, np.uint64) if without is None else np.sort(without)
    layouts: list[list[np.ndarray]] = [[] for _ in lengths]
    in_vain = 0
    while left.any():
        proposed, place = _propose(settings, rng, left, batch)  # cells, and which of the lengths each of them has
        key = keys(proposed)
        new = np.sort(np.unique(key, return_index=True)[1])
        new = new[~np.isin(key[new], taken)]
        proposed, place, key = proposed[new], place[new], key[new]
        found = []
        for k in np.flatnonzero(left):
            here = np.flatnonzero(place == k)[: left[k]]
            layouts[k].append(proposed[here])
            left[k] -= len(here)
            found.append(key[here])
        fresh = np.concatenate(found)
        taken = np.sort(np.concatenate([taken, fresh]))
        in_vain = 0 if len(fresh) else in_vain + 1
        if in_vain > patience:
            raise DataError(
                f"no maze with a path of {lengths[left > 0][-1]} was found among {in_vain * batch:,} of "
                f"{settings.source}; ask for shorter lengths, other walls, fewer gems or a larger grid"
            )
    order = rng.permutation(count)
    cells = np.concatenate([part for parts in layouts for part in parts])
    colours = colours or settings.gems
    labels = np.arange(count) % colours  # consecutive ones have the same length
    cells = _coloured(cells, labels, settings.gems, colours, rng)
    return Mazes(cells[order], labels[order], np.repeat(lengths, wanted)[order])


def keys(cells: np.ndarray) -> np.ndarray:
    """(n,) uint64, equal for mazes that are equal but for the colours of their gems; other mazes differ in it but for
    a chance of one in 2^64.
    """
    kinds = np.minimum(cells.reshape(len(cells), cells.shape[-1] ** 2), FIRST_GEM).astype(np.uint64)
    factors = np.random.default_rng(0).integers(0, 2**63, kinds.shape[1], dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    return (kinds * factors).sum(axis=1, dtype=np.uint64)


def distances(cells: np.ndarray) -> np.ndarray:
    """(n, S, S) int16: steps from the start of each maze (n, S, S) to each cell; -1 where no way leads."""
    grids = np.ascontiguousarray(cells.transpose(1, 2, 0))  # (S, S, n): the long axis last, which is many times faster
    return np.ascontiguousarray(_flood(grids != WALL, grids == START).transpose(2, 0, 1))


def _flood(free: np.ndarray, sources: np.ndarray) -> np.ndarray:
    """(S, S, n) int16: steps from the nearest of `sources` through `free` cells, both (S, S, n) bool; else -1."""
    unseen, front = free.copy(), sources
    found, step = np.full(free.shape, -1, np.int16), 0
    while front.any():
        np.copyto(found, step, where=front)
        unseen &= ~front
        front, step = _neighbours(front) & unseen, step + 1
    return found


def render(cells: np.ndarray, image_size: int) -> np.ndarray:
    """Mazes (n, S, S) as images (n, 3, image_size, image_size) uint8, a square of one colour for each cell.

    Raises DataError if the cells do not fill the image evenly.
    """
    cell = cell_size(cells.shape[-1], image_size)
    images = _PALETTE[cells].transpose(0, 3, 1, 2)  # (n, 3, S, S)
    return np.ascontiguousarray(images.repeat(cell, axis=2).repeat(cell, axis=3))


def cell_size(size: int, image_size: int) -> int:
    """Pixels along a side of one of size x size cells. Raises DataError if they do not fill the image evenly."""
    if image_size % size:
        raise DataError(f"image_size={image_size} is not a multiple of the {size} cells along a side of the mazes")
    return image_size // size


def cells_of(images: np.ndarray, size: int) -> np.ndarray:
    """The cells (n, S, S) of images (n, 3, H, W) that `render` made."""
    cell = images.shape[-1] // size
    middles = images[:, :, cell // 2 :: cell, cell // 2 :: cell].astype(np.int16)  # (n, 3, S, S)
    off = np.abs(middles[:, None] - _PALETTE.astype(np.int16)[None, :, :, None, None]).sum(axis=2)
    return off.argmin(axis=1).astype(np.uint8)


class Solution(NamedTuple):
    """The answer to one maze."""

    label: int  # colour of the gem that can be reached
    length: int  # steps of the shortest path to it
    path: tuple[tuple[int, int], ...]  # its cells (row, column), from the start to the gem: length + 1 of them
    distances: np.ndarray  # (S, S) steps from the start, -1 where no way leads


def solve(cells: np.ndarray) -> Solution:
    """The answer to one maze (S, S), however it was made.

    Raises DataError, in words for whoever drew it, if it has not exactly one start and one gem that can be reached.
    """
    starts = int((cells == START).sum())
    if starts != 1:
        raise DataError(f"this maze has {starts} starts; it needs exactly one")
    found = distances(cells[None])[0]
    gems = np.argwhere((cells >= FIRST_GEM) & (found > 0))
    if len(gems) != 1:
        colours = ", ".join(COLOURS[cells[row, column] - FIRST_GEM] for row, column in gems)
        reached = f"{len(gems)} gems can be reached ({colours})" if len(gems) else "no gem can be reached"
        raise DataError(f"{reached} in this maze; exactly one has to be")
    at = tuple(gems[0].tolist())
    path = [at]
    while found[path[-1]] > 0:
        row, column = path[-1]
        path.append(
            next(
                near
                for near in ((row - 1, column), (row, column - 1), (row, column + 1), (row + 1, column))
                if min(near) >= 0 and max(near) < len(cells) and found[near] == found[row, column] - 1
            )
        )
    return Solution(int(cells[at]) - FIRST_GEM, int(found[at]), tuple(reversed(path)), found)


def nearest_gem(cells: np.ndarray) -> np.ndarray:
    """(n,) the colour of the gem nearest to the start in a straight line, walls or not: a guess without a search.

    Of gems equally near the first in reading order is taken.
    """
    n, size, _ = cells.shape
    place = np.argwhere(cells == START)[:, 1:]  # (n, 2), as each maze has one
    rows, columns = np.indices((size, size))
    off = (rows - place[:, :1, None]) ** 2 + (columns - place[:, 1:, None]) ** 2
    flat = np.where(cells >= FIRST_GEM, off, 2 * size**2).reshape(n, -1)
    return cells.reshape(n, -1)[np.arange(n), flat.argmin(axis=1)].astype(np.int64) - FIRST_GEM


# Drawing


def _neighbours(cells: np.ndarray) -> np.ndarray:
    """(S, S, n) bool: next to one of these cells (S, S, n)."""
    near = np.zeros_like(cells)
    near[1:] |= cells[:-1]
    near[:-1] |= cells[1:]
    near[:, 1:] |= cells[:, :-1]
    near[:, :-1] |= cells[:, 1:]
    return near


def _grow(settings: MazeSettings, rng: np.random.Generator, batch: int) -> tuple[np.ndarray, np.ndarray]:
    """Ways grown from the gems, in turn, that never touch those of another gem: whose each cell is, and how far from
    its gem.

    (S, S, n) int8 and int16: 0 for a wall, 1 to `gems`; and 0 at the gem. In corridors a cell is dug where it touches
    one dug cell only, and that one its own: they branch but have no loops, so that there is one way from each cell to
    its gem. Deeper cells are preferred, which makes long ways, unless the corridors grow evenly. Rooms are dug wherever
    they touch nothing but their own, around pillars that stay, half of `walls`. Digging ends when only
    `walls` of all cells are walls, or there is nowhere to dig.
    """
    s, gems, rooms = settings.size, settings.gems, settings.kind == "rooms"
    owner, beside = np.zeros((2, s, s, batch), np.int8)  # beside: dug cells above, below, left and right
    depth, deeper, whose = np.zeros((3, s, s, batch), np.int16)  # the last two: sums over those, the last one of codes
    codes = 5 ** np.arange(gems, dtype=np.int16)  # so that a sum of at most four tells how many there are of each
    pillars = rng.random(owner.shape, dtype=np.float32) < settings.walls / 2 if rooms else np.False_
    columns = np.arange(batch)
    cells = round((1 - settings.walls) * s * s)
    for turn in range(max(gems, cells)):
        mine = turn % gems
        if turn < gems:
            able = (owner == 0) & (beside == 0)
        elif rooms:
            able = (owner == 0) & (beside > 0) & (whose == codes[mine] * beside) & ~pillars
        else:
            able = (owner == 0) & (beside == 1) & (whose == codes[mine])
        score = rng.integers(1, 33, able.shape, dtype=np.int8)
        if settings.kind == "deep":
            score += 8 * np.minimum(deeper, 11).astype(np.int8)  # of the one neighbour
        score = (score * able).reshape(s * s, -1)
        at = score.argmax(axis=0)
        dug = score[at, columns] > 0
        (row, column), where = np.divmod(at[dug], s), columns[dug]
        owner[row, column, where] = 1 + mine
        far = deeper[row, column, where] + 1 if turn >= gems else np.zeros(len(where), np.int16)
        depth[row, column, where] = far
        for down, right in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            there = (row + down >= 0) & (row + down < s) & (column + right >= 0) & (column + right < s)
            near = (row + down)[there], (column + right)[there], where[there]
            beside[near] += 1
            deeper[near] += far[there]
            whose[near] += codes[mine]
        if rooms and turn == gems - 1:
            sources = owner > 0
    return owner, _flood(owner > 0, sources) if rooms else depth


def _propose(
    settings: MazeSettings, rng: np.random.Generator, left: np.ndarray, batch: int
) -> tuple[np.ndarray, np.ndarray]:
    """Mazes (n, S, S) with uncoloured gems, the one that can be reached FIRST_GEM and the others FIRST_GEM + 1, and
    which of the lengths each has (n,). They are what fits among `batch` of them.

    A length is drawn first, by how many of it are `left` to find. Then the start could lie as far as that from any of
    the gems, and by which of them it does is drawn last. So walls and gems say nothing of the answer.
    """
    s, lengths = settings.size, len(left)
    place = rng.choice(lengths, batch, p=left / left.sum())
    owner, depth = (part.reshape(s * s, -1) for part in _grow(settings, rng, batch))
    far = settings.shortest + place
    fits = np.ones(batch, bool)
    for gem in range(settings.gems):
        fits &= (np.where(owner == gem + 1, depth, -1).max(axis=0)) >= far
    owner, depth, far, place = owner[:, fits], depth[:, fits], far[fits], place[fits]
    rows = np.arange(len(far))
    mine = 1 + rng.integers(settings.gems, size=len(far))
    starts = (owner == mine) & (depth == far)
    at = np.where(starts, rng.random(starts.shape, dtype=np.float32), -1).argmax(axis=0)
    cells = np.where(owner > 0, FREE, WALL).astype(np.uint8)
    gems = (owner > 0) & (depth == 0)
    cells[gems] = np.where(owner == mine, FIRST_GEM, FIRST_GEM + 1)[gems]
    cells[at, rows] = START
    return np.ascontiguousarray(cells.T).reshape(-1, s, s), place


def _coloured(cells: np.ndarray, labels: np.ndarray, gems: int, colours: int, rng: np.random.Generator) -> np.ndarray:
    """The gem that can be reached in the colour of the label (n,), the others in other colours, in any order."""
    flat, rows = cells.reshape(len(cells), -1).copy(), np.arange(len(cells))
    decoys = np.nonzero(flat == FIRST_GEM + 1)[1].reshape(len(cells), gems - 1)
    turns = (
        rng.random((len(cells), colours - 1)).argsort(axis=1)[:, : gems - 1] + 1
    )  # of 1 .. colours - 1, in any order
    flat[flat == FIRST_GEM] = FIRST_GEM + labels
    flat[rows[:, None], decoys] = FIRST_GEM + (labels[:, None] + turns) % colours
    return flat.reshape(cells.shape)
