"""Figures of the page that compares, as pure functions: a comparison in, a Plotly figure out, or words and tables.

A family keeps its shape and colour everywhere. What this project measured is filled, what the paper reports is open.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from app import paper
from app.compare.comparison import Comparison, Entry, Step, count, labels, percent
from vitrm.nets.cost import multiply_adds

STYLES = {
    "ViTRM": ("#0072b2", "circle"),
    "SR-ViT": ("#d55e00", "diamond"),
    "plain ViT": ("#009e73", "square"),
    "ResNet": ("#7f8896", "triangle-up"),
}
_OTHER = ("#9467bd", "cross")
_DASHES = ("solid", "dash", "dot", "dashdot")
_GREY = "#8a93a3"
_HEIGHT = 400


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
    """Accuracy against a quantity on a logarithmic axis, a labelled point for each entry.

    `values` are the quantities where they are not `axis.of` of the entries: in their order.
    """
    entries = comparison.entries
    across = [axis.of(entry) for entry in entries] if values is None else list(values)
    names = labels(comparison)
    places = label_places([(x, entry.accuracy) for x, entry in zip(across, entries, strict=True)], names)
    figure = go.Figure()
    for family in dict.fromkeys(entry.family for entry in entries):
        members = [k for k, entry in enumerate(entries) if entry.family == family]
        color, symbol = style(family)
        spreads = [entries[k].spread or 0 for k in members]
        figure.add_scatter(
            x=[across[k] for k in members],
            y=[entries[k].accuracy for k in members],
            error_y={"array": spreads, "visible": any(spreads), "thickness": 1.5, "width": 5},
            mode="markers+text",
            text=[names[k] for k in members],
            textposition=[places[k] for k in members],
            textfont={"size": 12},
            cliponaxis=False,
            name=family,
            marker={"color": color, "symbol": symbol, "size": 12},
            customdata=[[entries[k].name, count(across[k]), percent(entries[k])] for k in members],
            hovertemplate="<b>%{customdata[0]}</b><br>%{customdata[1]} " + axis.title + "<br>%{customdata[2]}"
            "<extra></extra>",
        )
    return _styled(figure, axis.title, "test accuracy, %", across, [entry.accuracy for entry in entries])


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
        runs = [(trained, _DASHES[turn % 4], 1.0)]
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
    names = labels(comparison)
    figure.add_scatter(
        x=[x for x, _ in ends],
        y=[y for _, y in ends],
        mode="markers+text",
        marker={"size": 11, "opacity": 0},  # the names keep their distance from it
        text=names,
        textposition=label_places(ends, names, logarithmic=along != "step"),
        textfont={"size": 12},
        cliponaxis=False,
        hoverinfo="skip",
        showlegend=False,
    )
    if along != "step":
        return _styled(figure, title, "test accuracy, %", xs, ys)
    figure.update_xaxes(dtick=1 if max(xs) <= 16 else None, range=[0.4, max(xs) + 0.6])
    return _framed(figure, title, "test accuracy, %", ys)


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


# The paper


def paper_by_batch(data: str) -> go.Figure:
    """Table 1 or 2: accuracy against batch size."""
    figure = go.Figure()
    seen: dict[str, int] = {}
    for row in paper.TABLES[data]:
        color, symbol = style(row.family)
        turn = seen[row.family] = seen.get(row.family, -1) + 1
        figure.add_scatter(
            x=[str(size) for size in paper.BATCH_SIZES],
            y=row.accuracy,
            mode="lines+markers",
            name=row.model,
            line={"color": color, "dash": _DASHES[turn]},
            marker={"symbol": f"{symbol}-open", "size": 9, "color": color, "line": {"width": 2}},
            hovertemplate=f"<b>{row.model}</b>, paper<br>batch %{{x}}: %{{y:.1f}} %<extra></extra>",
        )
    values = [value for row in paper.TABLES[data] for value in row.accuracy if value is not None]
    figure.update_xaxes(type="category")
    return _framed(figure, "batch size", "test accuracy, %", values)


def paper_by_parameters(data: str, batch_size: int) -> go.Figure:
    """Table 1 or 2 at one batch size: accuracy against parameters."""
    column = paper.BATCH_SIZES.index(batch_size)
    rows = [row for row in paper.TABLES[data] if row.accuracy[column] is not None]
    points = [(1e6 * row.millions, row.accuracy[column]) for row in rows]
    places = label_places(points, [row.model for row in rows])
    figure = go.Figure()
    for family in dict.fromkeys(row.family for row in rows):
        members = [k for k, row in enumerate(rows) if row.family == family]
        color, symbol = style(family)
        figure.add_scatter(
            x=[points[k][0] for k in members],
            y=[points[k][1] for k in members],
            mode="markers+text",
            text=[rows[k].model for k in members],
            textposition=[places[k] for k in members],
            textfont={"size": 12},
            cliponaxis=False,
            name=family,
            marker={"symbol": f"{symbol}-open", "size": 12, "color": color, "line": {"width": 2.5}},
            hovertemplate="<b>%{text}</b>, paper<br>%{x:.3s} parameters<br>%{y:.1f} %<extra></extra>",
        )
    return _styled(figure, "parameters", "test accuracy, %", [x for x, _ in points], [y for _, y in points])


def paper_ablation() -> go.Figure:
    """What is at hand of the paper's ablation: accuracy by M at N = 1, and by N at M = 3."""
    color, symbol = style("ViTRM")
    lines = [
        (paper.BY_MEMORY, "more memory iterations M (N = 1)", "M", "solid", symbol),
        (paper.BY_SUPERVISION, "more supervision steps N (M = 3)", "N", "dash", "square"),
    ]
    figure = go.Figure()
    for values, name, letter, dash, shape in lines:
        figure.add_scatter(
            x=[f"{letter} = {place}" if place != "more" else f"more {letter}" for place, _ in values],
            y=[accuracy for _, accuracy in values],
            mode="lines+markers+text",
            text=[f"{accuracy:.1f}" for _, accuracy in values],
            textposition="top center",
            cliponaxis=False,
            name=name,
            line={"color": color, "dash": dash},
            marker={"symbol": f"{shape}-open", "size": 10, "color": color, "line": {"width": 2}},
            hovertemplate="%{x}: %{y:.1f} %<extra></extra>",
        )
    figure.update_xaxes(type="category")
    return _framed(figure, "one number raised, the other fixed", "test accuracy, %", [90.0, 93.1])


