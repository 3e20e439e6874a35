"""Mazes to choose from and traces of them, made once for everybody."""

from dataclasses import replace

import pytest

from app.cache import checkpoint
from app.mazes import cache
from app.mazes.maze import Maze, offered_lengths, offered_sizes
from app.reports import stored
from vitrm.data.mazes import MazeSettings
from vitrm.errors import ConfigError


def test_a_pool_has_mazes_of_its_length_and_none_where_they_are_too_rare():
    source = MazeSettings(size=4, gems=2, longest=2).source
    for length in (1, 2, 3):
        assert {maze.solution.length for maze in cache.pool(source, length)} == {length}
    assert cache.pool(source, 12) == ()


def test_a_new_maze_of_every_size_that_is_offered_can_be_had_and_the_longest_may_be_too_rare():
    trained = cache.models()["mazes"].data.mazes
    for size in offered_sizes(trained):
        lengths = offered_lengths(trained, size)
        found = {n: cache.pool(replace(trained, size=size, also=()).source, n) for n in (lengths[0], lengths[-1])}
        assert {maze.size for maze in found[lengths[0]]} == {size}
        assert {maze.solution.length for maze in found[lengths[-1]]} <= {lengths[-1]}


def test_a_ready_made_trace_is_found_by_its_maze_and_does_not_tell_the_answer():
    mazes = checkpoint("mazes")
    maze, made = next(iter(cache.ready(mazes).items()))
    assert cache.trace(mazes, Maze(maze.text), 1) is made
    assert made.label is None


def test_a_model_with_learned_positions_is_not_given_mazes_of_another_size(monkeypatch):
    config, summary = cache.facts(checkpoint("cifar10-tiny"))
    on_mazes = replace(config, data=replace(config.data, source="mazes:8x8"))
    monkeypatch.setattr(cache, "facts", lambda _: (on_mazes, summary))
    with pytest.raises(ConfigError, match="takes images of 32 pixels only"):
        cache.model_for(checkpoint("cifar10-tiny"), 4)


def test_the_models_are_those_that_were_trained_on_mazes():
    assert "mazes" in cache.models()
    assert "digits" not in cache.models()


def test_the_control_of_mazes_is_bundled_and_tried_on_the_same_mazes():
    name, report = cache.control(checkpoint("mazes"))
    assert (name, report.trained_steps) == ("mazes-vit", 1)
    own = stored(checkpoint("mazes"), "sizes")
    assert [(trial.source, trial.n) for trial in report.trials] == [(trial.source, trial.n) for trial in own.trials]
    assert cache.control(checkpoint("mazes-first")) is None  # trained on other mazes
