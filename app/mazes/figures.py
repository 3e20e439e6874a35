"""Figures about mazes as pure functions: a report in, a Plotly figure out. No streamlit here.

`judged` is the report by difficulty of the same model: the control is from there.
"""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from app import colours
from app.charts import styled
from app.mazes.tables import (
    KINDS,
    control_by_length,
    distance_name,
    exit_shares,
    guess_by_length,
    local_by_length,
    shown_steps,
)
from vitrm.judge.difficulty import DifficultyReport
from vitrm.judge.mazes import MazeReport

_DRAWN = {  # the colour and dashes of each trial
    "test": (colours.BLUE, "solid"),
    "longer": (colours.VERMILLION, "dash"),
    "denser": (colours.GREEN, "dot"),
    "larger": (colours.PURPLE, "longdash"),
    "larger, longer": (colours.ORANGE, "longdashdot"),
}


def accuracy_map(report: MazeReport) -> go.Figure:
    """Accuracy on the test split by length of the path (rows) and supervision step (columns)."""
    lengths, counts, accuracy = report.trials[0].by_length()
    steps = len(accuracy)
    chance = 100 / report.trials[0].settings.gems
    figure = go.Figure(
        go.Heatmap(
            x=np.arange(1, steps + 1),
            y=lengths,
            z=(100 * accuracy.T).astype(np.float32),
            customdata=np.broadcast_to(counts[:, None], accuracy.T.shape),
            colorscale=colours.SCALE,
            zmin=min(chance, 100 * float(accuracy.min())),
            zmax=100,
            colorbar={"title": {"text": "right, %", "side": "right"}, "thickness": 12},
            hovertemplate="path of %{y}, step %{x}: %{z:.1f} % right of %{customdata:,}<extra></extra>",
        )
    )
    if steps > report.trained_steps:
        figure.add_vline(x=report.trained_steps + 0.5, line={"color": colours.BEYOND, "width": 3})
        figure.add_annotation(
            x=report.trained_steps + 0.5,
            y=1,
            yref="paper",
            yanchor="bottom",
            xanchor="left",
            text=f"beyond {report.trained_steps} in a row →",
            showarrow=False,
        )
    figure.update_yaxes(dtick=1 if len(lengths) <= 16 else None)
    return styled(figure, "supervision step", "length of the shortest path", height=360, top=30)


def accuracy_by_length(report: MazeReport, judged: DifficultyReport | None = None) -> go.Figure:
    """Accuracy by length of the path: after some of the steps, beside what needs no steps."""
    trial = report.trials[0]
    lengths, _, accuracy = trial.by_length()
    figure = go.Figure()
    steps = shown_steps(report)
    drawn = colours.STEPS if len(steps) == len(colours.STEPS) else colours.STEPS[-len(steps) :]
    for step, colour in zip(steps, drawn, strict=True):
        beyond = step > report.trained_steps
        figure.add_scatter(
            x=lengths,
            y=100 * accuracy[step - 1],
            mode="lines+markers",
            name=f"step {step}{f' (beyond {report.trained_steps} in a row)' if beyond else ''}",
            line={"color": colour, "dash": "dash" if beyond else "solid", "width": 3},
        )
    if control := control_by_length(judged):
        figure.add_scatter(
            x=list(control),
            y=[100 * accuracy for accuracy in control.values()],
            mode="lines+markers",
            name="control without recursion",
            line={"color": colours.VERMILLION, "dash": "dot"},
            marker={"symbol": "square"},
        )
    figure.add_scatter(
        x=lengths,
        y=100 * guess_by_length(trial),
        mode="lines+markers",
        name="guess: the nearest gem",
        line={"color": colours.PURPLE, "dash": "dashdot"},
        marker={"symbol": "diamond"},
    )
    if local := local_by_length(judged):
        figure.add_scatter(
            x=list(local),
            y=[100 * accuracy for accuracy in local.values()],
            mode="lines+markers",
            name="guess: boosted local features",
            line={"color": colours.GREEN, "dash": "longdash"},
            marker={"symbol": "triangle-up"},
        )
    figure.add_hline(y=100 / trial.settings.gems, line={"color": colours.GREY, "dash": "dash"})
    figure.add_annotation(
        x=0, xref="paper", xanchor="left", y=100 / trial.settings.gems, yanchor="bottom", text="chance", showarrow=False
    )
    figure.update_yaxes(range=[0, 103])
    figure.update_xaxes(dtick=1 if len(lengths) <= 16 else None)
    return styled(figure, "length of the shortest path", "test accuracy, %", height=420, top=90)


