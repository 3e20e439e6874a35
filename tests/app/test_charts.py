"""Colours are named once, and figures are laid out in one way."""

import re

import plotly.graph_objects as go

from app import colours
from app.charts import styled
from app.component import COLOURS


def test_figures_and_components_have_the_same_colours():
    sheet = dict(re.findall(r"--([\w-]+): (#\w{6})", COLOURS.read_text(encoding="utf-8").partition(".dark")[0]))
    assert [sheet[name] for name in "xyz"] == [colours.X, colours.Y, colours.Z]
    assert tuple(sheet[f"class-{k}"] for k in range(5)) == colours.CLASSES
    assert (sheet["right"], sheet["marked"], sheet["unseen"]) == (colours.RIGHT, colours.BEYOND, colours.UNSEEN)


def test_text_on_a_class_stands_out_from_it():
    def light(color):
        channels = [int(color[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for color in colours.CLASSES:
        low, high = sorted((light(color), light(colours.on(color))))
        assert (high + 0.05) / (low + 0.05) >= 3  # WCAG 2.2, 1.4.11


def test_a_styled_figure_names_its_axes_and_keeps_the_ranges_it_had():
    figure = go.Figure()
    figure.update_yaxes(range=[0, 100])
    layout = styled(figure, "step", "right, %", height=200, top=30).layout
    assert (layout.xaxis.title.text, layout.yaxis.title.text) == ("step", "right, %")
    assert tuple(layout.yaxis.range) == (0, 100)
    assert (layout.height, layout.margin.t) == (200, 30)


def test_no_other_module_names_a_colour_by_its_number():
    app = COLOURS.parent
    found = [file for file in app.rglob("*.py") if re.search(r"#[0-9a-fA-F]{6}\b", file.read_text(encoding="utf-8"))]
    assert found == [app / "colours.py"]
