"""The benchmark of the player."""

import pytest

from app.bench import measure


def test_the_benchmark_of_the_player_measures_what_is_sent():
    row = measure("digits", repeats=1)
    assert all(value > 0 for value in row.values())
    assert row["kB_without_panels"] < row["kB"] < 500
    assert row["filled_ms"] == pytest.approx(row["trace_ms"] + row["payload_ms"] + row["json_ms"])
