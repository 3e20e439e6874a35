"""The panel of this page for a paper: what the browser draws, as Plotly figures. Pure."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import plotly.graph_objects as go

from app import colours
from app.charts import styled
from app.halting.figures import accuracy_for_cost
from vitrm.judge.halting import HaltingReport
from vitrm.traces.trace import Trace


def figures(trace: Trace | None, report: HaltingReport | None, threshold: float) -> dict[str, Callable[[], go.Figure]]:
    """By name, what is there of one image and of all test images at a threshold."""
    made: dict[str, Callable[[], go.Figure]] = {}
    if trace is not None:
        made["One image, when it stops"] = lambda: one_image(trace, threshold)
    if report is not None:
        made["All test images, who leaves when and rightly"] = lambda: leaving(report, threshold)
        made["All test images, what accuracy costs"] = lambda: accuracy_for_cost(report)
    return made


def one_image(trace: Trace, threshold: float) -> go.Figure:
    """The halting probability after each supervision step, with the answers and the exit."""
    halt = trace.halt_prob[:, -1, -1]
    steps, found = np.arange(1, len(halt) + 1), np.flatnonzero(halt > threshold)
    figure = go.Figure()
    figure.add_scatter(
        x=steps,
        y=halt,
        mode="lines+markers+text",
        text=[trace.class_names[k] for k in trace.probs[:, -1, -1].argmax(axis=-1)],
        textposition="top center",
        name="halting probability, and the answer",
        line={"color": colours.Y},
    )
    if found.size:
        at, marker = found[:1], {"color": colours.Z, "symbol": "circle-open", "size": 18}
        figure.add_scatter(x=steps[at], y=halt[at], mode="markers", name="stops here", marker=marker)
    figure.add_hline(y=threshold, line={"color": colours.INK, "dash": "dash", "width": 1})
    figure.update_yaxes(range=[0, 1.08])
    figure.update_xaxes(dtick=1 if len(halt) <= 16 else None)
    return styled(figure, "supervision step", "halting probability")


def leaving(report: HaltingReport, threshold: float) -> go.Figure:
    """How many test images leave after each step with a threshold, and how many of them are right."""
    out = [each for each in report.leaving if each.threshold <= threshold + 5e-5][-1]  # a link has four digits
    images, right = np.array(out.images), np.array(out.right)
    steps, figure = np.arange(1, len(images) + 1), go.Figure()
    figure.add_bar(x=steps, y=right, name="right", marker_color=colours.RIGHT)
    figure.add_bar(x=steps, y=images - right, name="wrong", marker_color=colours.WRONG)
    figure.update_layout(barmode="stack")
    figure.update_xaxes(dtick=1 if len(images) <= 16 else None)
    return styled(figure, f"left after supervision step, threshold {threshold:g}", "test images")