def ablation(entries: Sequence[Entry]) -> go.Figure:
    """This project's grid over M and N: accuracy by M, a line for each N."""
    color, _ = style("ViTRM")
    figure = go.Figure()
    counts = sorted({entry.config.supervision_steps for entry in entries})
    iterations = sorted({entry.config.memory_steps for entry in entries})
    for turn, n in enumerate(counts):
        row = sorted((e for e in entries if e.config.supervision_steps == n), key=lambda e: e.config.memory_steps)
        figure.add_scatter(
            x=[f"M = {entry.config.memory_steps}" for entry in row],
            y=[entry.accuracy for entry in row],
            error_y={"array": [e.spread or 0 for e in row], "visible": any(e.spread for e in row)},
            mode="lines+markers+text",
            text=[f"{entry.accuracy:.1f}" for entry in row],
            textposition="top center",
            cliponaxis=False,
            name=f"N = {n}",
            line={"color": color, "dash": _DASHES[turn % 4]},
            marker={"symbol": ("circle", "square", "diamond", "cross", "x")[turn % 5], "size": 10, "color": color},
            hovertemplate=f"N = {n}, %{{x}}: %{{y:.1f}} %<extra></extra>",
        )
    figure.update_xaxes(type="category", categoryorder="array", categoryarray=[f"M = {m}" for m in iterations])
    return _framed(figure, "memory iterations M", "test accuracy, %", [entry.accuracy for entry in entries])


def is_ablation(entry: Entry) -> bool:
    """Whether an entry is a cell of a grid over M and N."""
    return entry.family == "ViTRM" and entry.name.startswith("M = ")


def paper_rows(data: str) -> list[dict[str, Any]]:
    """Table 1 or 2 as the paper has it."""
    return [
        {"model": row.model, "parameters, millions": row.millions}
        | {
            f"batch {size}": "out of memory" if accuracy is None else f"{accuracy:.1f}"
            for size, accuracy in zip(paper.BATCH_SIZES, row.accuracy, strict=True)
        }
        for row in paper.TABLES[data]
    ]


