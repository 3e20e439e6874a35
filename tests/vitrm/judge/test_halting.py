"""The judgement of halting: hand-made cases with known answers, and agreement with predict()."""

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vitrm.cli import export
from vitrm.cli.main import main
from vitrm.config import require_halting
from vitrm.errors import ConfigError
from vitrm.halting import Halt, predict
from vitrm.judge.evaluation import auroc, auroc_interval, image_seeds
from vitrm.judge.halting import EXAMPLES, examples
from vitrm.judge.replay import TOLERANCE, Replay, calibration, calibration_error, leaving
from vitrm.judge.report import Progress, measured, measuring
from vitrm.runs.checkpoints import find_run, load
from vitrm.runs.folder import Run
from vitrm.traces.recording import trace

COSTS = torch.tensor([10.0, 20.0, 30.0], dtype=torch.float64)
# Three steps of four images.
RIGHT = torch.tensor([[1, 0, 0, 1], [1, 1, 0, 0], [1, 1, 1, 0]]).bool()
SCORES = torch.tensor([[0.9, 0.2, 0.1, 0.8], [0.9, 0.7, 0.3, 0.9], [0.9, 0.9, 0.4, 0.9]])


@pytest.fixture(scope="module")
def model():
    return load("digits-glimpse")


@pytest.fixture(scope="module")
def report(model, digits):
    return measured("halting", model, digits)


def test_a_policy_lets_each_image_leave_at_its_first_score_above_the_threshold():
    run = Replay(RIGHT, SCORES, {"learned": SCORES})
    point, exits = run.play("learned", 0.5, COSTS)
    assert exits.tolist() == [0, 1, 2, 0]
    assert point.accuracy == 1.0
    assert point.mean_steps == pytest.approx(7 / 4)
    assert point.mean_multiply_adds == pytest.approx((10 + 20 + 30 + 10) / 4)
    nobody, exits = run.play("learned", 1.0, COSTS)
    assert exits.tolist() == [2, 2, 2, 2]
    assert nobody.accuracy == 0.75


def test_who_leaves_is_listed_wherever_the_threshold_changes_it():
    run = Replay(RIGHT, SCORES, {"learned": SCORES})
    found = list(leaving(run, [0.65, 7.0]))
    assert (found[0].threshold, found[0].images) == (0.0, (4, 0, 0))
    assert len(found) == len({(out.images, out.right) for out in found})
    at = {out.threshold: out for out in found}
    for threshold in (0.0, 0.25, 0.5, 0.9, 1.0):
        listed = max(known for known in at if known <= threshold)
        point, exits = run.play("learned", threshold, COSTS)
        assert at[listed].images == tuple(torch.bincount(exits, minlength=3).tolist())
        assert sum(at[listed].right) == pytest.approx(4 * point.accuracy)


def test_the_report_lists_who_leaves_at_the_chosen_threshold(report):
    chosen = max((out for out in report.leaving if out.threshold <= report.chosen.threshold), key=lambda o: o.threshold)
    total = report.split_sizes["test"]
    assert [count / total for count in chosen.images] == pytest.approx([out.share for out in report.exits])
    assert sum(chosen.right) / total == pytest.approx(report.chosen.accuracy)


def test_calibration_error_by_hand():
    prob = torch.tensor([0.05, 0.05, 0.95, 0.95])
    bins = calibration(prob, torch.tensor([False, True, True, True]))
    assert [(b.count, b.accuracy) for b in bins] == [(2, 0.5), (2, 1.0)]
    assert calibration_error(bins, 4) == pytest.approx(0.5 * 0.45 + 0.5 * 0.05)


def test_the_chosen_threshold_comes_from_validation_and_costs_no_more_than_allowed(report, model, digits):
    val = measured("halting", model, replace(digits, test=digits.val))  # judged on validation itself
    assert report.chosen.threshold == report.chosen_on_val.threshold == val.chosen.threshold
    assert val.chosen.accuracy >= val.anytime[-1].accuracy - TOLERANCE
    assert report.chosen.mean_steps < 6


