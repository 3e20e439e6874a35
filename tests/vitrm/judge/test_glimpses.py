"""Who should choose the glimpses: what the report counts, and what it says of close calls."""

from dataclasses import replace

import pytest
import torch

from vitrm.cli import main as cli
from vitrm.config import preset
from vitrm.errors import ConfigError
from vitrm.families import equip, make_model
from vitrm.judge.at_once import Control
from vitrm.judge.bootstrap import Estimate
from vitrm.judge.evaluation import evaluate, image_seeds
from vitrm.judge.glimpses import Difference, verdict, winner
from vitrm.judge.report import Progress, measured, measuring
from vitrm.nets.cost import multiply_adds
from vitrm.nets.glimpses import glimpsed
from vitrm.runs.checkpoints import find_run


@pytest.fixture(scope="module")
def model():
    return find_run("digits-glimpse").load_model()


@pytest.fixture(scope="module")
def report(model, few_digits):
    return measured("glimpses", model, few_digits, seeds=(0, 4), training_seed=7)


def test_every_policy_is_measured_as_evaluate_does_and_only_draws_are_repeated(report, model, few_digits):
    random, fixed, learned = (report.policies[name] for name in ("random", "fixed", "learned"))
    scores = [evaluate(model, model.transform, few_digits.test, seed=seed) for seed in (0, 4)]
    assert random.accuracy_by_draw == tuple(pytest.approx(each.accuracy) for each in scores)
    assert random.accuracy[2].mean == pytest.approx(sum(each.accuracy[2] for each in scores) / 2)
    assert random.spread[0] == pytest.approx(torch.tensor([s.accuracy[0] for s in scores]).std().item())
    assert (random.draws, fixed.draws, learned.draws) == ((0, 4), (0,), (0,))
    assert fixed.spread is learned.spread is None
    assert len(fixed.accuracy) == 6
    assert fixed.multiply_adds[5] == random.multiply_adds[5] == multiply_adds(model.config)
    assert learned.multiply_adds[5] == multiply_adds(model.config, policy="learned")
    for policy in report.policies.values():
        assert policy.anytime.mean == pytest.approx(sum(each.mean for each in policy.accuracy) / 6)
        assert 1 <= policy.halted_steps <= 6


def test_differences_are_those_of_the_accuracies(report):
    for gap in report.differences:
        first, second = report.policies[gap.first], report.policies[gap.second]
        assert gap.anytime.mean == pytest.approx(first.anytime.mean - second.anytime.mean)
        for n, step in enumerate(gap.by_step):
            assert step.mean == pytest.approx(first.accuracy[n].mean - second.accuracy[n].mean)
            assert step.low <= step.mean + 1e-9
            assert step.mean <= step.high + 1e-9


@pytest.fixture(scope="module")
def control():
    config = preset("digits-glimpse-vit")
    torch.manual_seed(0)
    network = equip(make_model(config.model), replace(config, data=find_run("digits").config().data))
    return Control("plain", network.eval(), 3)


def test_the_control_is_given_what_the_glimpses_have_read(report, model, few_digits, control):
    judged = measured("glimpses", model, few_digits, seeds=(0, 4), control=control)
    assert report.control is None
    found = judged.control
    assert (found.name, found.training_seed, found.patches) == ("plain", 3, (4, 8, 12, 16))
    assert found.parameters == sum(p.numel() for p in control.model.parameters())
    whole = evaluate(control.model, control.model.transform, few_digits.test).accuracy[0]
    assert found.accuracy[3].mean == pytest.approx(whole)
    images = control.model.transform.normalize(few_digits.test.images)
    by_hand = []
    for seed in (0, 4):
        given = glimpsed(2, image_seeds(seed, 0, len(images)), len(images), model.config)
        assert all(len(set(row)) == 8 for row in given.tolist())
        answers = control.model.classifier(control.model.features(images, given)).argmax(dim=-1)
        by_hand.append(float((answers == few_digits.test.labels).double().mean()))
    assert found.accuracy[1].mean == pytest.approx(sum(by_hand) / 2)
    for n, ahead in enumerate(found.ahead):
        assert ahead.mean == pytest.approx(judged.policies["random"].accuracy[n].mean - found.accuracy[n].mean)


def test_what_reads_other_patches_is_no_control(model, few_digits, control):
    usual = find_run("digits").load_model()
    with pytest.raises(
        ConfigError,
        match=r"'digits' cannot be the control: expected a plain ViT .* trained with model.patch_multiple=4",
    ):
        measured("glimpses", model, few_digits, control=Control("digits", usual, 0))
    with pytest.raises(ConfigError, match="the patches of the policy 'random'"):
        measured("glimpses", model, few_digits, policies=["fixed"], control=control)


def _with_gaps(report, **gaps):
    """The report with other differences in anytime accuracy: name_name=(mean, low, high)."""
    made = [
        Difference(*names.split("_"), anytime=Estimate(*gap), by_step=report.differences[0].by_step)
        for names, gap in gaps.items()
    ]
    return replace(report, differences=tuple(made))


def test_who_beats_every_other_wins_and_a_close_call_is_said_to_be_one(report):
    clear = _with_gaps(report, random_fixed=(-0.05, -0.06, -0.04), random_learned=(0.1, 0.09, 0.11),
                       fixed_learned=(0.15, 0.14, 0.16))  # fmt: skip
    assert winner(clear) == "fixed"
    assert "the fixed order beats" in verdict(clear, "fixed")
    close = _with_gaps(report, random_fixed=(-0.05, -0.06, -0.04), random_learned=(-0.1, -0.11, -0.09),
                       fixed_learned=(0.001, -0.01, 0.02))  # fmt: skip
    assert winner(close) is None
    assert verdict(close, None).startswith("No clear winner")


def test_it_tells_how_far_it_is_and_refuses_what_has_no_glimpses(model, few_digits):
    *progress, report = measuring("glimpses", model, few_digits, policies=["fixed"], seeds=[0])
    assert list(dict.fromkeys(progress)) == [Progress(0, 80), Progress(40, 80), Progress(80, 80)]
    assert report.seeds == (0,)
    digits = find_run("digits").load_model()
    with pytest.raises(ConfigError, match="no glimpses to compare"):
        measured("glimpses", digits, few_digits)
    with pytest.raises(ConfigError, match="expected different ones"):
        measured("glimpses", model, few_digits, seeds=[1, 1])


def test_the_command_refuses_an_unknown_policy(capsys):
    assert cli.main(["evaluate", "digits-glimpse", "--policies", "best", "--device", "cpu", "--threads", "1"]) == 1
    assert "unknown glimpse policy 'best': expected one of random, fixed, learned" in capsys.readouterr().err


def test_a_stored_report_of_the_bundled_models_is_what_the_code_says_of_it():
    for name in ("digits-glimpse", "cifar10-tiny"):
        stored = find_run(name).report("glimpses")
        assert len(stored.seeds) >= 3
        assert stored.training_seed == find_run(name).config().train.seed
        best = stored.winner
        for gap in stored.differences:
            if best in (gap.first, gap.second):
                assert (gap.anytime.low > 0) if gap.first == best else (gap.anytime.high < 0)
        assert stored.verdict.startswith("No clear winner" if best is None else "At equal budget one wins")
