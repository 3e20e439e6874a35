"""The learner's maze: its text, its answer, and what is unlike training about it."""

import numpy as np
import pytest

from app.mazes.maze import Maze, answer_words, unlike_training
from vitrm.config.mazes import MazeSettings
from vitrm.data.mazes import FIRST_GEM, FREE, START, WALL
from vitrm.errors import DataError


def test_a_maze_is_written_and_read(maze):
    assert maze.cells.tolist() == [[START, FREE, FIRST_GEM], [WALL, WALL, WALL], [WALL, FIRST_GEM + 1, FREE]]
    assert Maze.of(maze.cells) == maze
    assert len({maze, Maze.of(maze.cells)}) == 1


def test_a_maze_is_solved_once_and_cannot_be_changed(maze):
    assert maze.solution is maze.solution
    assert maze.distances is maze.solution.distances
    with pytest.raises(ValueError, match="read-only"):
        maze.cells[0, 0] = WALL


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("s-1w", "it has 4 cells, expected a square of 3 × 3 to 21 × 21"),
        ("s-1ww", "it has 5 cells"),
        ("w" * 484, "it has 484 cells"),
        ("s-1wxww2-", r"'x' in row 2, column 2 is no cell: expected w \(wall\), - \(free\), s \(start\) or 1 to 2"),
        ("s-3wwww2-", "'3' in row 1, column 3 is no cell"),
    ],
)
def test_a_text_that_is_no_maze_is_said(text, message):
    with pytest.raises(DataError, match=message):
        Maze.read(text, gems=2)


def test_a_gem_that_a_model_does_not_know_may_be_in_another_maze():
    assert Maze.read("s-3wwww2-").cells[0, 2] == FIRST_GEM + 2


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("s-1wwww2-", []),
        ("s11www2-w", ["it has 2 orange gems"]),
        ("s-1wwww--", ["it has no sky blue gem"]),
        ("s-1wwwwww", ["it has no sky blue gem"]),
        ("s-1www2ww", ["the sky blue gem alone in a pocket of one cell"]),
        ("s--ww1www", ["it has no sky blue gem", "its path has 3 steps, those of the training 1 to 2"]),
        ("s-w--1www", ["it has no sky blue gem", "its path has 3 steps", "its ways have loops"]),
        ("s-1wwwww" + "w" * 8, ["it has 4 × 4 cells, those of the training 3 × 3", "it has no sky blue gem"]),
    ],
)
def test_what_sets_a_maze_apart_from_its_training_is_said(text, found):
    said = unlike_training(Maze(text), MazeSettings(size=3, gems=2, longest=2))
    assert len(said) == len(found)
    for sentence, start in zip(said, found, strict=True):
        assert sentence.startswith(start)


def test_the_answer_is_said_in_words_and_so_is_that_there_is_none(maze):
    assert answer_words(maze.solution) == "The orange gem can be reached, in 2 steps; no other can."
    assert maze.trouble == ""
    without = Maze("s-1www2ss")
    assert (without.solution, without.trouble) == (None, "this maze has 3 starts; it needs exactly one")
    assert not without.has_one_start
    assert np.array_equal(without.distances[0], [0, 1, 2])
