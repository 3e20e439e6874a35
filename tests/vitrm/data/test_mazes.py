"""Mazes: answers against an independent search, what a seed fixes, how classes and lengths are shared out."""

import networkx as nx
import numpy as np
import pytest

from vitrm.config.mazes import MazeSettings
from vitrm.data.mazes import (
    FIRST_GEM,
    FREE,
    START,
    WALL,
    cells_of,
    distances,
    draw_mazes,
    keys,
    nearest_gem,
    render,
    solve,
)
from vitrm.errors import DataError

SETTINGS = MazeSettings(size=6, gems=3, longest=4)


@pytest.fixture(scope="module")
def mazes():
    return draw_mazes(SETTINGS, 10_000, (0,))


def _search(cells):
    """networkx's distances from the start of one maze, by cell."""
    graph = nx.grid_2d_graph(*cells.shape)
    graph.remove_nodes_from([tuple(at) for at in np.argwhere(cells == WALL).tolist()])
    (start,) = np.argwhere(cells == START).tolist()
    return nx.single_source_shortest_path_length(graph, tuple(start))


# The answers


def test_labels_and_lengths_are_those_of_an_independent_search_in_10_000_mazes(mazes):
    for cells, label, length in zip(*mazes, strict=True):
        found = _search(cells)
        gems = {int(cells[row, column]) - FIRST_GEM: (row, column) for row, column in np.argwhere(cells >= FIRST_GEM)}
        assert sorted(gems) == [0, 1, 2]  # every colour once: the colours say nothing
        assert {colour: found[at] for colour, at in gems.items() if at in found} == {label: length}


def test_the_start_could_lie_as_far_from_every_gem_so_that_walls_and_gems_say_nothing(mazes):
    walls = np.where(mazes.cells == WALL, WALL, FREE)
    for colour in range(3):
        from_gem = np.where(mazes.cells == FIRST_GEM + colour, START, walls)
        assert (distances(from_gem).max(axis=(1, 2)) >= mazes.lengths).all()


def test_corridors_have_no_loops_so_that_there_is_one_way(mazes):
    free = mazes.cells != WALL
    joints = (free[:, 1:] & free[:, :-1]).sum(axis=(1, 2)) + (free[:, :, 1:] & free[:, :, :-1]).sum(axis=(1, 2))
    assert (free.sum(axis=(1, 2)) - joints == 3).all()  # a forest of three trees


def test_distances_are_those_of_an_independent_search(mazes):
    for cells, found in zip(mazes.cells[:200], distances(mazes.cells[:200]), strict=True):
        reached = _search(cells)
        for at, distance in np.ndenumerate(found):
            assert distance == reached.get(at, -1)


def test_solve_gives_a_shortest_path_of_single_steps(mazes):
    for cells, label, length in zip(*(part[:200] for part in mazes), strict=True):
        solution = solve(cells)
        assert (solution.label, solution.length, len(solution.path)) == (label, length, length + 1)
        assert cells[solution.path[0]] == START
        assert cells[solution.path[-1]] == FIRST_GEM + label
        assert all(cells[at] != WALL for at in solution.path)
        steps = np.abs(np.diff(np.array(solution.path), axis=0)).sum(axis=1)
        assert (steps == 1).all()


@pytest.mark.parametrize("kind", ["even", "rooms"])
def test_other_kinds_of_mazes_have_one_answer_too_and_loops_only_where_there_are_rooms(kind):
    mazes = draw_mazes(MazeSettings(size=9, gems=3, longest=8, kind=kind), 300, (0,), batch=1024)
    for cells, label, length in zip(*mazes, strict=True):
        answer = solve(cells)
        assert (answer.label, answer.length) == (label, length)
    assert np.bincount(mazes.labels).tolist() == [100] * 3
    walls = np.where(mazes.cells == WALL, WALL, FREE)
    for colour in range(3):  # the start could lie as far from every gem
        from_gem = np.where(mazes.cells == FIRST_GEM + colour, START, walls)
        assert (distances(from_gem).max(axis=(1, 2)) >= mazes.lengths).all()
    free = mazes.cells != WALL
    joints = (free[:, 1:] & free[:, :-1]).sum(axis=(1, 2)) + (free[:, :, 1:] & free[:, :, :-1]).sum(axis=(1, 2))
    loops = joints - free.sum(axis=(1, 2)) + 3  # of three connected parts
    assert (loops == 0).all() if kind == "even" else (loops > 0).mean() > 0.9


