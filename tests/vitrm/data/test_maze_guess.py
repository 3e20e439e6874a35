"""Local features of mazes: what they see, and how much may be guessed from them without a search."""

import numpy as np
import pytest

from vitrm.config.mazes import MazeSettings
from vitrm.data.maze_guess import LocalGuess, local_features
from vitrm.data.mazes import WALL, draw_mazes, nearest_gem


def test_local_features_see_no_farther_than_walls_and_the_box_between(drawn):
    maze = drawn("0.#1# ..#.. .#S.. .###. 2..#.")
    found = local_features(maze[None], 3)[0]
    assert found.shape == (3, 29)
    assert found[0, :5].tolist() == [-2, -2, 2, 2, 4]  # up and left: two rows, two columns, four steps
    assert found[0, 5] == 3  # walls in the box of nine cells
    assert found[0, 6] == pytest.approx(3 / 9)
    assert found[0, 7:9].tolist() == [1, 2]  # on the routes with one corner, the freer first
    assert found[:, 9:13].tolist() == [[0, 2, 0, 0]] * 3  # from the start one sees two cells, to the right
    assert found[1, 9 + 9 : 13 + 9].tolist() == [0, 0, 2, 0]  # from gem 1 two cells downwards
    assert found[:, -2].tolist() == [1, 0, 1]  # gems that are nearer
    hidden = maze.copy()
    hidden[1, 4] = WALL  # in no box with gem 0 or 2, and seen from neither end
    assert np.array_equal(local_features(hidden[None], 3)[0, [0, 2]], found[[0, 2]])


def test_boosted_local_features_guess_far_better_than_distance():
    mazes = draw_mazes(MazeSettings(size=6, gems=3, longest=4), 3000, (0,))
    guess = LocalGuess(mazes.cells[:1000], mazes.labels[:1000], 3)
    cells, labels, _ = (part[1000:] for part in mazes)
    assert (guess(cells) == labels).mean() > (nearest_gem(cells) == labels).mean() + 0.05
    few = LocalGuess(mazes.cells[:10], mazes.labels[:10], 3)  # too few to learn from, but no error
    assert set(few(cells).tolist()) <= {0, 1, 2}
