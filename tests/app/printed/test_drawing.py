"""A figure for a paper: its files and the lines that draw it are the same calls on the same numbers."""

import csv
import io
import os
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pytest

from app.halting import figures as halting_figures
from app.mazes import figures as maze_figures
from app.mixture import figures as mixture_figures
from app.player.printed import attention, curves, seen
from app.printed.conversion import printed
from app.printed.drawing import Call, Column, Drawing
from vitrm.places import ROOT
from vitrm.runs.checkpoints import find_run


def _bundled(name):
    return find_run(ROOT / "checkpoints" / name)


def _several():
    """Figures of each kind: lines with words, bars on bars, maps, rows of axes, pictures."""
    judged = _bundled("digits-glimpse").report("halting")
    trace = _bundled("digits-glimpse").gallery()["test-9"]
    return {
        "cost": halting_figures.accuracy_for_cost(judged),
        "flips": halting_figures.flips(judged),
        "reliability": halting_figures.reliability(judged),
        "map": maze_figures.accuracy_map(_bundled("mazes-first").report("mazes")),
        "weights": mixture_figures.weights(_bundled("sr-vit-digits").report("mixture"), "patches"),
        "curves": curves(trace),
        "seen": seen(trace),
        "attention": attention(trace),
    }


@pytest.mark.slow
def test_the_lines_of_python_draw_the_same_files_from_the_exported_numbers(tmp_path):
    drawings = {name: printed(figure, 84) for name, figure in _several().items()}
    for name, drawing in drawings.items():
        (tmp_path / f"{name}.csv").write_bytes(drawing.csv)
        (tmp_path / f"{name}.py").write_text(drawing.python(name, 'What "it" shows'), encoding="utf-8")
    every = "import runpy, sys\nfor name in sys.argv[1:]: runpy.run_path(name + '.py')"
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | {"MPLBACKEND": "agg"}
    subprocess.run([sys.executable, "-W", "error", "-c", every, *drawings], cwd=tmp_path, env=environment, check=True)
    for name, drawing in drawings.items():
        assert (tmp_path / f"{name}.svg").read_bytes() == drawing.svg(), name
        assert (tmp_path / f"{name}.pdf").read_bytes().startswith(b"%PDF"), name


def test_it_has_the_width_asked_for_in_millimetres_and_brings_its_letters():
    for width in (84.0, 174.0):
        drawing = printed(_several()["cost"], width)
        text = drawing.svg().decode()
        points = float(re.search(r'<svg [^>]*?width="([\d.]+)pt"', text, re.S)[1])
        assert points / 72 * 25.4 == pytest.approx(width, abs=0.01)
        assert "<text" not in text  # outlines: no reader needs the font
        pdf = drawing.pdf()
        assert b"/FontFile2" in pdf  # TrueType, embedded
        assert b"/Type3" not in pdf
        box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+)", pdf)
        assert float(box[1]) / 72 * 25.4 == pytest.approx(width, abs=0.01)


@pytest.mark.parametrize("width", [39.0, 301.0])
def test_a_width_beyond_what_is_offered_is_refused(width):
    with pytest.raises(ValueError, match="expected 40 to 300"):
        printed(go.Figure(go.Scatter(y=[1, 2])), width)


def test_numbers_are_read_back_as_they_were():
    values = [0.1, 1 / 3, 1e-12, float("nan"), 7]
    drawing = Drawing({"a, b": {"x": values}, "c": {"y": [1.0]}}, (), 84, 50)
    rows = list(csv.DictReader(io.StringIO(drawing.csv.decode())))
    read = [float(row["x"] or "nan") for row in rows if row["series"] == "a, b"]
    np.testing.assert_array_equal(read, values)
    assert rows[-1] == {"series": "c", "x": "", "y": "1"}


def test_words_of_learners_are_data_in_the_lines_and_never_code():
    name = 'x"); import os; os.abort() #\\'
    call = Call("ax", "plot", (Column(name, "x"),), {"label": name})
    text = Drawing({name: {"x": [1.0]}}, (call,), 84, 50).python("a", about='""" ' + name)
    compiled = compile(text, "lines", "exec")
    assert "os" not in compiled.co_names
    assert replace(call).options["label"] == name
