"""Mazes: answers against an independent search, what a seed fixes, how classes and lengths are shared out."""

from copy import deepcopy

import networkx as nx
import numpy as np
import pytest
import torch

from vitrm.config import Config, DataConfig, ModelConfig, TrainConfig
from vitrm.data import load_dataset
from vitrm.errors import DataError
from vitrm.mazes import (
    FIRST_GEM,
    FREE,
    START,
    WALL,
    MazeSettings,
    cells_of,
    distances,
    draw_mazes,
    keys,
    nearest_gem,
    render,
    solve,
)
from vitrm.train import EpochEnd, Trainer

SETTINGS = MazeSettings(size=6, gems=3, longest=5)


@pytest.fixture(scope="module")
def mazes():
    return draw_mazes(SETTINGS, 10_000, (0,))


@pytest.fixture(scope="module")
def dataset():
    return load_dataset("mazes:5x5,gems=3,lengths=1-3,train=300,test=100", 10, 3, val_fraction=0.2)


def _maze(text):
    codes = {"#": WALL, ".": FREE, "S": START} | {str(colour): FIRST_GEM + colour for colour in range(6)}
    return np.array([[codes[letter] for letter in row] for row in text.split()], dtype=np.uint8)


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
def test_a_drawn_maze_is_solved_or_refused_in_words(maze, message):
    if message is None:
        assert solve(_maze(maze)).path == ((0, 0), (0, 1), (0, 2))
        return
    with pytest.raises(DataError, match=message):
        solve(_maze(maze))


def test_the_guess_by_distance_takes_the_nearest_gem_walls_or_not():
    cells = np.stack([_maze("S#1.0 ..### ##### ##### 2...."), _maze("0#### .#1## .#.#S .#.## ..2##")])
    assert nearest_gem(cells).tolist() == [1, 1]


# What a seed fixes


def test_classes_and_lengths_are_shared_out_evenly(mazes):
    assert np.bincount(mazes.labels).tolist() == [3334, 3333, 3333]
    assert np.bincount(mazes.lengths).tolist() == [0] + [2000] * 5
    for length in range(1, 6):
        assert np.ptp(np.bincount(mazes.labels[mazes.lengths == length], minlength=3)) <= 1


def test_the_same_seed_draws_the_same_mazes_and_another_one_others(mazes):
    again, other = draw_mazes(SETTINGS, 500, (7, 3)), draw_mazes(SETTINGS, 500, (7, 4))
    for first, second in zip(again, draw_mazes(SETTINGS, 500, (7, 3)), strict=True):
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


def test_what_hardly_ever_occurs_is_an_error_and_not_an_endless_search(monkeypatch):
    monkeypatch.setattr("vitrm.mazes._PATIENCE", 2)
    with pytest.raises(DataError, match=r"no maze with a path of 24 was found .* ask for shorter lengths, other walls"):
        draw_mazes(MazeSettings(size=5, longest=24, shortest=24), 1, (0,))


# Settings


def test_a_source_is_read_and_written():
    assert MazeSettings.parse("mazes") == MazeSettings.parse("mazes:") == MazeSettings()
    read = MazeSettings.parse("mazes:7x7, gems=4,walls=.45,lengths=2-9,train=100,test=50")
    assert read == MazeSettings(7, 4, 0.45, 2, 9, 100, 50)
    assert MazeSettings.parse(read.source) == read
    assert read.classes == ("orange", "sky blue", "bluish green", "vermillion")
    assert DataConfig(source="mazes:5x5").title == "mazes (5 × 5 cells, 2 gems, paths of 1 to 8)"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("mazes:6", "'6' is no setting of mazes: expected mazes:6x6,gems=2"),
        ("mazes:6x7", "mazes of 6x7 cells: expected a square such as 6x6"),
        ("mazes:2x2", "mazes of 2x2 cells: expected 3x3 to 32x32"),
        ("mazes:gems=7", "gems=7: expected 2 to 6"),
        ("mazes:gem=3", "'gem=3' is no setting of mazes"),
        ("mazes:walls=40", "'walls=40' is no setting of mazes"),
        ("mazes:walls=1.0", "walls=1: expected between 0 and 1"),
        ("mazes:lengths=4", "'lengths=4' is no setting"),
        ("mazes:lengths=5-4", "lengths=5-4: expected 1 to 35, the shorter one first"),
        ("mazes:train=0", "train=0: expected 1 to 10,000,000"),
        ("mazes:gems=3,gems=4", "'gems=4' in 'mazes:gems=3,gems=4' says again what was said before"),
    ],
)
def test_a_wrong_source_is_refused_by_name(source, message):
    with pytest.raises(DataError, match=message):
        load_dataset(source, 12, 3)