def ablation_rows() -> list[dict[str, Any]]:
    """What is at hand of the paper's ablation."""
    return [
        *({"M": m, "N": "1", "test accuracy, %": accuracy} for m, accuracy in paper.BY_MEMORY),
        *({"M": "3", "N": n, "test accuracy, %": accuracy} for n, accuracy in paper.BY_SUPERVISION if n != "1"),
        *({"M": m, "N": "16", "test accuracy, %": accuracy} for m, accuracy in paper.AT_MOST_SUPERVISION),
    ]


def paper_words(data: str, batch_size: int) -> str:
    """What the paper's table says at a batch size, for those who cannot see the figure."""
    column = paper.BATCH_SIZES.index(batch_size)
    said = [
        f"{row.model} {'out of memory' if row.accuracy[column] is None else f'{row.accuracy[column]:.1f} %'}"
        for row in paper.TABLES[data]
    ]
    return f"The paper on {data} at batch {batch_size}: {', '.join(said)}."


# Where a label stands


_PLACES = ("top center", "bottom center", "middle right", "middle left", "top right", "bottom left", "top left",
           "bottom right")  # fmt: skip


def label_places(
    points: Sequence[tuple[float, float]], names: Sequence[str], width: float = 480, *, logarithmic: bool = True
) -> list[str]:
    """Where the name of each point (x, y) stands, so that few cover another name or a point.

    Reckoned for a figure `width` pixels wide; greedy, from the highest point down.
    """

    if not points:
        return []
    logs = [math.log10(max(x, 1e-12)) if logarithmic else x for x, _ in points]
    span = max(max(logs) - min(logs), 0.3)
    low, high = min(y for _, y in points), max(y for _, y in points)
    tall = max(high - low, 0.5)
    at = [
        ((log - min(logs)) / span * width, (high - y) / tall * (_HEIGHT - 130))
        for log, (_, y) in zip(logs, points, strict=True)
    ]
    taken = [(x - 8, y - 8, x + 8, y + 8) for x, y in at]
    places = [""] * len(points)
    for k in sorted(range(len(points)), key=lambda k: at[k][1]):
        x, y = at[k]
        long, high_px = 6.6 * len(names[k]), 16.0
        best = None
        for rank, place in enumerate(_PLACES):
            up, _, side = place.partition(" ")
            left = {"center": x - long / 2, "right": x + 9, "left": x - 9 - long}[side]
            top = {"top": y - 8 - high_px, "bottom": y + 8, "middle": y - high_px / 2}[up]
            box = (left, top, left + long, top + high_px)
            covered = sum(_overlap(box, other) for j, other in enumerate(taken) if j != k)
            outside = max(0.0, -60 - left) + max(0.0, left + long - width - 60)
            cost = covered + 20 * outside + rank
            if best is None or cost < best[0]:
                best = cost, place, box
        places[k] = best[1]
        taken.append(best[2])
    return places


def _overlap(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return wide * high if wide > 0 and high > 0 else 0.0


def _styled(figure: go.Figure, x: str, y: str, across: Sequence[float], up: Sequence[float]) -> go.Figure:
    """With a logarithmic x-axis that leaves room for names, however close together the points are."""

    logs = [math.log10(value) for value in across]
    low, high = min(logs), max(logs)
    room = max(0.22 * (high - low), 0.25)
    ticks = _ticks(low - room, high + room)
    figure.update_xaxes(
        type="log", range=[low - room, high + room], tickvals=ticks, ticktext=[count(tick) for tick in ticks]
    )
    return _framed(figure, x, y, up)


def _ticks(low: float, high: float) -> list[float]:
    """1, 2, 5 of every decade between two powers of ten; only the decades where that would be many."""
    factors = (1, 2, 5) if high - low < 1.8 else (1, 3) if high - low < 3 else (1,)
    found = []
    for power in range(int(low) - 1, int(high) + 2):
        found += [factor * 10.0**power for factor in factors]
    return [tick for tick in found if 10**low <= tick <= 10**high]


def _framed(figure: go.Figure, x: str, y: str, up: Sequence[float]) -> go.Figure:
    low, high = min(up), max(up)
    room = max(0.14 * (high - low), 0.6)
    figure.update_layout(
        height=_HEIGHT,
        margin={"l": 10, "r": 14, "t": 10, "b": 10},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
    )
    figure.update_xaxes(title=x, automargin=True)
    figure.update_yaxes(title=y, range=[low - room, min(high + room, 100 + room / 2)], automargin=True)
    return figure
