"""A trace as tables and files to keep."""

import numpy as np
import pytest

from app import figures
from vitrm.traces.trace import Trace


def test_the_table_has_a_row_for_every_read_out(shown):
    rows = figures.numbers(shown)
    assert len(rows) == shown.halt_logit.size
    assert rows[-1]["answer"] == shown.class_names[shown.probs[-1, -1, -1].argmax()]
    assert sum(value for name, value in rows[0].items() if name.startswith("P(")) == pytest.approx(100, abs=1e-3)


def test_the_downloads_hold_the_trace_and_its_numbers(shown, tmp_path):
    (tmp_path / "trace.npz").write_bytes(figures.trace_file(shown))
    np.testing.assert_array_equal(Trace.load(tmp_path / "trace.npz").patch_attention, shown.patch_attention)
    header, *lines = figures.numbers_file(shown).decode().splitlines()
    assert header.startswith("supervision step,memory iteration,answer,halting probability,length of y")
    assert len(lines) == shown.halt_logit.size
