"""Figures about mazes, and that each has its words."""

import plotly.graph_objects as go

from app.mazes import figures
from app.mazes.words import alternatives


def test_every_figure_is_made_of_the_report_and_has_words_for_those_who_cannot_see_it(report, judged):
    said = alternatives(report, 0.5, judged)
    for name in said:
        takes = (0.5,) if name == "exits_by_length" else ()
        assert isinstance(getattr(figures, name)(report, *takes), go.Figure)
        assert said[name]
    heat = figures.accuracy_map(report).data[0]
    assert heat.z.tolist() == [[50, 100, 100], [0, 0, 100]]
    control = next(line for line in figures.accuracy_by_length(report, judged).data if "control" in line.name)
    assert control.y == (100, 0)
    local = next(line for line in figures.accuracy_by_length(report, judged).data if "local" in line.name)
    assert local.y == (100, 50)
    assert figures.probe_map(report).data[0].y == ("1", "2", "none")
