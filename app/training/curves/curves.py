"""Curves that grow while one looks: new points arrive, and the zoom, the hidden lines and the pointer stay.

Streamlit's own charts are made anew (Plotly) or lose their zoom (Vega-Lite, ECharts) whenever their data change. This
component hands new points to a chart that stays: uPlot (MIT licence, in `uplot.min.js`), which draws thousands of
points in milliseconds. `app.training.figures` makes the charts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import streamlit as st

from app.component import COLOURS, encoded, read


@dataclass(frozen=True)
class Line:
    """One line: its points, and how it is drawn. `color` is readable on light and dark ground."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    color: str
    dash: bool = False


@dataclass(frozen=True)
class Chart:
    """Lines over a common axis. `alt` says in a sentence what they show, from the data."""

    name: str
    x_title: str
    y_title: str
    lines: tuple[Line, ...]
    alt: str
    level: tuple[float, str] | None = None  # a dashed horizontal line, and what it means
    low: float | None = None  # lower and upper end of the y axis, where they are fixed
    high: float | None = None
    log: bool = False
    more: bool = False  # whether it is folded away at first


# The library goes to the browser once per page: everything a component declares travels with each of its updates.
_library = st.components.v2.component(
    "vitrm_curves_library",
    html="<span></span>",
    js=read(__file__, "uplot.min.js", "curves.js"),
)
_component = st.components.v2.component(
    "vitrm_curves",
    html="<section class='curves'></section>",
    css=read(__file__, COLOURS, "curves.css"),
    js=read(__file__, "component.js"),
)


def curves_library() -> None:
    """What `curves` needs in the browser; once on every page that has them, outside anything that is repeated."""
    _library(key="curves_library")


def curves(payload: dict[str, Any], key: str) -> None:
    """Show charts, as `payload` made them."""
    _component(data=payload, key=key)


def payload(charts: Sequence[Chart]) -> dict[str, Any]:
    """The charts as JSON values; points are base64 of little-endian float32."""
    return {"charts": [_chart(chart) for chart in charts]}


def _chart(chart: Chart) -> dict[str, Any]:
    lines = [asdict(line) | {"x": encoded(line.x), "y": encoded(line.y)} for line in chart.lines]
    return {**{name: getattr(chart, name) for name in chart.__dataclass_fields__}, "lines": lines}