def test_mazes_must_fit_the_image():
    with pytest.raises(DataError, match="image_size=32 is not a multiple of the 6 cells"):
        load_dataset("mazes:train=10,test=10,lengths=1-2", 32, 3)
    with pytest.raises(DataError, match=r"3 x 12 x 12 .*, the model expects 1 x 12 x 12"):
        load_dataset("mazes", 12, 1)
    with pytest.raises(DataError, match="the source says it"):
        load_dataset("mazes", 12, 3, train_images=10)


# As a data set


def test_images_show_the_cells_and_give_them_back(mazes):
    images = render(mazes.cells[:50], 24)
    assert images.shape == (50, 3, 24, 24)
    assert np.array_equal(cells_of(images, 6), mazes.cells[:50])
    assert (images[:, :, :4, :4] == images[:, :, :1, :1]).all()  # one colour for each cell


def test_splits_have_difficulties_and_share_no_maze(dataset):
    assert [len(dataset.split(name)) for name in ("train", "val", "test")] == [300, 60, 100]
    parts = [dataset.train, dataset.val, dataset.test, dataset.draw(1)]
    found = [cells_of(part.images.numpy(), 5) for part in parts]
    for part, cells in zip(parts, found, strict=True):
        answers = [solve(each) for each in cells]
        assert part.difficulty.tolist() == [answer.length for answer in answers]
        assert part.labels.tolist() == [answer.label for answer in answers]
    train, val, test, later = (set(keys(cells).tolist()) for cells in found)
    assert not (train | later) & (val | test)
    assert not val & test
    assert train != later


def test_subsets_keep_difficulties_aligned(dataset):
    index = torch.tensor([5, 3])
    assert dataset.test.subset(index).to("cpu").difficulty.tolist() == dataset.test.difficulty[index].tolist()


def test_the_split_seed_moves_training_and_validation_but_never_test(dataset):
    other = load_dataset(dataset.source, 10, 3, val_fraction=0.2, split_seed=1)
    assert torch.equal(other.test.images, dataset.test.images)
    assert not torch.equal(other.val.images, dataset.val.images)
    assert not torch.equal(other.train.images, dataset.train.images)


def test_every_epoch_trains_on_mazes_of_its_own_also_after_a_restart(dataset):
    model = ModelConfig(
        num_classes=3, image_size=10, patch_size=2, dim=16, depth=1, num_heads=2, mlp_dim=16, memory_steps=1
    )
    plain = TrainConfig(epochs=3, randaugment_ops=0, mixup_alpha=0, cutmix_alpha=0, crop_pad=0, patience=0)
    config = Config(model, plain, DataConfig(source=dataset.source, val_fraction=0.2))
    trainer, seen = Trainer(config, dataset), []
    for event in trainer.events():
        if isinstance(event, EpochEnd):
            seen.append(trainer.train_split.images)
        if isinstance(event, EpochEnd) and event.epoch == 1:
            again = Trainer(config, dataset)
            again.load_state_dict(deepcopy(trainer.state_dict()))
            next(again.events())
            resumed = again.train_split.images
    assert torch.equal(seen[0], dataset.train.images)
    assert torch.equal(seen[1], dataset.draw(1).images)
    assert torch.equal(seen[1], resumed)
    assert not torch.equal(seen[1], seen[2])
