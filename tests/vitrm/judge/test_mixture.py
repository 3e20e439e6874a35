"""Judging a soft mixture: what is summed and counted, and what is said of routers that do nothing."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from vitrm.config import Config, SRViTConfig, ViTConfig
from vitrm.data.dataset import Split
from vitrm.errors import ConfigError
from vitrm.families import equip, make_model
from vitrm.judge.mixture import TokenWeights, WeightSums, comparison, faults, may_be_chance, verdict
from vitrm.judge.report import Progress, measured, measuring

SMALL = SRViTConfig(
    num_classes=10, image_size=8, channels=1, patch_size=4, dim=8, depth=2, num_heads=2, mlp_dim=8, recursion_depth=3
)


def stage(mean, spread=0.2, tokens="patches", number=1):
    return TokenWeights(number, tokens, 10, mean, (spread,) * len(mean), mean, 0.5, 1.5)


def judge(config, spread):
    """A model, 70 images, and the judgement of it."""
    torch.manual_seed(0)
    model = equip(make_model(config), Config(model=config)).eval()
    for parameter in model.mixers.parameters():
        torch.nn.init.normal_(parameter, std=spread)  # routers that say something
    torch.nn.init.normal_(model.classifier.weight)
    images = torch.randint(0, 256, (70, 1, 8, 8), dtype=torch.uint8)  # two batches
    split = Split(images, torch.randint(0, 10, (70,)))
    data = SimpleNamespace(split={"test": split}.get)
    return model, data, measured("mixture", model, data)


@pytest.fixture(scope="module")
def judged():
    return judge(SMALL, 5)


def test_mean_spread_favourites_and_entropy_of_three_tokens():
    sums = WeightSums(2)
    sums.add(np.array([[0.5, 0.5], [1.0, 0.0]]))
    sums.add(np.array([[0.2, 0.6]]))  # gates that do not sum to 1: shares of a quarter and three quarters
    found = sums.found(2, "patches")
    assert (found.stage, found.tokens, found.count) == (2, "patches", 3)
    assert found.mean == pytest.approx((1.75 / 3, 1.25 / 3))
    assert found.spread == pytest.approx((math.sqrt((0.25 + 1 + 0.0625) / 3 - (1.75 / 3) ** 2),) * 2)
    assert found.largest == pytest.approx((2 / 3, 1 / 3))
    assert found.mean_step == pytest.approx(1 + 1.25 / 3)
    quarter = -(0.25 * math.log2(0.25) + 0.75 * math.log2(0.75))
    assert found.entropy == pytest.approx((1 + 0 + quarter) / 3)


def test_the_report_says_what_the_model_says_image_by_image(judged):
    model, data, report = judged
    split = data.split("test")
    with torch.inference_mode():
        images = model.transform.normalize(split.images)
        _, weights = model.mix(images)
        own = model(images).argmax(dim=1)
        mean = model.logits_with(images, "uniform").argmax(dim=1)
        second = model.logits_with(images, "last", 2).argmax(dim=1)
    assert [(one.stage, one.tokens, one.count) for one in report.token_weights] == [
        (1, "patches", 70 * 4),
        (1, "class token", 70),
        (2, "class token", 70),
    ]
    assert report.token_weights[0].mean == pytest.approx(weights[0][:, 1:].mean(dim=(0, 1)).tolist(), abs=1e-5)
    assert report.own[-1] == pytest.approx(float((own == split.labels).float().mean()))
    assert report.last[1] == pytest.approx(float((second == split.labels).float().mean()))
    assert report.uniform[-1] == pytest.approx(float((mean == split.labels).float().mean()))
    cut = next(one for one in report.replaced if (one.mixture, one.steps) == ("last", 2))
    assert cut.changed == pytest.approx(float((second != own).float().mean()))
    assert cut.changed > 0
    assert report.last[1] == pytest.approx(report.own[-1] + cut.became_right - cut.became_wrong)
    assert report.own[0] == report.last[0] == report.uniform[0]


def test_after_one_step_a_sigmoid_still_weighs_it():
    model, data, _ = judge(replace(SMALL, normaliser="sigmoid"), 1)
    for mixer in model.mixers:
        torch.nn.init.constant_(mixer.out.bias, -5)  # every gate nearly shut
    with torch.inference_mode():
        images = model.transform.normalize(data.split("test").images)
        weighed, alone = (model.logits_with(images, way, 1).argmax(dim=1) for way in (None, "last"))
    report = measured("mixture", model, SimpleNamespace(split={"test": replace(data.split("test"), labels=alone)}.get))
    assert report.last[0] == report.uniform[0] == 1
    assert report.own[0] == pytest.approx(float((weighed == alone).double().mean()))
    assert report.own[0] < 1


def test_a_judgement_says_how_far_it_is_and_leaves_the_model_as_it_was(judged):
    model, data, _ = judged
    model.train()
    events = list(measuring("mixture", model, data))
    assert [event.done for event in events if isinstance(event, Progress)] == [0, 64, 70]
    assert model.training
    model.eval()


def test_a_collapsed_router_is_named_with_the_step_it_fell_for():
    weights = (stage((0.3, 0.4, 0.3)), stage((0.01, 0.97, 0.02), tokens="class token", number=2))
    assert faults(SMALL, weights) == ["the router of stage 2 has collapsed: step 2 gets 97 % of the weight"]
    assert "stage 2 has collapsed" in verdict(SMALL, weights)


def test_a_router_that_gives_every_token_the_same_is_named():
    (found,) = faults(SMALL, (stage((0.3, 0.4, 0.3), spread=0.01),))
    assert "gives every patch the same weights" in found


def test_routers_that_work_are_said_to_with_the_steps_they_use():
    even, uneven = stage((0.3, 0.4, 0.3)), stage((0.5, 0.46, 0.04))
    assert faults(SMALL, (even, uneven)) == []
    assert "depending on the stage, between 2 and 3 of the 3 steps get more than 5 %" in verdict(SMALL, (even, uneven))
    assert "in every stage all 3 steps" in verdict(SMALL, (even,))
    assert "in every stage 2 of the 3 steps" in verdict(SMALL, (uneven,))


@pytest.mark.parametrize(
    ("mixture", "said"), [("scalar", "one learned weight"), ("uniform", "mean"), ("last", "last step")]
)
def test_a_control_is_no_collapsed_router(mixture, said):
    control = replace(SMALL, mixture=mixture)
    assert faults(control, (stage((0.0, 0.0, 1.0), spread=0.0),)) == []
    assert said in verdict(control, (stage((0.0, 0.0, 1.0), spread=0.0),))


def test_a_difference_that_chance_explains_is_said_to_be_one(judged):
    report = judged[2]
    scores = {"own": (0.5, 0.9), "last": (0.5, 0.8), "uniform": (0.5, 0.89)}
    small, large = [
        replace(report.replaced[-1], mixture=mixture, steps=3, became_wrong=wrong, became_right=right)
        for mixture, wrong, right in (("uniform", 0.03, 0.02), ("last", 0.12, 0.02))
    ]
    said = comparison(SMALL, scores, (small, large), 100)
    assert "89.0 % (3 right answers become wrong and 2 wrong ones right, no more than chance explains)" in said
    assert "80.0 % (12 right answers become wrong and 2 wrong ones right)" in said


@pytest.mark.parametrize(
    ("worse", "better", "chance"),
    [(0, 0, True), (5, 0, True), (0, 6, False), (7, 1, True), (8, 1, False), (9, 2, True), (10, 2, False),
     (40, 60, True), (39, 61, False)],
)  # fmt: skip
def test_of_few_changed_answers_chance_explains_more_than_of_many(worse, better, chance):
    """The two-sided sign test at 5 %, as in tables of it: 6:0, 8:1, 10:2 and 61:39 are the first that tell."""
    assert may_be_chance(worse, better) is chance


@pytest.mark.parametrize(
    "config", [replace(SMALL, recursion_depth=1), ViTConfig(image_size=8, dim=8, num_heads=2, depth=1)]
)
def test_a_model_that_mixes_nothing_cannot_be_judged(config, judged):
    with pytest.raises(ConfigError, match="mixes no steps"):
        measured("mixture", make_model(config), judged[1])
