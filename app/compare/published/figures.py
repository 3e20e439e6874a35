"""The paper's tables and ablation as figures and rows, and this project's grid over M and N.

What the paper reports has open marks, what this project measured filled ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from app import paper
from app.compare.comparison import Entry
from app.compare.figures import DASHES, add_names, framed, on_log_axis, style


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
            line={"color": color, "dash": DASHES[turn]},
            marker={"symbol": f"{symbol}-open", "size": 9, "color": color, "line": {"width": 2}},
            hovertemplate=f"<b>{row.model}</b>, paper<br>batch %{{x}}: %{{y:.1f}} %<extra></extra>",
        )
    values = [value for row in paper.TABLES[data] for value in row.accuracy if value is not None]
    figure.update_xaxes(type="category")
    return framed(figure, "batch size", "test accuracy, %", values)


def paper_by_parameters(data: str, batch_size: int) -> go.Figure:
    """Table 1 or 2 at one batch size: accuracy against parameters."""
    column = paper.BATCH_SIZES.index(batch_size)
    rows = [row for row in paper.TABLES[data] if row.accuracy[column] is not None]
    points = [(1e6 * row.millions, row.accuracy[column]) for row in rows]
    figure = go.Figure()
    for family in dict.fromkeys(row.family for row in rows):
        members = [k for k, row in enumerate(rows) if row.family == family]
        color, symbol = style(family)
        figure.add_scatter(
            x=[points[k][0] for k in members],
            y=[points[k][1] for k in members],
            mode="markers",
            customdata=[rows[k].model for k in members],
            name=family,
            marker={"symbol": f"{symbol}-open", "size": 12, "color": color, "line": {"width": 2.5}},
            hovertemplate="<b>%{customdata}</b>, paper<br>%{x:.3s} parameters<br>%{y:.1f} %<extra></extra>",
        )
    add_names(figure, points, [str(paper.TABLES[data].index(row) + 1) for row in rows])
    return on_log_axis(figure, "parameters", "test accuracy, %", [x for x, _ in points], [y for _, y in points])


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
    return framed(figure, "one number raised, the other fixed", "test accuracy, %", [90.0, 93.1])


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
            line={"color": color, "dash": DASHES[turn % 4]},
            marker={"symbol": ("circle", "square", "diamond", "cross", "x")[turn % 5], "size": 10, "color": color},
            hovertemplate=f"N = {n}, %{{x}}: %{{y:.1f}} %<extra></extra>",
        )
    figure.update_xaxes(type="category", categoryorder="array", categoryarray=[f"M = {m}" for m in iterations])
    return framed(figure, "memory iterations M", "test accuracy, %", [entry.accuracy for entry in entries])


def is_ablation(entry: Entry) -> bool:
    """Whether an entry is a cell of a grid over M and N."""
    return entry.family == "ViTRM" and entry.name.startswith("M = ")


def paper_rows(data: str) -> list[dict[str, Any]]:
    """Table 1 or 2 as the paper has it."""
    return [
        {"no.": str(number), "model": row.model, "parameters, millions": row.millions}
        | {
            f"batch {size}": "out of memory" if accuracy is None else f"{accuracy:.1f}"
            for size, accuracy in zip(paper.BATCH_SIZES, row.accuracy, strict=True)
        }
        for number, row in enumerate(paper.TABLES[data], start=1)
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
