"""Figures about halting as pure functions: a report or a trace in, a Plotly figure out. No streamlit here.

A report is the plain form of `vitrm.halting_report.HaltingReport`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from vitrm.config import Config
from vitrm.traces import Trace

RULES = {"learned": "learned halting", "entropy": "low entropy", "change": "little change of z"}
_RULE_LINES = {"learned": ("#c2185b", "solid"), "entropy": ("#0072b2", "dash"), "change": ("#e69f00", "dot")}
_GREY = "#8a93a3"


def accuracy_for_cost(report: dict[str, Any]) -> go.Figure:
    """Accuracy against multiply-adds as each rule's threshold moves, beside "everybody stops at step n"."""
    figure = go.Figure()
    steps = report["anytime"]
    figure.add_scatter(
        x=_millions(steps),
        y=_percent(steps),
        mode="lines+markers+text",
        text=[str(n + 1) for n in range(len(steps))],
        textposition="bottom center",
        name="everybody stops at step n",
        line={"color": _GREY},
        cliponaxis=False,
    )
    for rule, points in report["budgeted"].items():
        color, dash = _RULE_LINES[rule]
        figure.add_scatter(
            x=_millions(points),
            y=_percent(points),
            mode="lines",
            name=RULES[rule],
            line={"color": color, "dash": dash, "width": 3 if rule == "learned" else 2},
        )
    marks = [
        ("chosen on validation", report["chosen"], "star", "#c2185b"),
        ("perfect halting", report["oracle"], "diamond", "#009e73"),
    ]
    for name, point, symbol, color in marks:
        figure.add_scatter(
            x=_millions([point]),
            y=_percent([point]),
            mode="markers",
            name=name,
            marker={"symbol": symbol, "size": 15, "color": color},
        )
    figure.add_scatter(
        x=_millions([report["chosen"]]),
        y=[100 * report["random_exit_accuracy"]],
        mode="markers",
        name="the same exits, dealt at random",
        marker={"symbol": "x", "size": 11, "color": _GREY},
    )
    return _styled(figure, "multiply-adds per image, millions", "test accuracy, %", height=420)


def exits(report: dict[str, Any]) -> go.Figure:
    """How many images leave after each step, and how many of them are right."""
    figure = go.Figure()
    steps = [out["step"] for out in report["exits"]]
    right = [100 * out["share"] * (out["accuracy"] or 0) for out in report["exits"]]
    wrong = [100 * out["share"] * (1 - (out["accuracy"] or 0)) for out in report["exits"]]
    labels = ["" if out["accuracy"] is None else f"{100 * out['accuracy']:.0f} % right" for out in report["exits"]]
    figure.add_bar(x=steps, y=right, name="right", marker_color="#0072b2")
    figure.add_bar(
        x=steps, y=wrong, name="wrong", marker_color="#d55e00", text=labels, textposition="outside", cliponaxis=False
    )
    figure.update_layout(barmode="stack")
    return _styled(figure, "left after supervision step", "share of the test images, %")


def reliability(report: dict[str, Any]) -> go.Figure:
    """Halting probability against how often the answer was right; on the diagonal it means what it says."""
    bins = report["reliability"]
    figure = go.Figure()
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", name="means what it says", line={"color": _GREY, "dash": "dash"}
    )
    figure.add_scatter(
        x=[b["halt_prob"] for b in bins],
        y=[b["accuracy"] for b in bins],
        mode="lines+markers",
        name="this model",
        line={"color": "#c2185b"},
        marker={"size": [6 + 20 * (b["count"] / max(c["count"] for c in bins)) ** 0.5 for b in bins]},
        customdata=[b["count"] for b in bins],
        hovertemplate="halting %{x:.2f}, right %{y:.2f}, %{customdata:,} answers<extra></extra>",
    )
    figure.update_yaxes(range=[0, 1.05])
    return _styled(figure, "halting probability", "share of right answers")


