"""The numbers behind the figures about mazes, computed by hand."""

import numpy as np
import pytest

from app.mazes import tables


def test_exit_shares_and_the_guess_are_counted_by_length(trial):
    assert tables.exit_shares(trial, 0.5, 2).tolist() == [[0.5, 0], [0.5, 1]]
    assert tables.guess_by_length(trial).tolist() == [0.5, 1.0]


def test_the_rank_correlation_is_spearmans_and_has_an_interval(make_trial):
    halts = np.zeros((3, 4))
    halts[0, 0] = halts[1, 1] = 0.9  # exits 1, 2, 3, 3 for lengths 1 to 4
    found, low, high = tables.rank_correlation(make_trial(np.ones((3, 4)), halts, [1, 2, 3, 4]), 0.5, 3)
    assert found == pytest.approx(4.5 / np.sqrt(4.5 * 5))  # ranks 1, 2, 3.5, 3.5 against 1 to 4
    assert low < found < high
    assert tables.rank_correlation(make_trial(np.ones((3, 4)), halts, [1, 2, 3, 4]), 0.95, 3) is None


def test_the_tables_have_the_numbers_of_the_report(report, judged):
    assert tables.length_table(report, judged)[1]["control, %"] == 0
    assert tables.length_table(report, judged)[1]["local features, %"] == 50
    assert tables.exit_table(report, 0.5)[0]["exit step, mean"] == 1.5
    assert [row["mazes"] for row in tables.other_table(report)] == ["as in training (test split)", "longer paths"]
    assert tables.probe_table(report)[1]["called reachable at distance none, %"] == 12.5