def test_corridors_grow_longer_where_the_deep_ones_are_preferred():
    longest = {}
    for kind in ("deep", "even"):
        mazes = draw_mazes(MazeSettings(size=9, gems=3, longest=4, kind=kind), 200, (0,), batch=1024)
        walls = np.where(mazes.cells == WALL, WALL, FREE)
        from_gem = [np.where(mazes.cells == FIRST_GEM + colour, START, walls) for colour in range(3)]
        longest[kind] = np.mean([distances(each).max(axis=(1, 2)) for each in from_gem])
    assert longest["deep"] > longest["even"] + 1


@pytest.mark.parametrize(
    ("maze", "message"),
    [
        ("S.0 ### 1.2", None),
        ("S.# ### 1.2", "no gem can be reached in this maze; exactly one has to be"),
        ("S.0 ..# 1.2", r"3 gems can be reached \(orange, sky blue, bluish green\) in this maze"),
        ("..0 ### 1.2", "this maze has 0 starts; it needs exactly one"),
        ("S.S ### 1.2", "this maze has 2 starts; it needs exactly one"),
    ],
)
def test_a_drawn_maze_is_solved_or_refused_in_words(drawn, maze, message):
    if message is None:
        assert solve(drawn(maze)).path == ((0, 0), (0, 1), (0, 2))
        return
    with pytest.raises(DataError, match=message):
        solve(drawn(maze))


def test_the_guess_by_distance_takes_the_nearest_gem_walls_or_not(drawn):
    cells = np.stack([drawn("S#1.0 ..### ##### ##### 2...."), drawn("0#### .#1## .#.#S .#.## ..2##")])
    assert nearest_gem(cells).tolist() == [1, 1]


# What a seed fixes


def test_classes_and_lengths_are_shared_out_evenly(mazes):
    assert np.bincount(mazes.labels).tolist() == [3334, 3333, 3333]
    assert np.bincount(mazes.lengths).tolist() == [0] + [2500] * 4
    for length in range(1, 5):
        assert np.ptp(np.bincount(mazes.labels[mazes.lengths == length], minlength=3)) <= 1


def test_the_same_seed_draws_the_same_mazes_and_another_one_others(mazes):
    again, other = draw_mazes(SETTINGS, 200, (7, 3)), draw_mazes(SETTINGS, 200, (7, 4))
    for first, second in zip(again, draw_mazes(SETTINGS, 200, (7, 3)), strict=True):
        assert np.array_equal(first, second)
    assert not np.isin(keys(again.cells), keys(other.cells)).all()


def test_no_maze_comes_twice_and_none_that_is_held_out_comes_up():
    few = MazeSettings(size=3, longest=1)  # so few that chance would repeat them
    held_out = draw_mazes(few, 15, (0,))
    drawn = draw_mazes(few, 15, (0,), keys(held_out.cells))
    both = np.concatenate([held_out.cells, drawn.cells])
    assert len(np.unique(np.minimum(both, FIRST_GEM).reshape(30, -1), axis=0)) == 30


def test_keys_tell_mazes_apart_but_not_their_colours(mazes):
    layouts = np.minimum(mazes.cells, FIRST_GEM).reshape(len(mazes.cells), -1)
    assert len(np.unique(keys(mazes.cells))) == len(np.unique(layouts, axis=0)) == 10_000
    recoloured = np.where(mazes.cells >= FIRST_GEM, FIRST_GEM + (mazes.cells - FIRST_GEM + 1) % 3, mazes.cells)
    assert np.array_equal(keys(recoloured.astype(np.uint8)), keys(mazes.cells))


def test_what_hardly_ever_occurs_is_an_error_and_not_an_endless_search():
    with pytest.raises(DataError, match=r"no maze with a path of 24 was found .* ask for shorter lengths, other walls"):
        draw_mazes(MazeSettings(size=5, longest=24, shortest=24), 1, (0,), patience=2)


def test_images_show_the_cells_and_give_them_back(mazes):
    images = render(mazes.cells[:50], 24)
    assert images.shape == (50, 3, 24, 24)
    assert np.array_equal(cells_of(images, 6), mazes.cells[:50])
    assert (images[:, :, :4, :4] == images[:, :, :1, :1]).all()  # one colour for each cell
