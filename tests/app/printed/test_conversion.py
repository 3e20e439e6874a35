"""What a Plotly figure becomes for print."""

import plotly.graph_objects as go
import pytest

from app import colours
from app.printed.conversion import plain, printed
from app.printed.drawing import Column


def _calls(figure, method):
    return [call for call in printed(figure, 84).calls if call.method == method]


def test_a_line_keeps_its_name_colour_dash_and_numbers():
    figure = go.Figure(go.Scatter(x=[1, 2], y=[3.5, 4], name="a", line={"color": colours.BLUE, "dash": "dash"}))
    (call,) = _calls(figure, "plot")
    assert call.values == (Column("a", "x"), Column("a", "y"))
    assert (call.options["label"], call.options["color"], call.options["linestyle"]) == ("a", colours.BLUE, "--")
    assert printed(figure, 84).numbers == {"a": {"x": [1.0, 2.0], "y": [3.5, 4.0]}}


def test_bars_stand_on_those_before_them_and_below_zero_apart():
    figure = go.Figure([go.Bar(x=[1, 2], y=[3, 4], name="up"), go.Bar(x=[1, 2], y=[1, -2], name="more")])
    figure.update_layout(barmode="relative")
    numbers = printed(figure, 84).numbers
    assert numbers["up"]["bottom"] == [0, 0]
    assert numbers["more"]["bottom"] == [3, 0]


def test_names_on_an_axis_keep_their_order():
    figure = go.Figure(go.Scatter(x=[5, 6], y=["late", "early"]))
    figure.update_yaxes(categoryorder="array", categoryarray=["early", "late"])
    (call,) = _calls(figure, "set_yticks")
    assert call.options["labels"] == ["early", "late"]
    assert printed(figure, 84).numbers["scatter"]["y"] == [1.0, 0.0]


def test_a_logarithmic_axis_has_the_ticks_of_the_figure():
    figure = go.Figure(go.Scatter(x=[1e3, 1e6], y=[1, 2]))
    figure.update_xaxes(type="log", range=[3, 6], tickvals=[1e3, 1e6], ticktext=["1 k", "1 M"])
    drawing = printed(figure, 84)
    methods = [call.method for call in drawing.calls]
    assert methods.index("set_xscale") < methods.index("set_xticks")
    (ends,) = _calls(figure, "set")
    assert ends.options["xlim"] == (1e3, 1e6)


def test_series_of_the_same_name_are_told_apart():
    figure = go.Figure([go.Scatter(y=[1], name="a"), go.Scatter(y=[2], name="a")])
    assert list(printed(figure, 84).numbers) == ["a", "a (2)"]


def test_a_narrow_legend_has_fewer_columns():
    names = ["learned halting", "every step", "perfect halting", "low entropy"]
    figure = go.Figure([go.Scatter(y=[1, 2], name=name) for name in names])
    columns = {width: printed(figure, width).calls[-1].options["ncols"] for width in (50, 84, 174)}
    assert 1 <= columns[50] < columns[84] < columns[174] <= len(names)


def test_what_cannot_be_printed_is_named():
    with pytest.raises(TypeError, match="a pie figure cannot be printed yet; expected one of scatter, bar"):
        printed(go.Figure(go.Pie(values=[1])), 84)
    with pytest.raises(TypeError, match="a colour scale that begins with"):
        printed(go.Figure(go.Heatmap(z=[[1]], colorscale="Jet")), 84)


def test_marks_of_plotly_s_texts_are_left_out():
    assert plain("0.5<br>± <b>0.1</b> $") == "0.5\n± 0.1 \\$"