def exits_by_length(report: MazeReport, threshold: float) -> go.Figure:
    """At which step mazes of each length would be left: the share of each column, and its mean."""
    trial, steps = report.trials[0], report.trained_steps
    exits, lengths = trial.exits(threshold, steps), np.unique(trial.lengths)
    shares = exit_shares(trial, threshold, steps)
    figure = go.Figure(
        go.Heatmap(
            x=lengths,
            y=np.arange(1, steps + 1),
            z=(100 * shares).astype(np.float32),
            colorscale=colours.SCALE,
            zmin=0,
            zmax=100,
            colorbar={"title": {"text": "share of the length, %", "side": "right"}, "thickness": 12},
            hovertemplate="path of %{x}: %{z:.1f} % leave after step %{y}<extra></extra>",
        )
    )
    figure.add_scatter(
        x=lengths,
        y=[exits[trial.lengths == length].mean() for length in lengths],
        mode="lines+markers",
        line={"color": colours.WHITE, "width": 3},
        marker={"color": colours.WHITE, "size": 9, "line": {"color": colours.BLACK, "width": 1.5}},
        name="mean",
        hovertemplate="path of %{x}: step %{y:.2f} in the mean<extra></extra>",
    )
    figure.update_layout(showlegend=False)
    figure.update_yaxes(dtick=1 if steps <= 16 else None)
    figure.update_xaxes(dtick=1 if len(lengths) <= 16 else None)
    return styled(figure, "length of the shortest path", "left after supervision step")


def other_mazes(report: MazeReport) -> go.Figure:
    """Accuracy after each step, beyond the trained ones as well, on mazes unlike those of the training."""
    figure = go.Figure()
    for trial in report.trials:
        colour, dash = _DRAWN[trial.name]
        figure.add_scatter(
            x=np.arange(1, len(trial.right) + 1),
            y=100 * trial.right.mean(axis=1),
            mode="lines",
            name=KINDS[trial.name],
            line={"color": colour, "dash": dash, "width": 3},
        )
    steps = len(report.trials[0].right)
    if steps > report.trained_steps:
        figure.add_vrect(
            x0=report.trained_steps + 0.5,
            x1=steps + 0.5,
            fillcolor=colours.BEYOND,
            opacity=0.14,
            line_width=0,
            layer="below",
            annotation_text=f"beyond {report.trained_steps} in a row",
            annotation_position="bottom right",
        )
    figure.add_hline(y=100 / report.trials[0].settings.gems, line={"color": colours.GREY, "dash": "dash"})
    figure.update_yaxes(range=[0, 103])
    return styled(figure, "supervision step", "accuracy, %", height=420, top=90)


def probe_map(report: MazeReport) -> go.Figure:
    """By true distance from the start (rows) and supervision step (columns): the share of cells called reachable."""
    probe = report.probe
    figure = go.Figure(
        go.Heatmap(
            x=np.arange(1, len(probe.called) + 1),
            y=[distance_name(group) for group in probe.groups],
            z=(100 * probe.called.T).astype(np.float32),
            customdata=np.broadcast_to(probe.counts[:, None], probe.called.T.shape),
            colorscale=colours.SCALE,
            zmin=0,
            zmax=100,
            colorbar={"title": {"text": "called reachable, %", "side": "right"}, "thickness": 12},
            hovertemplate="distance %{y}, step %{x}: %{z:.1f} % of %{customdata:,} cells<extra></extra>",
        )
    )
    figure.update_yaxes(type="category", autorange="reversed")
    figure.update_xaxes(dtick=1 if len(probe.called) <= 16 else None)
    return styled(figure, "supervision step", "true distance from the start")


def probe_accuracy(report: MazeReport) -> go.Figure:
    """Balanced accuracy of the probes by supervision step, beside those of an untrained model."""
    probe, figure = report.probe, go.Figure()
    steps = np.arange(1, len(probe.accuracy) + 1)
    for name, values, colour, dash in (
        ("this model", probe.accuracy, colours.BLUE, "solid"),
        ("untrained, same shape", probe.untrained, colours.GREY, "dash"),
    ):
        line = {"color": colour, "dash": dash, "width": 3}
        figure.add_scatter(x=steps, y=100 * values, mode="lines+markers", name=name, line=line)
    figure.add_hline(y=50, line={"color": colours.GREY, "dash": "dot"})
    figure.update_yaxes(range=[45, 101])
    figure.update_xaxes(dtick=1 if len(steps) <= 16 else None)
    return styled(figure, "supervision step", "balanced accuracy, %", height=380, top=50)
