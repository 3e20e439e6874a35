"""Which other model is offered for a picture, and that the rate said beside it is the one that holds."""

import numpy as np
import pytest

from app.uploads.offer import Familiarity, best, rates, words
from vitrm.data.sources import load_dataset
from vitrm.judge.domain import fitted
from vitrm.runs.checkpoints import find_run


def test_the_most_familiar_is_offered_whose_warning_is_silent_and_only_if_the_chosen_knows_it_less():
    others = {"a": Familiarity(-0.5, -1.0), "b": Familiarity(-0.2, -1.0), "warned": Familiarity(0.1, 0.2)}
    assert best(Familiarity(-2.0, -1.0), others) == "b"
    assert best(Familiarity(-0.1, -1.0), others) is None
    assert best(Familiarity(-2.0, -1.0), {}) is None


def test_what_was_measured_is_said_of_the_two_models_alone(tmp_path):
    file = tmp_path / "offers.csv"
    file.write_text("chosen,images,n,offered,share,seed\na,digits,50,b,0.9200,0\na,clothes,10,c,0.5,0\n")
    assert words(rates("a", "b", file)) == "Measured on test images, it is offered for 92.0 % of digits (n = 50)."
    assert words(rates("b", "a", file)) == ""
    assert rates("a", "b", tmp_path / "none.csv") == []


@pytest.mark.parametrize(("name", "offered"), [("photo", "digits-glimpse")])
def test_the_rate_of_the_digits_is_the_one_that_the_kept_reports_allow(name, offered):
    """Pixels alone already say which digits can be offered: no more are than that, and not far fewer."""
    split, run = load_dataset("digits", 8, 1).test, find_run(offered)
    report = run.report("domain")
    possible = (report.at_most(fitted(split, 1, 8).images.numpy()) >= report.threshold).mean()
    (found,) = [rate for rate in rates(name, offered) if rate.images == "handwritten digits"]
    assert found.n == len(split)
    assert possible - 0.1 < found.share <= possible


def test_without_the_model_a_score_can_only_be_said_to_be_no_higher():
    run, split = find_run("digits-glimpse"), load_dataset("digits", 8, 1).test
    pixels = split.images[:20].numpy()
    logits = np.random.default_rng(0).normal(0, 4, (20, 10))
    report = run.report("domain")
    assert (report.score(pixels, logits) <= report.at_most(pixels) + 1e-9).all()
