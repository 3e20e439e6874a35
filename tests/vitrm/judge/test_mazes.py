"""What a model makes of mazes: numbers computed by hand, the report's file and the probe."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from vitrm.config import Config, DataConfig, ModelConfig, ResNetConfig
from vitrm.config.mazes import MazeSettings
from vitrm.data.sources import load_dataset
from vitrm.errors import ConfigError
from vitrm.families import equip
from vitrm.judge.mazes import MazeReport, Trial, check_size, measuring, other_mazes
from vitrm.judge.probe import CUT_OFF, Probe, fit_probe, fits
from vitrm.judge.report import Progress
from vitrm.model import ViTRM

SETTINGS = MazeSettings(size=4, gems=2, longest=2, train=200, test=40)
SMALL = ModelConfig(
    num_classes=2, image_size=8, patch_size=2, dim=8, depth=1, num_heads=2, mlp_dim=8, memory_steps=1,
    supervision_steps=2, dropout=0.0,
)  # fmt: skip


def _trial(right, halt_prob, lengths, name="test", **changes):
    halts = np.array(halt_prob, np.float32).reshape(-1, len(lengths))
    nearest = np.arange(len(lengths)) % 2 == 0
    settings = replace(SETTINGS, **changes)
    return Trial(name, settings.source, np.array(lengths), np.array(right, bool), halts, nearest)


@pytest.fixture
def trial():
    """Two mazes with a path of 1, one of 3; the second read-out is the last trained one, the third lies beyond it."""
    return _trial([[1, 0, 0], [1, 1, 0], [1, 1, 1]], [[0.9, 0.2, 0.1], [0.9, 0.8, 0.4], [0.9, 0.9, 0.9]], [1, 1, 3])


@pytest.fixture
def report(trial):
    others = _trial([[0, 1], [0, 1], [0, 0]], [[0.5, 0.5]] * 3, [3, 4], "longer", shortest=3, longest=4)
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


def test_accuracy_by_length_is_that_of_the_mazes_of_that_length(trial):
    lengths, counts, accuracy = trial.by_length()
    assert lengths.tolist() == [1, 3]
    assert counts.tolist() == [2, 1]
    assert accuracy.tolist() == [[0.5, 0], [1, 0], [1, 1]]


def test_a_maze_is_left_at_the_first_step_above_the_threshold_or_after_the_last_trained_one(trial):
    assert trial.exits(0.5, 2).tolist() == [1, 2, 2]
    assert trial.exits(0.5, 3).tolist() == [1, 2, 3]
    assert trial.exits(0.95, 2).tolist() == [2, 2, 2]


def test_a_probe_reads_later_steps_as_the_last_one_it_was_fitted_for(report):
    memory = np.array([[1.0, 0], [0, 1], [3, 1]]).reshape(3, 1, 1, 1, 2)  # three steps, one cell
    found = report.probe.reachable(memory)[:, 0, 0, 0]
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-np.array([1.0, 1, 1]))))


# Measuring


@pytest.fixture(scope="module")
def small():
    """An untrained model with a memory token per cell, and the mazes it would be trained on."""
    torch.manual_seed(0)
    data = load_dataset(SETTINGS.source, 8, 3, val_fraction=0.2)
    config = Config(SMALL, data=DataConfig(source=SETTINGS.source, classes=data.classes))
    return equip(ViTRM(SMALL).eval(), config), data


def test_every_maze_runs_every_step_and_what_cannot_be_tried_is_said(small):
    model, data = small
    *progress, report = measuring(model, data, count=20, batch=512)
    assert [(each.name, len(each.lengths)) for each in report.trials[1:]] == [("longer", 2), ("denser", 20)]
    assert progress[0] == Progress(0, 40 + 22 + 80)  # 80 of them for the probe
    assert progress[-1].is_complete
    test = report.trial("test")
    assert test.right.shape == (8, 40)  # four times the two trained steps
    assert test.halt_prob.shape == (2, 40)
    assert np.array_equal(test.lengths, data.test.difficulty)
    assert report.trial("longer").lengths.min() > SETTINGS.longest
    assert any(reason.startswith("larger: it takes mazes of 4 × 4 cells") for reason in report.left_out)
    assert report.probe.weights.shape == (2, 8)


def test_other_mazes_differ_from_those_of_the_training_in_what_their_name_says():
    others = other_mazes(MazeSettings(size=6, longest=8, walls=0.3))
    assert (others["longer"].shortest, others["longer"].longest) == (9, 10)
    assert others["denser"].walls == 0.5
    assert (others["larger"].size, others["larger"].longest) == (8, 8)


def test_a_model_with_learned_positions_says_why_it_takes_no_other_grid(small):
    model, _ = small
    check_size(model.config, SETTINGS, 4)
    with pytest.raises(ConfigError, match="learned a position for each of these cells"):
        check_size(model.config, SETTINGS, 6)
    check_size(replace(model.config, positions="relative"), SETTINGS, 6)
    check_size(ResNetConfig(image_size=8), SETTINGS, 4)
    with pytest.raises(ConfigError, match="takes mazes of 4 × 4 cells: it was made for images of 8 pixels"):
        check_size(ResNetConfig(image_size=8), SETTINGS, 6)


def test_mazes_of_another_size_have_cells_as_large_as_the_model_learned_them(monkeypatch):
    config = replace(SMALL, image_size=16, positions="relative")  # 2 x 2 patches a cell
    data = load_dataset(SETTINGS.source, 16, 3, val_fraction=0.2)
    model = equip(ViTRM(config).eval(), Config(config, data=DataConfig(source=SETTINGS.source, classes=data.classes)))
    seen = {}

    def trial(model, split, tally, *, name, settings, steps):
        seen[name] = tuple(split.images.shape[2:])
        yield tally.add(len(split))
        return _trial([[1, 0]], [[0.5, 0.5]], [1, 2], name)

    monkeypatch.setattr("vitrm.judge.mazes._trial", trial)
    *_, report = measuring(model, data, count=20, batch=512)
    assert seen == {
        "test": (16, 16),
        "longer": (16, 16),
        "denser": (16, 16),
        "larger": (24, 24),
        "larger, longer": (24, 24),
    }
    assert report.left_out == ()


def test_a_probe_finds_what_is_in_the_tokens_and_only_chance_where_nothing_is(small):
    model, data = small

    class Knows:
        """A model whose memory token says after step 2 whether its cell can be reached, and is noise after step 1."""

        config = SMALL
        transform = model.transform
        parameters = model.parameters

        def steps(self, images):
            from vitrm.data.mazes import cells_of, distances

            raw = images * torch.tensor(self.transform.std)[:, None, None]
            raw = 255 * (raw + torch.tensor(self.transform.mean)[:, None, None])
            reached = torch.from_numpy(distances(cells_of(raw.round().numpy(), 4)).reshape(len(images), 16) >= 0)
            noise = torch.randn(len(images), 16, 8)
            yield type("Step", (), {"memory": noise})
            yield type("Step", (), {"memory": torch.cat([2.0 * reached[..., None] - 1, 0.1 * noise[..., 1:]], dim=-1)})

    assert fits(model, 4)
    assert not fits(model, 5)
    probe = fit_probe(Knows(), data.val, data.test, 4)
    assert abs(probe.accuracy[0] - 0.5) < 0.15
    assert probe.accuracy[1] == 1
    assert probe.groups[-1] == CUT_OFF
    assert probe.called[1].tolist() == [1.0] * (len(probe.groups) - 1) + [0.0]
    assert probe.mazes == (40, 40)
