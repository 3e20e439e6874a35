"""A maze, a trace of it and a report on mazes that the tests of this folder share."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from app.mazes.maze import Maze
from vitrm.config import ModelConfig
from vitrm.config.mazes import MazeSettings
from vitrm.data.mazes import render
from vitrm.judge.difficulty import Control, DifficultyReport, Level
from vitrm.judge.mazes import MazeReport, Trial
from vitrm.judge.probe import CUT_OFF, Probe
from vitrm.model import ViTRM
from vitrm.runs.checkpoints import build
from vitrm.traces.recording import trace


@pytest.fixture(scope="session")
def maze():
    """3 x 3: the first gem can be reached, in two steps."""
    return Maze("s-1wwww2-")


@pytest.fixture(scope="session")
def seen(maze):
    """A trace of `maze` under an untrained model with a memory token per cell: N = 2, M = 2, so that R = 4."""
    torch.manual_seed(0)
    config = ModelConfig(
        num_classes=2, image_size=6, patch_size=2, dim=8, depth=1, num_heads=2, mlp_dim=8, memory_steps=2,
        supervision_steps=2, dropout=0.0,
    )  # fmt: skip
    model = ViTRM(config).eval()
    model.class_names, model.transform = ("orange", "sky blue"), build("digits").transform
    model.transform = replace(model.transform, image_size=6, mean=(0.5,) * 3, std=(0.5,) * 3)
    return trace(model, render(maze.cells[None], 6)[0])


@pytest.fixture(scope="session")
def make_trial():
    """Makes a trial of 4 x 4 mazes from what was right (R, n), halting probabilities (N, n) and lengths (n,)."""

    def make(right, halt_prob, lengths, name="test", **changes):
        settings = replace(MazeSettings(size=4, gems=2, longest=2, train=200, test=40), **changes)
        halts = np.array(halt_prob, np.float32).reshape(-1, len(lengths))
        nearest = np.arange(len(lengths)) % 2 == 0
        return Trial(name, settings.source, np.array(lengths), np.array(right, bool), halts, nearest)

    return make


@pytest.fixture
def trial(make_trial):
    """Two mazes with a path of 1, one of 3; the second read-out is the last trained one, the third lies beyond it."""
    return make_trial([[1, 0, 0], [1, 1, 0], [1, 1, 1]], [[0.9, 0.2, 0.1], [0.9, 0.8, 0.4], [0.9, 0.9, 0.9]], [1, 1, 3])


@pytest.fixture
def report(trial, make_trial):
    others = make_trial([[0, 1], [0, 1], [0, 0]], [[0.5, 0.5]] * 3, [3, 4], "longer", shortest=3, longest=4)
    probe = Probe(
        weights=np.array([[1, 0], [0, 2]], np.float32),
        bias=np.array([0, -1], np.float32),
        accuracy=np.array([0.5, 0.9]),
        untrained=np.array([0.5, 0.6]),
        groups=np.array([1, 2, CUT_OFF]),
        called=np.array([[1, 0.25, 0.25], [1, 1, 0.125]]),
        counts=np.array([4, 4, 8]),
        mazes=(10, 20),
    )
    return MazeReport(2, (trial, others), ("larger: no place",), probe)


@pytest.fixture(scope="session")
def judged():
    """The report by difficulty of the same model, which does not halt in it."""

    def level(length, control, local):
        return Level(
            difficulty=length,
            n=1,
            accuracy=(1.0,),
            exits=(),
            mean_exit=None,
            exit_accuracy=None,
            guesses={"local features": local},
            control=control,
        )

    return DifficultyReport(
        measure="length of the path",
        n=2,
        seed=0,
        parameters=10,
        trained_steps=2,
        accuracy=(1.0,),
        threshold=None,
        exit_accuracy=None,
        mean_exit=None,
        rank_correlation=None,
        guesses={"local features": 0.75},
        control=Control("a-vit", "plain ViT", parameters=11, accuracy=2 / 3),
        levels=(level(1, control=1.0, local=1.0), level(3, control=0.0, local=0.5)),
    )
