"""What is said of a halting follows from its numbers."""

import re

import pytest
import torch

from vitrm.judge.evaluation import auroc
from vitrm.judge.replay import Point
from vitrm.judge.verdict import comparison, step_alone, verdict


@pytest.mark.parametrize(
    ("prob", "shares", "said"),
    [
        (torch.full((2, 100), 0.5), [0.5, 0.5], "it is flat"),
        (torch.linspace(0.951, 1, 200).reshape(2, 100), [0.5, 0.5], "it is saturated: .* above 0.95"),
        (torch.linspace(0, 0.049, 200).reshape(2, 100), [0.5, 0.5], "it is saturated: .* below 0.05"),
        (
            torch.cat([torch.linspace(0.1, 0.2, 100), torch.linspace(0.8, 0.9, 100)]).reshape(2, 100),
            [0.02, 0.98],
            "saves nothing",
        ),
        (
            torch.cat([torch.linspace(0.1, 0.2, 100), torch.linspace(0.8, 0.9, 100)]).reshape(2, 100),
            [0.99, 0.01],
            "collapsed: with the threshold chosen on validation 99 % of the images leave after step 1",
        ),
        (torch.rand(2, 100, generator=torch.Generator().manual_seed(0)), [0.5, 0.5], "hardly knows right from wrong"),
    ],
)
def test_bad_halting_is_said_in_words(prob, shares, said):
    right = torch.tensor([[i % 2 == 0 for i in range(100)]] * 2)
    assert re.search(said, verdict(prob, right, torch.tensor(shares)))


def test_a_collapse_onto_a_later_step_is_no_halting_either():
    right, prob = torch.tensor([[False] * 50 + [True] * 50] * 4), torch.rand(4, 100)
    said = verdict(torch.where(right, 0.5 + prob / 2, prob / 2), right, torch.tensor([0.01, 0.98, 0.01, 0]))
    assert (
        "collapsed: with the threshold chosen on validation 98 % of the images leave after step 2, a fixed number"
        in said
    )


def test_exits_that_are_worth_no_more_than_chance_are_said_in_words():
    right = torch.tensor([[False] * 50 + [True] * 50] * 2)
    said = verdict(torch.where(right, 0.9, 0.1), right, torch.tensor([0.5, 0.5]), gain=-0.01)
    assert "no more than the same exits dealt out at random" in said


def test_a_model_that_is_always_right_cannot_be_judged():
    said = verdict(torch.rand(2, 100), torch.ones(2, 100).bool(), torch.tensor([0.5, 0.5]))
    assert "cannot be judged: every answer after every step is right" in said


def test_good_halting_is_said_in_words():
    right = torch.tensor([[False] * 50 + [True] * 50] * 2)
    prob = torch.where(right, 0.9, 0.1)
    assert "tells images apart" in verdict(prob, right, torch.tensor([0.5, 0.5]))


def test_the_number_of_the_step_alone_is_what_an_auroc_of_it_would_be():
    right = torch.rand(4, 5000) < torch.tensor([0.4, 0.6, 0.9, 0.95])[:, None]
    number = torch.arange(4.0)[:, None].expand_as(right)
    measured = auroc(number.flatten(), right.flatten())
    assert f"the number of the step alone reaches {measured:.2f}." in step_alone(right.double().mean(dim=1).tolist())
    assert "alone reaches 0.50." in step_alone([0.7, 0.7])


@pytest.mark.parametrize(
    ("entropy", "change", "said"),
    [
        (
            Point(0.1, 0.98, 2.5, 25),
            Point(1, 0.90, 4.0, 40),
            "Low entropy of the prediction did about as well, or better",
        ),
        (Point(0.1, 0.979, 3.1, 31), Point(1, 0.90, 4.0, 40), "Low entropy of the prediction did about as well, or"),
        (Point(0.1, 0.97, 3.1, 31), Point(1, 0.99, 3.0, 30), "Little change of the memory did about as well, or"),
        (Point(0.1, 0.97, 3.1, 31), Point(1, 0.90, 4.0, 40), "Learned halting did better than both"),
        (Point(0.1, 0.97, 2.9, 29), Point(1, 0.90, 4.0, 40), "None was better in both accuracy and cost"),
    ],
)
def test_learned_halting_is_compared_with_rules_that_need_no_training(entropy, change, said):
    text = comparison(Point(0.9, 0.98, 3.0, 30), {"entropy": entropy, "change": change}, images=359)
    assert said in text
    assert "One image is 0.28 points" in text
