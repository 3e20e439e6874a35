"""The judgement of halting: hand-made cases with known answers, and agreement with predict()."""

import json
from dataclasses import asdict

import pytest
import torch

from vitrm.cli import main
from vitrm.data import load_dataset
from vitrm.evaluation import image_seeds
from vitrm.halting import Halt, predict
from vitrm.halting_report import TOLERANCE, _ece, _reliability, _Run, halting_report, verdict
from vitrm.runs import load

COSTS = torch.tensor([10.0, 20.0, 30.0], dtype=torch.float64)
# Three steps of four images.
RIGHT = torch.tensor([[1, 0, 0, 1], [1, 1, 0, 0], [1, 1, 1, 0]]).bool()
SCORES = torch.tensor([[0.9, 0.2, 0.1, 0.8], [0.9, 0.7, 0.3, 0.9], [0.9, 0.9, 0.4, 0.9]])


@pytest.fixture(scope="module")
def model():
    return load("digits-glimpse")


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits", image_size=8, channels=1)


@pytest.fixture(scope="module")
def report(model, digits):
    return halting_report(model, digits.val, digits.test)


def test_a_policy_lets_each_image_leave_at_its_first_score_above_the_threshold():
    run = _Run(RIGHT, SCORES, {"learned": SCORES})
    point, exits = run.play(SCORES, 0.5, COSTS)
    assert exits.tolist() == [0, 1, 2, 0]
    assert point.accuracy == 1.0
    assert point.mean_steps == pytest.approx(7 / 4)
    assert point.mean_multiply_adds == pytest.approx((10 + 20 + 30 + 10) / 4)
    nobody, exits = run.play(SCORES, 1.0, COSTS)
    assert exits.tolist() == [2, 2, 2, 2]
    assert nobody.accuracy == 0.75


def test_calibration_error_by_hand():
    prob = torch.tensor([0.05, 0.05, 0.95, 0.95])
    bins = _reliability(prob, torch.tensor([False, True, True, True]))
    assert [(b.count, b.accuracy) for b in bins] == [(2, 0.5), (2, 1.0)]
    assert _ece(bins, 4) == pytest.approx(0.5 * 0.45 + 0.5 * 0.05)


@pytest.mark.parametrize(
    ("prob", "shares", "said"),
    [
        (torch.full((2, 100), 0.5), [0.5, 0.5], "it is flat"),
        (torch.linspace(0.951, 1, 200).reshape(2, 100), [0.5, 0.5], "it is flat"),
        (
            torch.cat([torch.linspace(0.1, 0.2, 100), torch.linspace(0.8, 0.9, 100)]).reshape(2, 100),
            [0.99, 0.01],
            "collapsed",
        ),
        (
            torch.cat([torch.linspace(0.1, 0.2, 100), torch.linspace(0.8, 0.9, 100)]).reshape(2, 100),
            [0.0, 1.0],
            "saves nothing",
        ),
        (torch.rand(2, 100, generator=torch.Generator().manual_seed(0)), [0.5, 0.5], "hardly knows right from wrong"),
    ],
)
def test_bad_halting_is_said_in_words(prob, shares, said):
    right = torch.tensor([[i % 2 == 0 for i in range(100)]] * 2)
    assert said in verdict(prob, right, torch.tensor(shares))


def test_good_halting_is_said_in_words():
    right = torch.tensor([[False] * 50 + [True] * 50] * 2)
    prob = torch.where(right, 0.9, 0.1)
    assert "tells images apart" in verdict(prob, right, torch.tensor([0.5, 0.5]))


def test_the_chosen_threshold_comes_from_validation_and_costs_no_more_than_allowed(report, model, digits):
    val = halting_report(model, digits.val, digits.val)  # judged on validation itself
    assert report.chosen.threshold == report.chosen_on_val.threshold == val.chosen.threshold
    assert val.chosen.accuracy >= val.anytime[-1].accuracy - TOLERANCE
    assert report.chosen.mean_steps < 6


def test_the_report_agrees_with_predict(report, model, digits):
    images = model.transform.normalize(digits.test.images)
    seeds = image_seeds(0, 0, len(images))
    result = predict(model, images, Halt("learned", report.chosen.threshold), seeds)
    right = (result.label == digits.test.labels).float().mean().item()
    assert report.chosen.accuracy == pytest.approx(right, abs=1e-6)
    assert report.chosen.mean_steps == pytest.approx(result.exit_step.float().mean().item(), abs=1e-5)
    assert report.chosen.mean_multiply_adds == pytest.approx(result.multiply_adds.double().mean().item())


def test_everything_adds_up(report):
    assert sum(out.share for out in report.exits) == pytest.approx(1)
    exits = sum(out.share * out.accuracy for out in report.exits if out.accuracy is not None)
    assert exits == pytest.approx(report.chosen.accuracy)
    for before, after, up, down in zip(
        report.anytime[:-1], report.anytime[1:], report.became_right[1:], report.became_wrong[1:], strict=True
    ):
        assert after.accuracy - before.accuracy == pytest.approx(up - down)
    assert report.oracle.accuracy >= max(point.accuracy for point in report.anytime)
    assert sum(b.count for b in report.reliability) == 6 * report.split_sizes["test"]
    for points in report.budgeted.values():
        assert points[0].mean_steps <= 2  # "change" cannot leave before the second step
        assert points[-1].mean_steps == 6


def test_the_command_prints_the_same_figures(report, capsys):
    assert main(["evaluate", "digits-glimpse", "--halting", "--json", "--device", "cpu", "--threads", "1"]) == 0
    printed = json.loads(capsys.readouterr().out)["halting"]
    assert printed == json.loads(json.dumps(asdict(report)))
