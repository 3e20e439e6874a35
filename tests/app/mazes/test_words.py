"""What a report on mazes says in words."""

from dataclasses import replace

import numpy as np

from app.mazes import words
from vitrm.config import Config, DataConfig


def test_words_name_the_numbers(report, trial):
    assert "rank correlation 0.50 (Spearman" in words.exit_words(report, 0.5)
    assert "66.7 % are right when they leave" in words.exit_words(report, 0.5)
    assert "leave after the same step" in words.exit_words(report, 0.95)
    for part in ("test split, n = 3", "chance 50 %", "up to 1 times the 2 trained ones"):
        assert part in words.provenance("m", Config(data=DataConfig(source=trial.source)), report)


def test_a_model_that_guesses_or_goes_by_distance_is_called_that(report, make_trial):
    def said(share, nearest):
        right = np.tile(np.arange(1000) < 1000 * share, (2, 1))
        made = replace(make_trial(right, np.zeros((2, 1000)), [1] * 1000), nearest=np.arange(1000) < 1000 * nearest)
        return words.verdict(replace(report, trials=(made,)))

    assert "has not learned to solve mazes: 51.0 %" in said(0.51, 0.7)
    assert "no more than the guess" in said(0.72, 0.7)
    assert said(0.9, 0.7).startswith("90.0 % right after the last trained step (one training), 0.0 points against")


def test_what_local_features_leave_is_said_where_it_was_measured(report, judged):
    assert "follow no way, reach 75.0 %, 50 % on paths of 3" in words.verdict(report, judged)
    unmeasured = replace(judged, levels=tuple(replace(level, guesses={}) for level in judged.levels))
    assert "follow no way" not in words.verdict(report, unmeasured)


def test_the_control_is_named_beside_the_model(report, judged):
    assert "a-vit (plain ViT, 11 parameters against 10), reaches 66.7 %" in words.verdict(report, judged)
