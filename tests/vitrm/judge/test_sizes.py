"""Mazes of many sizes and kinds: the same for every model, counted one by one, halting by rules that are plain."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from vitrm.config import Config, DataConfig, ModelConfig, SRViTConfig, ViTConfig
from vitrm.config.mazes import MazeSettings
from vitrm.data.mazes import nearest_gem, render
from vitrm.data.sources import load_dataset
from vitrm.errors import ConfigError, DataError, RunError
from vitrm.families import equip, make_model
from vitrm.judge.report import decode, encode
from vitrm.judge.sizes import SizeReport, _local_guess, draw, interval, longest_path, measuring

SOURCE = "mazes:5x5,gems=2,lengths=1-3,train=60,test=10+6x6,lengths=1-3+6x6,lengths=1-4"
SHAPE = {"num_classes": 2, "image_size": 10, "patch_size": 2, "dim": 8, "depth": 1, "num_heads": 2, "mlp_dim": 8}
SMALL = ModelConfig(**SHAPE, positions="relative", reference_side=5, memory_steps=1, supervision_steps=2, dropout=0.0)


@pytest.fixture(scope="module")
def data():
    return load_dataset(SOURCE, 10, 3)


def _model(config, data):
    torch.manual_seed(0)
    found = DataConfig(source=SOURCE, classes=data.classes, mean=data.preprocess.mean, std=data.preprocess.std)
    model = equip(make_model(config), Config(model=config, data=found)).eval()
    with torch.no_grad():  # an untrained one says the same of every maze; this one not
        for weights in (each for each in model.parameters() if each.ndim > 1):
            weights.add_(torch.randn_like(weights))
        logits = model(model.transform.normalize(data.train.images))
        model.classifier.bias[0] -= (logits[:, 0] - logits[:, 1]).median()
    return model


@pytest.fixture(scope="module")
def report(data):
    *progress, report = measuring(_model(SMALL, data), data, kinds=("deep", "rooms"), sizes=(6, 5), count=20, steps=5)
    assert [progress[0].done, progress[-1].done] == [0, progress[-1].total]
    return report


def test_right_answers_are_counted_after_every_step_on_the_same_mazes_for_every_model(report, data):
    model = _model(SMALL, data)
    assert [(trial.kind, trial.size) for trial in report.trials] == [
        ("deep", 5),
        ("deep", 6),
        ("rooms", 5),
        ("rooms", 6),
    ]
    for trial in report.trials:
        settings, mazes = draw(MazeSettings.parse(SOURCE), trial.kind, trial.size, 20)
        assert (settings.source, trial.n) == (trial.source, 20)
        images = torch.from_numpy(render(mazes.cells, 2 * trial.size))
        with torch.inference_mode():
            steps = list(model.steps(model.transform.normalize(images), 5))
        answers = [step.logits.argmax(dim=-1).numpy() for step in steps]
        assert trial.right == tuple(int((answer == mazes.labels).sum()) for answer in answers)
        assert trial.guesses["nearest gem"] == int((nearest_gem(mazes.cells) == mazes.labels).sum())
        assert trial.guesses.keys() == {"nearest gem", "local features"}
        assert trial.accuracy(3) == trial.right[2] / 20
    assert len({trial.right for trial in report.trials}) > 1
    assert report.trained_on == (5, 6)


def test_the_answer_is_at_rest_after_six_steps_without_a_change_and_not_before(data):
    *_, report = measuring(_model(SMALL, data), data, kinds=("deep",), sizes=(5,), count=12, steps=12)
    (trial,) = report.trials
    learned, memory, answer = trial.exits
    assert (learned.rule, memory.rule, answer.rule) == ("learned", "memory at rest", "answer at rest")
    assert 7 <= answer.mean_steps <= 12
    assert 0 <= learned.right <= trial.n
    assert memory.mean_steps >= 2  # there is no change to speak of at the first step


def test_mazes_that_need_more_steps_than_the_training_had_are_kept_the_longest_first(report, data):
    model = _model(SMALL, data)
    kept = 0
    for trial in report.trials:
        _, mazes = draw(MazeSettings.parse(SOURCE), trial.kind, trial.size, 20)
        with torch.inference_mode():
            images = torch.from_numpy(render(mazes.cells, 2 * trial.size))
            steps = list(model.steps(model.transform.normalize(images), 5))
        right = np.array([step.logits.argmax(dim=-1).numpy() == mazes.labels for step in steps])
        late = ~right[report.trained_steps - 1] & right[2:].all(axis=0)
        lengths = sorted(mazes.lengths[late].tolist(), reverse=True)[: len(trial.late)]
        found = ["".join(map(str, cells.ravel().tolist())) for cells in mazes.cells]
        assert [int(mazes.lengths[found.index(each)]) for each in trial.late] == lengths
        kept += len(trial.late)
    assert kept


def test_cells_that_read_as_far_as_the_grid_reaches_read_all_of_it(data):
    how = {"kinds": ("deep",), "sizes": (6,), "count": 10, "steps": 3}
    *_, everything = measuring(_model(SMALL, data), data, **how)
    *_, same = measuring(_model(SMALL, data), data, **how, within=5)
    assert [trial.right for trial in same.trials] == [trial.right for trial in everything.trials]
    assert (everything.within, same.within) == (None, 5)
    assert "each cell reading 5 rows and columns away at most" in "\n".join(same.lines())


def test_what_can_be_guessed_is_fitted_to_the_largest_mazes_of_the_training_wherever_they_are_named(data, monkeypatch):
    monkeypatch.setattr("vitrm.data.maze_guess.LocalGuess", lambda cells, labels, gems: cells.shape)
    splits = [data, *data.others]
    for named in (splits, splits[::-1]):
        assert _local_guess(named, MazeSettings.parse(SOURCE)) == (60, 6, 6)


def test_a_size_whose_mazes_are_too_rare_is_left_out(data, monkeypatch):
    def drawn(settings, kind, size, count):
        if size == 5:
            raise DataError("no maze with a path of 5 was found")
        return draw(settings, kind, size, count)

    monkeypatch.setattr("vitrm.judge.sizes.draw", drawn)
    *_, report = measuring(_model(SMALL, data), data, kinds=("even",), sizes=(5, 6), count=10, steps=2)
    assert [trial.size for trial in report.trials] == [6]
    assert report.left_out == ("5 x 5: no maze with a path of 5 was found",)


@pytest.mark.parametrize("family", [ViTConfig, SRViTConfig])
def test_a_model_that_answers_once_is_a_control_and_one_of_a_single_size_is_left_out_elsewhere(data, family):
    vit = family(**SHAPE, positions="relative", reference_side=5, dropout=0.0)
    *_, report = measuring(_model(vit, data), data, kinds=("even",), sizes=(5, 6), count=10)
    assert [len(trial.right) for trial in report.trials] == [1, 1]
    assert report.trials[0].accuracy(96) == report.trials[0].right[0] / 10
    assert all(trial.exits == () for trial in report.trials)
    fixed = replace(vit, positions="absolute", reference_side=None)
    *_, report = measuring(_model(fixed, data), replace(data, others=()), kinds=("even",), sizes=(5, 6), count=10)
    assert [trial.size for trial in report.trials] == [5]
    assert "6 x 6: it takes mazes of 5 × 5 cells" in report.left_out[0]


def test_the_report_is_read_as_it_was_written_and_says_what_it_found(report, data):
    config = Config(model=SMALL)
    assert decode(SizeReport, encode(report, "mark"), "mark", config) == report
    assert decode(SizeReport, encode(report, "mark"), "other", config) is None
    text = "\n".join(report.lines())
    assert "trained on mazes of 5 × 5 and 6 × 6 cells" in text
    assert f"{100 * report.trials[0].exits[0].right / 20:.1f} % right after" in text


def test_a_report_without_trials_or_with_a_maze_of_unknown_cells_is_refused(report):
    config = Config(model=SMALL)
    trial = report.trials[0]
    unknown = replace(trial, late=("9" * trial.size**2,))
    for trials, what in (((), "trials has no entries"), ((unknown,), "holds what is no maze of its size")):
        with pytest.raises(RunError, match=what):
            decode(SizeReport, encode(replace(report, trials=trials), "mark"), "mark", config)


def test_cells_are_drawn_as_large_as_the_model_learned_them_however_many_patches_that_is():
    fine = replace(SMALL, image_size=20)  # 2 x 2 patches a cell
    data = load_dataset(SOURCE, 20, 3)
    model = _model(fine, data)
    *_, report = measuring(model, data, kinds=("deep",), sizes=(5, 6), count=20, steps=2)
    for trial in report.trials:
        _, mazes = draw(MazeSettings.parse(SOURCE), "deep", trial.size, 20)
        images = torch.from_numpy(render(mazes.cells, 4 * trial.size))
        with torch.inference_mode():
            steps = list(model.steps(model.transform.normalize(images), 2))
        right = [int((step.logits.argmax(dim=-1) == torch.from_numpy(mazes.labels)).sum()) for step in steps]
        assert trial.right == tuple(right)


def test_a_model_that_takes_none_of_the_sizes_is_told_why(data):
    fixed = replace(ViTConfig(**SHAPE, dropout=0.0), positions="absolute")
    with pytest.raises(ConfigError, match="none of the sizes can be tried; 6 x 6: it takes mazes of 5 × 5 cells"):
        list(measuring(_model(fixed, data), replace(data, others=()), kinds=("even",), sizes=(6,), count=10))


def test_without_mazes_there_is_no_such_report(digits, tiny):
    with pytest.raises(ConfigError, match="--sizes is for a model that was trained on mazes"):
        next(measuring(make_model(tiny), digits))


@pytest.mark.parametrize(
    ("right", "n", "low", "high"), [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662)]
)
def test_intervals_are_those_of_wilson(right, n, low, high):
    """The third is Newcombe's example (1998, Table I, method 3)."""
    np.testing.assert_allclose(interval(right, n), (low, high), atol=5e-5)


def test_paths_grow_with_the_grid():
    assert [longest_path("deep", size) for size in (7, 9, 13, 15, 21)] == [7, 10, 14, 16, 24]
    assert [longest_path("rooms", size) for size in (7, 9, 13, 15, 21)] == [5, 7, 12, 14, 20]
