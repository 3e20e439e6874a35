"""Figures of the page that compares, as pure functions: a comparison in, a Plotly figure out, or words and tables.

A family keeps its shape and colour everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from app import colours
from app.charts import styled
from app.compare.comparison import Comparison, Entry, Step
from app.compare.labels import count, numbers, percent, ranked
from app.compare.places import places
from vitrm.nets.cost import multiply_adds

STYLES = {
    "ViTRM": (colours.BLUE, "circle"),
    "SR-ViT": (colours.VERMILLION, "diamond"),
    "plain ViT": (colours.GREEN, "square"),
    "ResNet": (colours.SLATE, "triangle-up"),
}
_OTHER = (colours.VIOLET, "cross")
DASHES = ("solid", "dash", "dot", "dashdot")
HEIGHT = 400


@dataclass(frozen=True)
class Axis:
    """What accuracy is drawn against."""

    title: str
    of: Callable[[Entry], float]
    unit: str = ""


AXES = {
    "parameters": Axis("parameters", lambda entry: entry.parameters),
    "multiply_adds": Axis("multiply-adds per image", lambda entry: multiply_adds(entry.config)),
    "layers": Axis("layers applied one after the other", lambda entry: entry.config.unrolled_layers),
}
_ALONG: dict[str, tuple[str, Callable[[Step], float]]] = {
    "step": ("supervision step (SR-ViT: recursion step)", lambda step: step.number),
    "layers": ("layers applied one after the other by then", lambda step: step.layers),
    "multiply_adds": ("multiply-adds per image by then", lambda step: step.multiply_adds),
}
BATCH = Axis("batch size", lambda entry: int(entry.name.rpartition(" ")[2]))  # of entries named "..., batch 128"


def style(family: str) -> tuple[str, str]:
    """Colour and shape of a family."""
    return STYLES.get(family, _OTHER)


def accuracy_against(comparison: Comparison, axis: Axis, values: Sequence[float] | None = None) -> go.Figure:
    """Accuracy against a quantity on a logarithmic axis, a numbered point for each entry.

    `values` are the quantities where they are not `axis.of` of the entries: in their order.
    """
    entries = comparison.entries
    across = [axis.of(entry) for entry in entries] if values is None else list(values)
    figure = go.Figure()
    for family in dict.fromkeys(entry.family for entry in entries):
        members = [k for k, entry in enumerate(entries) if entry.family == family]
        color, symbol = style(family)
        spreads = [entries[k].spread or 0 for k in members]
        figure.add_scatter(
            x=[across[k] for k in members],
            y=[entries[k].accuracy for k in members],
            error_y={"array": spreads, "visible": any(spreads), "thickness": 1.5, "width": 5},
            mode="markers",
            name=family,
            marker={"color": color, "symbol": symbol, "size": 12},
            customdata=[[entries[k].name, count(across[k]), percent(entries[k])] for k in members],
            hovertemplate="<b>%{customdata[0]}</b><br>%{customdata[1]} " + axis.title + "<br>%{customdata[2]}"
            "<extra></extra>",
        )
    points = [(x, entry.accuracy) for x, entry in zip(across, entries, strict=True)]
    add_names(figure, points, numbers(comparison))
    return on_log_axis(figure, axis.title, "test accuracy, %", across, [entry.accuracy for entry in entries])


def add_names(
    figure: go.Figure, points: Sequence[tuple[float, float]], names: Sequence[str], *, logarithmic: bool = True
) -> None:
    """What each point is called, beside it; where several stand in one place, a list of them."""
    found = places(points, names, logarithmic=logarithmic)
    figure.add_scatter(
        x=[place.x for place in found],
        y=[place.y for place in found],
        mode="markers+text",
        marker={"size": 15, "opacity": 0},  # the names keep their distance from it
        text=[place.text for place in found],
        textposition=[f"middle {place.side}" for place in found],
        textfont={"size": 12},
        cliponaxis=False,
        hoverinfo="skip",
        showlegend=False,
    )


def key_rows(comparison: Comparison, axis: Axis | None = None) -> list[dict[str, str]]:
    """The list beside a figure: what each number is called, and what it stands at."""
    return [
        {"no.": str(number), "model": entry.name, "test accuracy": percent(entry)}
        | ({} if axis is None else {axis.title: count(axis.of(entry))})
        for number, entry in enumerate(ranked(comparison), start=1)
    ]


def per_step(comparison: Comparison, along: str) -> go.Figure:
    """Accuracy after each supervision step, against "step", "layers" or "multiply_adds" by then.

    A model that answers once is one point; steps beyond those that were trained are joined by a dotted line.
    """
    figure = go.Figure()
    seen: dict[str, int] = {}
    title, of = _ALONG[along]
    ends, xs, ys = [], [], []
    for entry in comparison.entries:
        color, symbol = style(entry.family)
        turn = seen[entry.family] = seen.get(entry.family, -1) + 1
        steps = entry.steps()
        trained = [step for step in steps if not step.beyond]
        more = [step for step in steps if step.beyond]
        ends.append((of(trained[-1]), trained[-1].accuracy))
        runs = [(trained, DASHES[turn % 4], 1.0)]
        if more:
            runs.append(([trained[-1], *more], "dot", 0.55))
        for run, dash, opacity in runs:
            x, y = [of(step) for step in run], [step.accuracy for step in run]
            xs, ys = xs + x, ys + y
            figure.add_scatter(
                x=x,
                y=y,
                mode="lines+markers" if len(run) > 1 else "markers",
                name=entry.family,
                legendgroup=entry.family,
                showlegend=turn == 0 and run is trained,
                opacity=opacity,
                line={"color": color, "dash": dash},
                marker={"symbol": symbol, "size": 9, "color": color},
                hovertemplate=f"<b>{entry.name}</b>, step %{{customdata}}<br>%{{y:.1f}} %<extra></extra>",
                customdata=[f"{step.number}{', beyond training' * step.beyond}" for step in run],
            )
    add_names(figure, ends, numbers(comparison), logarithmic=along != "step")
    if along != "step":
        return on_log_axis(figure, title, "test accuracy, %", xs, ys)
    figure.update_xaxes(dtick=1 if max(xs) <= 16 else None, range=[0.4, max(xs) + 0.6])
    return framed(figure, title, "test accuracy, %", ys)


def step_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """What `per_step` shows, one row per entry and step."""
    return [
        {
            "model": entry.name,
            "supervision step": step.number,
            "beyond training": "yes" if step.beyond else "no",
            "test accuracy, %": round(step.accuracy, 2),
            "layers applied by then": step.layers,
            "multiply-adds by then, millions": step.multiply_adds / 1e6,
        }
        for entry in comparison.entries
        for step in entry.steps()
    ]


def against_words(comparison: Comparison, axis: Axis) -> str:
    """What `accuracy_against` shows, for those who cannot see it."""
    parts = [
        f"{entry.name} ({entry.family}): {percent(entry)} at {count(axis.of(entry))}" for entry in comparison.entries
    ]
    return f"Test accuracy against {axis.title}, {comparison.data}. {'; '.join(parts)}."


def per_step_words(comparison: Comparison) -> str:
    """What `per_step` shows, for those who cannot see it."""
    parts = []
    for entry in comparison.entries:
        steps = [step for step in entry.steps() if not step.beyond]
        if len(steps) == 1:
            parts.append(f"{entry.name} one point, {steps[0].accuracy:.1f} %")
        else:
            best = max(steps, key=lambda step: step.accuracy)
            parts.append(
                f"{entry.name} from {steps[0].accuracy:.1f} % after step {steps[0].number} to "
                f"{steps[-1].accuracy:.1f} % after step {steps[-1].number}, highest at step {best.number}"
            )
    return f"Accuracy after each supervision step, {comparison.data}: {'; '.join(parts)}."


def on_log_axis(figure: go.Figure, x: str, y: str, across: Sequence[float], up: Sequence[float]) -> go.Figure:
    """With a logarithmic x-axis that leaves room for names, however close together the points are."""
    logs = [math.log10(value) for value in across]
    low, high = min(logs), max(logs)
    room = max(0.22 * (high - low), 0.25)
    ticks = _ticks(low - room, high + room)
    figure.update_xaxes(
        type="log", range=[low - room, high + room], tickvals=ticks, ticktext=[count(tick) for tick in ticks]
    )
    return framed(figure, x, y, up)


def _ticks(low: float, high: float) -> list[float]:
    """1, 2, 5 of every decade between two powers of ten; only the decades where that would be many."""
    factors = (1, 2, 5) if high - low < 1.8 else (1, 3) if high - low < 3 else (1,)
    found = []
    for power in range(int(low) - 1, int(high) + 2):
        found += [factor * 10.0**power for factor in factors]
    return [tick for tick in found if 10**low <= tick <= 10**high]


def framed(figure: go.Figure, x: str, y: str, up: Sequence[float]) -> go.Figure:
    """With room around the accuracies `up`, in percent."""
    low, high = min(up), max(up)
    room = max(0.14 * (high - low), 0.6)
    figure.update_xaxes(automargin=True)
    figure.update_yaxes(range=[low - room, min(high + room, 100 + room / 2)], automargin=True)
    return styled(figure, x, y, height=HEIGHT, right=14)
