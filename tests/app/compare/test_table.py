"""The table: what was measured stands in it, what was not is said."""

from dataclasses import replace

import pytest

from app.compare.table import Speeds, is_measurable, rows, speed_words
from vitrm.bench.latency import Latency
from vitrm.config import ResNetConfig


def test_measured_latency_stands_in_the_table_and_what_was_too_large_is_said(entry, compared, a_vit):
    shown = compared(entry("p", a_vit, 50.0), entry("huge", ResNetConfig(), 40.0, parameters=200_000_000))
    assert [is_measurable(each) for each in shown.entries] == [True, False]
    times = [Latency(1, 2.0, 1.5, 3.0, 15, 0.5), Latency(32, 20.0, 15.0, 30.0, 9, 16.0)]
    speeds = Speeds({a_vit: times}, "Some CPU, 1 threads", 1)
    first, second = rows(shown, speeds)
    assert (first["ms for 1"], first["ms for 32, quartiles"]) == (2.0, "15 to 30")
    assert first["peak beyond weights for 32, MB"] == 16.0
    assert second["ms for 1"] is None
    assert first["weights, MB"] == pytest.approx(0.004)
    words = speed_words(shown, speeds)
    for part in ("Some CPU, 1 thread, fp32", "median of 9 to 15 runs", "Too large to be measured here: huge"):
        assert part in words


def test_a_model_that_takes_too_much_for_a_batch_is_not_measured(entry, compared, a_vit, monkeypatch):
    shown = compared(entry("p", a_vit, 50.0), entry("wide", replace(a_vit, mlp_dim=65_536), 40.0))
    assert [is_measurable(each) for each in shown.entries] == [True, True]
    monkeypatch.setenv("VITRM_ANSWER_GB", "0.05")
    assert [is_measurable(each) for each in shown.entries] == [True, False]
