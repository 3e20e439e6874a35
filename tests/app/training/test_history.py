"""A training's events, read on as they are written."""

import json
from dataclasses import asdict

import numpy as np
import pytest

from app.training.history import POINTS, History
from vitrm.runs.folder import Run
from vitrm.training.events import EpochEnd, Progress


def _progress(epoch, batch, batches, steps=1):
    each = (0.1,) * steps
    return Progress(epoch, batch, batches, each, each, each, each, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)


def _line(event):
    return json.dumps({"event": type(event).__name__} | asdict(event)) + "\n"


def test_a_history_reads_on_and_begins_anew_when_the_file_is_replaced(tmp_path):
    run = Run(tmp_path)
    history = History(run)
    assert history.read() == 0

    def line(batch):
        return _line(_progress(1, batch, 100))

    run.metrics_file.write_text(line(10) + line(20)[:9])
    assert history.read() == 1
    assert [row.batch for row in history.progress.rows] == [10]
    assert history.read() == 1  # nothing new
    run.metrics_file.write_text(line(10) + line(20) + "no json\n")
    history.read()
    assert [row.batch for row in history.progress.rows] == [10, 20]
    other = tmp_path / "other"
    other.write_text(line(30))
    other.replace(run.metrics_file)
    history.read()
    assert [row.batch for row in history.progress.rows] == [30]


def test_a_long_history_stays_bounded_and_keeps_the_newest(tmp_path):
    run = Run(tmp_path)
    one = ((0.5,),) * 6
    run.metrics_file.write_text(
        "".join(_line(EpochEnd(epoch, *one, best=True, lr=0.1, seconds=1.0)) for epoch in range(1, 10_001))
    )
    history = History(run)
    history.read()
    kept = [row.epoch for row in history.epochs.rows]
    assert POINTS < len(kept) <= 2 * POINTS
    assert len(set(np.diff(kept))) == 1
    assert history.epochs.last.epoch == 10_000


def test_the_rest_of_an_epoch_does_not_make_the_curves_jump(tmp_path):
    run = Run(tmp_path)
    rows = [(1, 10), (1, 11), (2, 10), (2, 11)]
    run.metrics_file.write_text("".join(_line(_progress(e, b, 11)) for e, b in rows))
    history = History(run)
    history.read()
    assert [(row.epoch, row.batch) for row in history.progress.rows] == [(1, 10), (2, 10)]
    assert history.progress.last.batch == 11


@pytest.mark.parametrize(
    "odd", [{"event": "Updated"}, {"event": "Progress", "epoch": "one"}, [], 7, {"event": ["Progress"]}, "[" * 100_000]
)
def test_an_event_that_is_none_is_left_out_and_counted(odd, tmp_path):
    run = Run(tmp_path)
    text = odd if isinstance(odd, str) else json.dumps(odd)
    run.metrics_file.write_text(_line(_progress(1, 10, 20)) + text + "\n" + _line(_progress(1, 20, 20)))
    history = History(run)
    history.read()
    assert [row.batch for row in history.progress.rows] == [10, 20]
    assert history.unread == 1