@pytest.mark.parametrize("rule", ["learned", "entropy", "change"])
def test_the_report_agrees_with_predict(report, model, digits, rule):
    images = model.transform.normalize(digits.test.images)
    seeds = image_seeds(0, 0, len(images))
    point = report.chosen if rule == "learned" else report.competitors[rule]
    result = predict(model, images, Halt(rule, point.threshold), seeds)
    right = (result.label == digits.test.labels).float().mean().item()
    assert point.accuracy == pytest.approx(right, abs=1e-6)
    assert point.mean_steps == pytest.approx(result.exit_step.float().mean().item(), abs=1e-5)
    assert point.mean_multiply_adds == pytest.approx(result.multiply_adds.double().mean().item())


def test_the_images_to_look_at_are_found_by_hand():
    logits = torch.zeros(3, 4, 2)  # three steps of four images of class 0
    logits[..., 0] = torch.where(RIGHT, 2.0, -2.0)
    logits[0, 3, 0] = 5.0  # the most to lose
    exits = torch.tensor([0, 1, 2, 0])
    found = examples(logits, SCORES, torch.zeros(4, dtype=torch.int64), exits, RIGHT.any(0) & ~RIGHT[-1], seed=0)
    assert [(e.index, e.exit_step) for e in found["earliest"]] == [(0, 1), (3, 1), (1, 2), (2, 3)]
    assert [(e.index, e.exit_step) for e in found["latest"]] == [(2, 3), (1, 2), (3, 1), (0, 1)]
    assert [(e.index, e.answers) for e in found["made_worse"]] == [(3, (0, 1, 1))]


def test_the_images_to_look_at_can_be_seen_again(report, model, digits):
    for example in (*report.earliest, *report.latest, *report.made_worse):
        shown = trace(model, digits.test.images[example.index], seed=example.seed)
        assert tuple(shown.probs[:, -1, -1].argmax(-1)) == example.answers
        assert shown.halt_prob[:, -1, -1] == pytest.approx(example.halt_prob, abs=1e-3)


def test_the_images_to_look_at_are_what_they_are_called(report):
    assert len(report.earliest) == len(report.latest) == EXAMPLES
    assert {example.exit_step for example in report.earliest} == {1}
    assert {example.exit_step for example in report.latest} == {6}
    assert len(report.made_worse) == min(EXAMPLES, report.made_worse_count) > 0
    for example in report.made_worse:
        assert example.label in example.answers
        assert example.answers[-1] != example.label


def test_a_judgement_tells_how_far_it_is_and_can_be_given_up(model, few_digits):
    *progress, report = measuring("halting", model, few_digits)
    assert list(dict.fromkeys(progress)) == [Progress(0, 80), Progress(40, 80), Progress(80, 80)]
    assert len(progress) > 3  # it can be given up between two supervision steps
    assert report.split_sizes == {"val": 40, "test": 40}
    again = measuring("halting", model, few_digits)
    next(again)
    again.close()


def test_the_bootstrap_interval_is_that_of_drawing_images_with_replacement():
    scores = torch.rand(60).round(decimals=1)  # with ties
    positive = torch.rand(60) < scores
    generator, areas = np.random.default_rng(0), []
    for _ in range(500):
        drawn = torch.from_numpy(generator.integers(0, 60, 60))
        areas.append(auroc(scores[drawn], positive[drawn]))
    assert auroc_interval(scores, positive) == pytest.approx(np.quantile(areas, (0.025, 0.975)))
    twice = auroc_interval(torch.stack([scores, scores]), torch.stack([positive, positive]))
    assert twice == pytest.approx(auroc_interval(scores, positive))  # the same evidence again is no more evidence
    assert auroc_interval(scores, torch.ones(60).bool()) is None


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
    at_six = report.anytime[-1].accuracy
    assert [step.step for step in report.beyond] == [7, 8, 9, 10, 11, 12]
    for step in report.beyond:
        assert step.accuracy - at_six == pytest.approx(step.became_right - step.became_wrong)
        at_six = step.accuracy
    for points in report.budgeted.values():
        assert points[0].mean_steps <= 2  # "change" cannot leave before the second step
        assert points[-1].mean_steps == 6


