"""Training curves for a paper: what the browser draws, as a Plotly figure, and the button that offers it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import plotly.graph_objects as go

from app import colours
from app.charts import styled
from app.printed import view
from app.training.curves.curves import Chart


def figure(chart: Chart) -> go.Figure:
    """The same lines, level and ends."""
    made = go.Figure()
    for line in chart.lines:
        dash = "dash" if line.dash else "solid"
        made.add_scatter(x=line.x, y=line.y, mode="lines", name=line.name, line={"color": line.color, "dash": dash})
    if chart.level:
        value, meaning = chart.level
        made.add_hline(y=value, line={"color": colours.GREY, "dash": "dash"})
        made.add_annotation(x=0, xref="paper", xanchor="left", y=value, yanchor="bottom", text=meaning, showarrow=False)
    if chart.low is not None and chart.high is not None:
        made.update_yaxes(range=[chart.low, chart.high])
    if chart.log:
        made.update_yaxes(type="log")
    return styled(made, chart.x_title, chart.y_title)


def offer(charts: Callable[[], Sequence[Chart]], key: str, about: str) -> None:
    """The button that offers charts for a paper; they are made when it is pressed."""

    def figures() -> view.Figures:
        return {chart.y_title: lambda chart=chart: figure(chart) for chart in charts() if chart.lines}

    view.offer(figures, key, about, "Figures for a paper")