def flips(report: dict[str, Any]) -> go.Figure:
    """What each further step does: answers that became right, and answers that became wrong."""
    steps = list(range(2, len(report["anytime"]) + 1))
    figure = go.Figure()
    figure.add_bar(
        x=steps, y=[100 * v for v in report["became_right"][1:]], name="became right", marker_color="#0072b2"
    )
    figure.add_bar(
        x=steps, y=[-100 * v for v in report["became_wrong"][1:]], name="became wrong", marker_color="#d55e00"
    )
    figure.update_layout(barmode="relative")
    return _styled(figure, "supervision step", "share of the test images, %")


def halting_curve(trace: Trace, threshold: float) -> go.Figure:
    """One image: halting probability after each step, the threshold, and what the answer would be at every exit."""
    halt, probs = trace.halt_prob[:, -1, -1], trace.probs[:, -1, -1]
    steps = list(range(1, len(halt) + 1))
    exit_step = exit_at(trace, threshold)
    figure = go.Figure()
    figure.add_scatter(
        x=steps,
        y=halt,
        mode="lines+markers+text",
        text=[trace.class_names[int(p.argmax())] for p in probs],
        textposition="top center",
        textfont={"size": 15},
        line={"color": "#c2185b", "width": 3},
        marker={"size": [17 if n == exit_step else 9 for n in steps]},
        name="halting probability, with the answer",
        cliponaxis=False,
    )
    figure.add_hline(y=threshold, line_dash="dash", line_color=_GREY, annotation_text=f"threshold {threshold:.2f}")
    if steps[-1] > trace.trained_steps:
        beyond = {"x0": trace.trained_steps + 0.5, "x1": steps[-1] + 0.5, "annotation_text": "beyond training"}
        figure.add_vrect(**beyond, fillcolor="#e69f00", opacity=0.12, line_width=0)
    figure.update_yaxes(range=[0, 1.18], tickvals=[0, 0.25, 0.5, 0.75, 1])
    figure.update_xaxes(dtick=1)
    return _styled(figure, "supervision step", "halting probability")


def provenance(checkpoint: str, config: Config, report: dict[str, Any]) -> str:
    """What was measured, on what, and how the threshold was found."""
    chosen, sizes = report["chosen"], report["split_sizes"]
    return (
        f"Checkpoint {checkpoint} on {config.data.title}, test split, n = {sizes['test']:,}, glimpse seed "
        f"{report['seed']}, training seed {config.train.seed}; chance {100 / config.model.num_classes:.0f} %. Policy: "
        f"learned halting, threshold {chosen['threshold']:.4f}, the cheapest that costs at most 0.2 points on "
        f"validation (n = {sizes['val']:,}), applied once to test."
    )


def step_table(report: dict[str, Any]) -> list[dict[str, Any]]:
    """One row per supervision step."""
    return [
        {
            "supervision step": n + 1,
            "accuracy if all stop here, %": 100 * point["accuracy"],
            "multiply-adds, millions": point["mean_multiply_adds"] / 1e6,
            "AUROC of halting": report["halt_auroc"][n],
            "ECE of halting": report["halt_ece"][n],
            "became right, %": 100 * report["became_right"][n],
            "became wrong, %": 100 * report["became_wrong"][n],
            "leave here, %": 100 * report["exits"][n]["share"],
            "of them right, %": None if (right := report["exits"][n]["accuracy"]) is None else 100 * right,
        }
        for n, point in enumerate(report["anytime"])
    ]


def exit_at(trace: Trace, threshold: float) -> int | None:
    """The first supervision step (from 1) whose halting probability exceeds the threshold; None if none does."""
    above = np.flatnonzero(trace.halt_prob[:, -1, -1] > threshold)
    return int(above[0]) + 1 if len(above) else None


def _millions(points: list[dict[str, Any]]) -> list[float]:
    return [point["mean_multiply_adds"] / 1e6 for point in points]


def _percent(points: list[dict[str, Any]]) -> list[float]:
    return [100 * point["accuracy"] for point in points]


def _styled(figure: go.Figure, x: str, y: str, height: int = 340) -> go.Figure:
    figure.update_layout(
        height=height,
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
    )
    figure.update_xaxes(title=x)
    figure.update_yaxes(title=y)
    return figure