def test_pictures_are_kept_only_if_they_are_asked_for(report, model, digits):
    assert report.images == {}
    shown = measured("halting", model, digits, pictures=True)
    assert replace(shown, images={}) == report
    assert shown.images.keys() == {example.index for example in report.examples}
    index = report.made_worse[0].index
    picture = Image.open(io.BytesIO(shown.images[index]))
    assert np.array_equal(np.asarray(picture), digits.test.images[index, 0].numpy())


@pytest.mark.parametrize(("gallery", "shown"), [((), False), (("--gallery", "1"), True)])
def test_an_exported_judgement_has_pictures_only_where_images_may_be_passed_on(
    tmp_path, monkeypatch, few_digits, gallery, shown
):
    monkeypatch.setattr(export, "load_data", lambda *_: few_digits)
    assert main(["export", "digits-glimpse", str(tmp_path / "mine"), "--halting", *gallery]) == 0
    assert bool(Run(tmp_path / "mine").report("halting").images) is shown


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["evaluate", "digits", "--halting"], "supervision_steps=1: a judgement of halting needs 2 or more"),
        (["evaluate", "cifar10-tiny", "--halting", "--supervision-steps", "1"], "such as digits-glimpse"),
        (["evaluate", "vit-tiny-deep", "--halting"], "needs a model with supervision steps"),
        (["export", "digits", "mine", "--halting"], "after a single one there is nothing to stop early"),
        (["export", "vit-tiny-deep", "mine", "--halting"], "needs a model with supervision steps"),
    ],
)
def test_a_model_without_steps_to_leave_out_is_refused_in_a_sentence_before_anything_is_written(words, said, capsys):
    assert main(words) == 1
    out = capsys.readouterr()
    assert said in out.err
    assert out.err.count("\n") == 1
    assert (out.out, Path("mine").exists()) == ("", False)


def test_the_model_that_is_named_instead_has_a_halting_to_judge():
    require_halting(find_run("digits-glimpse").config().model)
    with pytest.raises(ConfigError, match="such as digits-glimpse"):
        next(measuring("halting", load("digits"), None))


def test_a_rule_that_needs_no_training_ranks_answers_too(report, model, digits):
    logits = model(model.transform.normalize(digits.test.images), 1, image_seeds(0, 0, len(digits.test)))
    probs, right = logits.softmax(-1), logits.argmax(-1) == digits.test.labels
    by_hand = auroc((probs * probs.log()).sum(-1).detach(), right)
    assert report.rule_auroc["entropy"][0] == pytest.approx(by_hand, abs=1e-4)
    assert report.rule_auroc["change"][0] is None  # nothing has changed yet
    assert 0.5 < report.rule_auroc["change"][1] < 1


def test_the_command_prints_the_same_figures(report, capsys):
    assert main(["evaluate", "digits-glimpse", "--halting", "--json", "--device", "cpu", "--threads", "1"]) == 0
    printed = json.loads(capsys.readouterr().out)["halting"]
    assert printed == report.numbers()
    shown = find_run("digits-glimpse").report("halting").numbers()  # what the page shows, made on another machine
    assert shown["verdict"] == printed["verdict"]
    assert shown["chosen"]["accuracy"] == pytest.approx(printed["chosen"]["accuracy"], abs=0.005)  # an image or so
    assert shown["chosen"]["mean_steps"] == pytest.approx(printed["chosen"]["mean_steps"], abs=0.05)
    for one, other in zip(shown["anytime"], printed["anytime"], strict=True):
        assert one["accuracy"] == pytest.approx(other["accuracy"], abs=1e-6)
