"""How long a batch takes, and the memory that it needs meanwhile."""

from dataclasses import replace

import pytest
import torch

from vitrm.bench.latency import latencies, peak_allocated


def test_latencies_are_of_every_model_and_batch_and_say_how_far_they_are(tiny):
    told = []
    small = replace(tiny, supervision_steps=1)
    rows = latencies([small, replace(small, dim=32)], (1, 3), runs=3, progress=told.append)
    assert [[row.batch for row in model] for model in rows] == [[1, 3], [1, 3]]
    for row in (row for model in rows for row in model):
        assert 0 < row.low_ms <= row.median_ms <= row.high_ms
        assert row.runs == 3
    assert rows[1][1].peak_mb > rows[0][1].peak_mb > rows[0][0].peak_mb > 0  # wider, more images: more memory
    assert told == sorted(told)
    assert told[-1] <= 1


def test_the_peak_is_what_is_alive_at_once():
    many = torch.ones(1000, 1000)

    def run():
        first = many + 1  # 4 MB
        second = first + 1  # 8 MB
        del first
        return second * 2  # second and the product: 8 MB again

    assert peak_allocated(run) == pytest.approx(8_000_000, abs=100)  # and the numbers added


def test_a_measurement_stops_when_it_is_told_to(tiny):
    def stop(share):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        latencies([tiny], progress=stop)
