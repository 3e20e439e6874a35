"""Mazes: answers against an independent search, what a seed fixes, how classes and lengths are shared out."""

import json
from copy import deepcopy
from dataclasses import replace

import networkx as nx
import numpy as np
import pytest
import torch

from vitrm.cli import main as cli
from vitrm.config import Config, DataConfig, ModelConfig, TrainConfig
from vitrm.data.maze_guess import LocalGuess, local_features
from vitrm.data.mazes import (
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
from vitrm.data.sources import load_dataset
from vitrm.errors import ConfigError, DataError
from vitrm.families import resized
from vitrm.judge.difficulty import spearman
from vitrm.judge.report import measured
from vitrm.model import ViTRM
from vitrm.runs.folder import Run
from vitrm.training.events import EpochEnd
from vitrm.training.trainer import Trainer

SETTINGS = MazeSettings(size=6, gems=3, longest=4)


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
def test_a_drawn_maze_is_solved_or_refused_in_words(maze, message):
    if message is None:
        assert solve(_maze(maze)).path == ((0, 0), (0, 1), (0, 2))
        return
    with pytest.raises(DataError, match=message):
        solve(_maze(maze))


def test_the_guess_by_distance_takes_the_nearest_gem_walls_or_not():
    cells = np.stack([_maze("S#1.0 ..### ##### ##### 2...."), _maze("0#### .#1## .#.#S .#.## ..2##")])
    assert nearest_gem(cells).tolist() == [1, 1]


def test_local_features_see_no_farther_than_walls_and_the_box_between():
    maze = _maze("0.#1# ..#.. .#S.. .###. 2..#.")
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


def test_boosted_local_features_guess_far_better_than_distance(mazes):
    guess = LocalGuess(mazes.cells[:1000], mazes.labels[:1000], 3)
    cells, labels, _ = (part[4000:6000] for part in mazes)
    assert (guess(cells) == labels).mean() > (nearest_gem(cells) == labels).mean() + 0.05
    few = LocalGuess(mazes.cells[:10], mazes.labels[:10], 3)  # too few to learn from, but no error
    assert set(few(cells).tolist()) <= {0, 1, 2}


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


# Settings


def test_a_source_is_read_and_written():
    assert MazeSettings.parse("mazes") == MazeSettings.parse("mazes:") == MazeSettings()
    read = MazeSettings.parse("mazes:7x7, gems=4,walls=.45,lengths=2-9,train=100,test=50")
    assert read == MazeSettings(7, 4, 0.45, 2, 9, 100, 50)
    assert MazeSettings.parse(read.source) == read
    assert read.classes == ("orange", "sky blue", "bluish green", "vermillion")
    rooms = MazeSettings.parse("mazes:7x7,kind=rooms")
    assert MazeSettings.parse(rooms.source) == rooms
    assert rooms.title.startswith("rooms with loops (7 × 7 cells")
    several = MazeSettings.parse("mazes:7x7,gems=3,lengths=1-7,train=10 + 9x9,lengths=1-10")
    assert several.also == (MazeSettings(9, 3, shortest=1, longest=10, train=10),)
    assert several == replace(MazeSettings(7, 3, longest=7, train=10), also=several.also)
    assert MazeSettings.parse(several.source) == several
    assert "paths of 1 to 7; trained on 9 × 9 as well, paths of 1 to 10)" in several.title
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
        ("mazes:kind=round", "kind=round: expected one of deep, even, rooms"),
        ("mazes:6x6,gems=3+gems=4", "gems=4 beside gems=3: expected as many in all mazes"),
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


def test_mazes_of_several_sizes_share_a_cell_size_and_keep_their_splits_apart():
    data = load_dataset("mazes:5x5,gems=3,lengths=1-3,train=30,test=20+6x6,train=50", 10, 3, val_fraction=0.2)
    (other,) = data.others
    assert [part.images.shape[-1] for part in (data.train, other.train, other.val, other.draw(1))] == [10, 12, 12, 12]
    assert data.sizes == {"train": 80, "val": 6 + 10, "test": 20}
    alone = load_dataset("mazes:5x5,gems=3,lengths=1-3,train=30,test=20", 10, 3, val_fraction=0.2)
    assert torch.equal(alone.train.images, data.train.images)
    assert alone.others == ()
    train, val = (set(keys(cells_of(part.images.numpy(), 6)).tolist()) for part in (other.train, other.val))
    assert not train & val


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


# By difficulty


@pytest.fixture(scope="module")
def small_run(tmp_path_factory):
    """A model that has hardly been trained, on mazes of 5 x 5 cells, and its control."""
    folder, words = tmp_path_factory.mktemp("runs"), ["--runs", "", "--device", "cpu", "--threads", "1"]
    words[1] = str(folder)
    words += ["--data", "mazes:5x5,gems=3,lengths=1-3,train=128,test=90", "--model.image_size", "10"]
    words += ["--model.dim", "8", "--model.num_heads", "2", "--model.mlp_dim", "8", "--train.epochs", "1"]
    assert cli.main(["train", "mazes", "--name", "run", "--model.supervision_steps", "2", *words]) == 0
    assert cli.main(["train", "mazes-vit", "--name", "control", "--model.depth", "1", *words]) == 0
    return folder / "run"


def test_the_report_counts_every_image_once_and_repeats_the_scores(small_run, dataset, capsys):
    words = ["evaluate", str(small_run), "--by-difficulty", "--control", str(small_run.parent / "control"), "--save"]
    assert cli.main([*words, "--json", "--threads", "1"]) == 0
    found = json.loads(capsys.readouterr().out)
    report, run = found["difficulty"], Run(small_run)
    kept = run.report("difficulty").numbers()
    assert {name: kept[name] for name in report} == report
    assert report["accuracy"] == pytest.approx(found["accuracy"], abs=1e-6)
    assert [level["difficulty"] for level in report["levels"]] == [1, 2, 3]
    assert [level["n"] for level in report["levels"]] == [sum(level["exits"]) for level in report["levels"]] == [30] * 3
    assert report["accuracy"] == pytest.approx(np.mean([level["accuracy"] for level in report["levels"]], axis=0))
    guesses = report["levels"][0]["guesses"]
    assert guesses["nearest gem"] == 1.0
    assert guesses["colours alone"] == pytest.approx(1 / 3, abs=0.04)
    assert guesses["local features"] > 0.9
    assert report["control"]["name"] == "control"
    assert report["control"]["accuracy"] == pytest.approx(np.mean([level["control"] for level in report["levels"]]))
    assert cli.main([*words, "--threads", "1"]) == 0
    assert "by length of the shortest path, in steps (test split, n = 90" in capsys.readouterr().out


def test_a_trained_model_is_asked_for_larger_mazes_too(small_run, capsys):
    words = ["evaluate", str(small_run), "--data", "mazes:8x8,gems=3,lengths=1-4,train=10,test=40", "--json"]
    assert cli.main([*words, "--threads", "1"]) == 0
    assert json.loads(capsys.readouterr().out)["n"] == 40
    model = Run(small_run).load_model()
    with pytest.raises(ConfigError, match=r"takes images of 32 pixels only; positions='relative' fit any size"):
        resized(ViTRM(ModelConfig(dim=12, depth=1)), 64)
    assert torch.equal(resized(model, 16).block.layers[0].places.table, model.block.layers[0].places.table)


def test_data_of_unknown_difficulty_are_refused(digits, tiny):
    with pytest.raises(DataError, match="digits does not say how difficult an image is; mazes do"):
        measured("difficulty", ViTRM(tiny), digits)


def test_rank_correlation_is_that_of_the_ranks_and_none_of_a_constant():
    ties, up = torch.tensor([1, 1, 2, 2, 3]), torch.tensor([10, 20, 30, 40, 50])
    assert spearman(up, up**3) == pytest.approx(1)
    assert spearman(up, -up) == pytest.approx(-1)
    assert spearman(ties, up) == pytest.approx(0.9487, abs=1e-4)  # ranks 1.5 1.5 3.5 3.5 5 and 1 to 5
    assert spearman(torch.ones(5), up) is None


def test_a_training_can_begin_with_the_weights_of_another(small_run, tmp_path, capsys):
    words = ["train", "mazes", "--runs", str(tmp_path), "--device", "cpu", "--threads", "1", "--train.epochs", "1"]
    words += [
        "--data",
        "mazes:6x6,gems=3,lengths=1-3,train=64,test=9",
        "--model.image_size",
        "12",
        "--train.lr",
        "1e-9",
    ]
    words += ["--train.min_lr", "1e-9", "--train.start", str(small_run), "--model.num_heads", "2"]
    assert cli.main([*words, "--name", "wide"]) == 1
    assert "its weights do not fit this model (size mismatch" in capsys.readouterr().err
    assert cli.main([*words, "--name", "on", "--model.dim", "8", "--model.mlp_dim", "8"]) == 0
    begun, started = (Run(path).load_model() for path in (tmp_path / "on", small_run))
    for name, weights in begun.state_dict().items():
        torch.testing.assert_close(weights, started.state_dict()[name], atol=1e-6, rtol=0)
    assert Run(tmp_path / "on").config().train.start == str(small_run)
