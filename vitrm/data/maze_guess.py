"""What a maze gives away without a search: gradient boosting on what can be seen from the start and from a gem.

Each gem of a maze is described by local features alone, none of which follows a way: how far it is, what lies in the
box between it and the start, the two routes with one corner, and how far one can look from either end. Boosted trees
are fitted to say which gem can be reached; what they get right needs no steps.
"""

from __future__ import annotations

import numpy as np

from vitrm.data.mazes import FIRST_GEM, START, WALL

LOCAL_GUESS = "local features"  # what it is called beside other guesses
_AROUND = ((-1, 0), (0, 1), (1, 0), (0, -1))  # up, right, down, left


class LocalGuess:
    """Which gem can be reached, guessed by local features, fitted to mazes (n, S, S) and the colours (n,) that can be.

    scikit-learn's gradient boosting with its own defaults, until a tenth of the mazes that it holds back gain no more.
    """

    def __init__(self, cells: np.ndarray, labels: np.ndarray, gems: int) -> None:
        from sklearn.ensemble import HistGradientBoostingClassifier

        self.gems = gems
        enough = len(labels) >= 200  # for a tenth of them to say anything
        turns = 2000 if enough else 50
        self.trees = HistGradientBoostingClassifier(max_iter=turns, early_stopping=enough, random_state=0)
        features = local_features(cells, gems)
        with _one_thread():
            self.trees.fit(features.reshape(-1, features.shape[-1]), (labels[:, None] == np.arange(gems)).ravel())

    def __call__(self, cells: np.ndarray) -> np.ndarray:
        """(n, S, S) cells -> (n,) int64, the colour of the gem that looks most like one that can be reached."""
        features = local_features(cells, self.gems)
        with _one_thread():
            chance = self.trees.predict_proba(features.reshape(-1, features.shape[-1]))[:, 1]
        return chance.reshape(-1, self.gems).argmax(axis=1)


def _one_thread():
    """Threads that wait for each other on cores that others use made it forty times slower."""
    from threadpoolctl import threadpool_limits  # which scikit-learn brings

    return threadpool_limits(1)


def local_features(cells: np.ndarray, gems: int) -> np.ndarray:
    """(n, gems, F) float32: what is told of each gem of each maze (n, S, S), without following any way."""
    n, size, _ = cells.shape
    free = np.zeros((n, size + 2, size + 2), bool)  # with a wall all around
    free[:, 1:-1, 1:-1] = cells != WALL
    start = np.argwhere(cells == START)[:, 1:] + 1  # (n, 2)
    places = np.stack([np.argwhere(cells == FIRST_GEM + k)[:, 1:] + 1 for k in range(gems)], axis=1)  # (n, gems, 2)
    steps = np.abs(places - start[:, None]).sum(axis=-1)  # (n, gems), walls or not
    own = np.stack([_ends(free, start, places[:, k]) for k in range(gems)], axis=1)
    nearer = np.stack([(np.delete(steps, k, axis=1) < steps[:, k, None]).sum(axis=1) for k in range(gems)], axis=1)
    next_best = np.stack([steps[:, k] - np.delete(steps, k, axis=1).min(axis=1) for k in range(gems)], axis=1)
    return np.concatenate([own, nearer[..., None], next_best[..., None]], axis=-1).astype(np.float32)


def _ends(free: np.ndarray, start: np.ndarray, gem: np.ndarray) -> np.ndarray:
    """(n, F): of one gem each, at `gem` (n, 2), in mazes whose free cells are `free`."""
    rows = np.arange(len(free))
    way = gem - start
    towards = np.sign(way)
    low, high = np.minimum(start, gem), np.maximum(start, gem)
    place = np.arange(free.shape[1])
    in_rows = (place >= low[:, :1]) & (place <= high[:, :1])
    in_columns = (place >= low[:, 1:]) & (place <= high[:, 1:])
    box = in_rows[:, :, None] & in_columns[:, None]
    walls = (box & ~free).sum(axis=(1, 2))

    def blocked(row: np.ndarray, column: np.ndarray) -> np.ndarray:
        """Walls on the route along row `row` and column `column` (n,), within the box."""
        across = (in_columns & ~free[rows, row]).sum(axis=1)
        down = (in_rows & ~free[rows, :, column]).sum(axis=1)
        return across + down - ~free[rows, row, column]  # the corner is on both

    corners = np.stack([blocked(start[:, 0], gem[:, 1]), blocked(gem[:, 0], start[:, 1])], axis=1)
    found = [way, np.abs(way), np.abs(way).sum(axis=1, keepdims=True), walls[:, None]]
    found += [(walls / box.sum(axis=(1, 2)))[:, None], np.sort(corners, axis=1)]
    for at, sign in ((start, towards), (gem, -towards)):
        sight = np.stack([_sight(free, at, step) for step in _AROUND], axis=1)  # (n, 4)
        found += [sight, (sight > 0).sum(axis=1, keepdims=True)]
        for axis in (0, 1):  # the first step towards the other end, and away from it
            for turn in (1, -1):
                step = np.zeros_like(at)
                step[:, axis] = turn * sign[:, axis]
                ahead = free[rows, *(at + step).T] & (sign[:, axis] != 0)
                found.append(ahead[:, None])
    return np.concatenate(found, axis=1)


def _sight(free: np.ndarray, at: np.ndarray, step: tuple[int, int]) -> np.ndarray:
    """(n,) how many free cells lie in a straight line from `at` (n, 2) before a wall."""
    rows, seen, going = np.arange(len(free)), np.zeros(len(free), int), np.ones(len(free), bool)
    here = at.copy()
    for _ in range(free.shape[1]):
        here = here + going[:, None] * np.array(step)
        going &= free[rows, *here.T]
        seen += going
    return seen
