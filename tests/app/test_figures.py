"""A trace as tables and files to keep."""

import re

import numpy as np
import pytest

from app import figures
from app.figures import as_written, plain, points, signed
from vitrm.runs.checkpoints import find_run
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


def test_a_caption_names_the_seed_of_the_glimpses_where_there_are_any():
    said = []
    for name in ("digits-glimpse", "digits", "digits-glimpse-vit"):
        run = find_run(name)
        said.append(figures.provenance(name, "test-3", 7, run.config(), run.summary()))
    assert said[0].startswith(
        "Image: handwritten digits (scikit-learn, 8 × 8 pixels), test split, number 3, glimpse seed 7. "
    )
    assert ["glimpse" in each.replace("digits-glimpse", "") for each in said] == [True, False, False]


def test_a_sign_is_that_of_what_is_shown():
    assert [signed(0.04), signed(-0.04), signed(-1.25, 2), points(2)] == ["0.0", "0.0", "−1.25", "+2.0 points"]


def test_what_is_not_ours_is_shown_as_it_is_in_markdown():
    assert plain("**a**_b_[c](d)") == r"\*\*a\*\*\_b\_\[c\]\(d\)"
    assert as_written("!" * 99) == r"\!" * 60


@pytest.mark.parametrize("address", ["https://a.example/b", "HTTP://a.example", "www.a.example", "me@a.example"])
def test_an_address_that_is_not_ours_is_no_link(address):
    shown = plain(address).replace("\\", "")
    assert shown.replace("\u2060", "") == address
    assert not re.search(r"(?i)https?://|www\.|\w@", shown)  # what GitHub's Markdown makes links of
