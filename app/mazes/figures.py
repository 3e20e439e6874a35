"""Figures about mazes as pure functions: a report in, a Plotly figure out, or words and tables. No streamlit here.

`judged` is the report by difficulty of the same model: the control is from there.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import plotly.graph_objects as go

from vitrm.config import Config
from vitrm.judge.difficulty import DifficultyReport
from vitrm.judge.mazes import MazeReport, Trial
from vitrm.judge.probe import CUT_OFF, Probe

_GREY, _BEYOND, _CONTROL, _GUESS = "#8a93a3", "#e69f00", "#d55e00", "#cc79a7"
_STEPS = ("#9ecae1", "#4f9bd0", "#0072b2", "#e69f00")  # first, middle and last trained step; the last of all
_KINDS = {  # how each trial is called and drawn
    "test": ("as in training (test split)", "#0072b2", "solid"),
    "longer": ("longer paths", "#d55e00", "dash"),
    "denser": ("more walls", "#009e73", "dot"),
    "larger": ("larger grid", "#cc79a7", "longdash"),
    "larger, longer": ("larger grid and longer paths", "#e69f00", "longdashdot"),
}


def shown_steps(report: MazeReport) -> list[int]:
    """The supervision steps, from 1, whose accuracy is drawn as a line: first, middle, last trained, last of all."""
    trained, last = report.trained_steps, len(report.trials[0].right)
    return sorted({1, (trained + 1) // 2, trained, last})


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
            colorscale="Cividis",
            zmin=min(chance, 100 * float(accuracy.min())),
            zmax=100,
            colorbar={"title": {"text": "right, %", "side": "right"}, "thickness": 12},
            hovertemplate="path of %{y}, step %{x}: %{z:.1f} % right of %{customdata:,}<extra></extra>",
        )
    )
    if steps > report.trained_steps:
        figure.add_vline(x=report.trained_steps + 0.5, line={"color": _BEYOND, "width": 3})
        figure.add_annotation(
            x=report.trained_steps + 0.5,
            y=1,
            yref="paper",
            yanchor="bottom",
            xanchor="left",
            text="beyond training →",
            showarrow=False,
        )
    figure.update_yaxes(dtick=1 if len(lengths) <= 16 else None)
    return _styled(figure, "supervision step", "length of the shortest path", top=30)


def accuracy_by_length(report: MazeReport, judged: DifficultyReport | None = None) -> go.Figure:
    """Accuracy by length of the path: after some of the steps, beside what needs no steps."""
    trial = report.trials[0]
    lengths, _, accuracy = trial.by_length()
    figure = go.Figure()
    steps = shown_steps(report)
    colours = _STEPS if len(steps) == len(_STEPS) else _STEPS[-len(steps) :]
    for step, colour in zip(steps, colours, strict=True):
        beyond = step > report.trained_steps
        figure.add_scatter(
            x=lengths,
            y=100 * accuracy[step - 1],
            mode="lines+markers",
            name=f"step {step}{' (beyond training)' if beyond else ''}",
            line={"color": colour, "dash": "dash" if beyond else "solid", "width": 3},
        )
    if control := _control(judged):
        figure.add_scatter(
            x=list(control),
            y=[100 * accuracy for accuracy in control.values()],
            mode="lines+markers",
            name="control without recursion",
            line={"color": _CONTROL, "dash": "dot"},
            marker={"symbol": "square"},
        )
    figure.add_scatter(
        x=lengths,
        y=100 * guess_by_length(trial),
        mode="lines+markers",
        name="guess: the nearest gem",
        line={"color": _GUESS, "dash": "dashdot"},
        marker={"symbol": "diamond"},
    )
    figure.add_hline(y=100 / trial.settings.gems, line={"color": _GREY, "dash": "dash"})
    figure.add_annotation(
        x=0, xref="paper", xanchor="left", y=100 / trial.settings.gems, yanchor="bottom", text="chance", showarrow=False
    )
    figure.update_yaxes(range=[0, 103])
    figure.update_xaxes(dtick=1 if len(lengths) <= 16 else None)
    return _styled(figure, "length of the shortest path", "test accuracy, %", top=90)


def guess_by_length(trial: Trial) -> np.ndarray:
    """(G,) how often the gem nearest to the start, walls or not, is the right one, by length of the path."""
    return np.array([trial.nearest[trial.lengths == length].mean() for length in np.unique(trial.lengths)])


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
            colorscale="Cividis",
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
        line={"color": "#ffffff", "width": 3},
        marker={"color": "#ffffff", "size": 9, "line": {"color": "#111111", "width": 1.5}},
        name="mean",
        hovertemplate="path of %{x}: step %{y:.2f} in the mean<extra></extra>",
    )
    figure.update_layout(showlegend=False)
    figure.update_yaxes(dtick=1 if steps <= 16 else None)
    figure.update_xaxes(dtick=1 if len(lengths) <= 16 else None)
    return _styled(figure, "length of the shortest path", "left after supervision step", top=10)


def exit_shares(trial: Trial, threshold: float, steps: int) -> np.ndarray:
    """(steps, G): of the mazes of each length, the share that is left after each step."""
    exits = trial.exits(threshold, steps)
    columns = [np.bincount(exits[trial.lengths == length] - 1, minlength=steps) for length in np.unique(trial.lengths)]
    return np.stack([column / column.sum() for column in columns], axis=1)


def other_mazes(report: MazeReport) -> go.Figure:
    """Accuracy after each step, beyond the trained ones as well, on mazes unlike those of the training."""
    figure = go.Figure()
    for trial in report.trials:
        name, colour, dash = _KINDS[trial.name]
        figure.add_scatter(
            x=np.arange(1, len(trial.right) + 1),
            y=100 * trial.right.mean(axis=1),
            mode="lines",
            name=name,
            line={"color": colour, "dash": dash, "width": 3},
        )
    steps = len(report.trials[0].right)
    if steps > report.trained_steps:
        figure.add_vrect(
            x0=report.trained_steps + 0.5,
            x1=steps + 0.5,
            fillcolor=_BEYOND,
            opacity=0.14,
            line_width=0,
            layer="below",
            annotation_text="beyond training",
            annotation_position="bottom right",
        )
    figure.add_hline(y=100 / report.trials[0].settings.gems, line={"color": _GREY, "dash": "dash"})
    figure.update_yaxes(range=[0, 103])
    return _styled(figure, "supervision step", "accuracy, %", top=90)


def probe_map(report: MazeReport) -> go.Figure:
    """By true distance from the start (rows) and supervision step (columns): the share of cells called reachable."""
    probe = report.probe
    figure = go.Figure(
        go.Heatmap(
            x=np.arange(1, len(probe.called) + 1),
            y=[_distance(group) for group in probe.groups],
            z=(100 * probe.called.T).astype(np.float32),
            customdata=np.broadcast_to(probe.counts[:, None], probe.called.T.shape),
            colorscale="Cividis",
            zmin=0,
            zmax=100,
            colorbar={"title": {"text": "called reachable, %", "side": "right"}, "thickness": 12},
            hovertemplate="distance %{y}, step %{x}: %{z:.1f} % of %{customdata:,} cells<extra></extra>",
        )
    )
    figure.update_yaxes(type="category", autorange="reversed")
    figure.update_xaxes(dtick=1 if len(probe.called) <= 16 else None)
    return _styled(figure, "supervision step", "true distance from the start", top=10)


def _distance(group: int) -> str:
    return "none" if group == CUT_OFF else str(group)


def probe_accuracy(report: MazeReport) -> go.Figure:
    """Balanced accuracy of the probes by supervision step, beside those of an untrained model."""
    probe, figure = report.probe, go.Figure()
    steps = np.arange(1, len(probe.accuracy) + 1)
    for name, values, colour, dash in (
        ("this model", probe.accuracy, "#0072b2", "solid"),
        ("untrained, same shape", probe.untrained, _GREY, "dash"),
    ):
        line = {"color": colour, "dash": dash, "width": 3}
        figure.add_scatter(x=steps, y=100 * values, mode="lines+markers", name=name, line=line)
    figure.add_hline(y=50, line={"color": _GREY, "dash": "dot"})
    figure.update_yaxes(range=[45, 101])
    figure.update_xaxes(dtick=1 if len(steps) <= 16 else None)
    return _styled(figure, "supervision step", "balanced accuracy, %", top=50)


def probe_words(probe: Probe) -> str:
    """What the probe in the player is, and how much it is worth."""
    return (
        f"A linear probe for each supervision step, fitted on {probe.mazes[0]:,} validation mazes to tell from a "
        f"cell's own memory token whether the cell can be reached. On {probe.mazes[1]:,} test mazes it is right for "
        f"{100 * probe.accuracy[0]:.0f} % of the cells after step 1 and {100 * probe.accuracy[-1]:.0f} % after step "
        f"{len(probe.accuracy)} (balanced; chance 50 %; the same on an untrained model: up to "
        f"{100 * probe.untrained.max():.0f} %). It was not fitted for walls and the start: what it says there means "
        "nothing. That it can be read off does not say that the model reads it."
    )


def probe_table(report: MazeReport) -> list[dict[str, Any]]:
    """One row per supervision step."""
    probe = report.probe
    return [
        {
            "supervision step": n + 1,
            "balanced accuracy, %": 100 * float(probe.accuracy[n]),
            "untrained model, %": 100 * float(probe.untrained[n]),
            **{
                f"called reachable at distance {_distance(group)}, %": 100 * float(probe.called[n, g])
                for g, group in enumerate(probe.groups)
            },
        }
        for n in range(len(probe.accuracy))
    ]


def rank_correlation(trial: Trial, threshold: float, steps: int) -> tuple[float, float, float] | None:
    """Spearman's rank correlation of exit step and length of the path with its 95 % interval; None where all leave at
    the same step, or all paths are equally long.

    The interval is that of Bonett and Wright 2000.
    """
    from scipy.stats import spearmanr  # half a second, and only this needs it

    exits = trial.exits(threshold, steps)
    if np.ptp(exits) == 0 or np.ptp(trial.lengths) == 0:
        return None
    found = float(spearmanr(exits, trial.lengths).statistic)
    half = 1.96 * math.sqrt((1 + found**2 / 2) / max(len(exits) - 3, 1))
    low, high = (math.tanh(math.atanh(min(max(found, -0.999999), 0.999999)) + sign * half) for sign in (-1, 1))
    return found, low, high


def exit_words(report: MazeReport, threshold: float) -> str:
    """What the exits have to do with the lengths, in words, and what they cost."""
    trial, steps = report.trials[0], report.trained_steps
    exits = trial.exits(threshold, steps)
    right = trial.right[exits - 1, np.arange(len(exits))].mean()
    found = rank_correlation(trial, threshold, steps)
    cost = (
        f"{100 * right:.1f} % are right when they leave, {100 * trial.right[steps - 1].mean():.1f} % after every step; "
        f"{exits.mean():.2f} of {steps} steps are run in the mean."
    )
    if found is None:
        return f"With threshold {threshold:.4g} all mazes leave after the same step, whatever their length. {cost}"
    strength = "hardly" if abs(found[0]) < 0.2 else "moderately" if abs(found[0]) < 0.5 else "strongly"
    return (
        f"With threshold {threshold:.4g} the exit step goes {strength} with the length of the path: rank correlation "
        f"{found[0]:.2f} (Spearman, 95 % interval {found[1]:.2f} to {found[2]:.2f}, n = {len(exits):,}; 0 is none). "
        f"{cost}"
    )


def verdict(report: MazeReport, judged: DifficultyReport | None = None) -> str:
    """What recursion is worth here, in words that follow from the numbers."""
    trial, steps = report.trials[0], report.trained_steps
    chance, last = 100 / trial.settings.gems, 100 * trial.right[steps - 1].mean()
    gain = last - 100 * trial.right[0].mean()
    guess = 100 * trial.nearest.mean()
    margin = 200 * math.sqrt(last / 100 * (1 - last / 100) / trial.lengths.size)  # two standard errors
    if last - chance < margin:
        text = (
            f"This model has not learned to solve mazes: {last:.1f} % right after the last trained step, where chance "
            f"is {chance:.0f} %. What is shown of it below shows a model that guesses."
        )
    elif last <= guess + margin:
        text = (
            f"{last:.1f} % right after the last trained step: no more than the guess that always takes the gem nearest "
            f"to the start ({guess:.1f} %). So it need not have followed any way."
        )
    else:
        text = (
            f"{last:.1f} % right after the last trained step, {gain:+.1f} points against step 1; the guess that always "
            f"takes the gem nearest to the start reaches {guess:.1f} %, chance is {chance:.0f} %."
        )
    if _control(judged):
        control = judged.control
        text += (
            f" A model without recursion, {control.name} ({control.title}, {control.parameters:,} parameters "
            f"against {judged.parameters:,}), reaches {100 * control.accuracy:.1f} %."
        )
    return text


def alternatives(report: MazeReport, threshold: float, judged: DifficultyReport | None = None) -> dict[str, str]:
    """What each figure shows, in a sentence or two, for those who cannot see it."""
    trial, steps = report.trials[0], report.trained_steps
    lengths, _, accuracy = trial.by_length()
    ends = ", ".join(
        f"paths of {lengths[g]}: {100 * accuracy[0, g]:.0f} % after step 1, {100 * accuracy[steps - 1, g]:.0f} % after "
        f"step {steps}"
        for g in sorted({0, len(lengths) - 1})
    )
    others = ", ".join(
        f"{_KINDS[t.name][0]} {100 * t.right[steps - 1].mean():.0f} % after step {steps} and "
        f"{100 * t.right[-1].mean():.0f} % after step {len(t.right)}"
        for t in report.trials
    )
    probe = {}
    if report.probe is not None:
        found = report.probe
        spread = ", ".join(
            f"{_distance(group)} {100 * found.called[0, g]:.0f} % after step 1 and {100 * found.called[-1, g]:.0f} % "
            f"after step {len(found.called)}"
            for g, group in enumerate(found.groups)
        )
        probe = {
            "probe_map": f"Share of cells called reachable by true distance from the start: {spread}.",
            "probe_accuracy": probe_words(found),
        }
    return probe | {
        "accuracy_map": f"Accuracy by length of the path and supervision step. {ends[0].upper()}{ends[1:]}.",
        "accuracy_by_length": f"Accuracy by length of the path. {verdict(report, judged)} {ends[0].upper()}{ends[1:]}.",
        "exits_by_length": exit_words(report, threshold),
        "other_mazes": f"Accuracy on other mazes: {others}.",
    }


def provenance(name: str, config: Config, report: MazeReport) -> str:
    """What was measured, on what."""
    trial = report.trials[0]
    return (
        f"Checkpoint {name} on {config.data.title}, test split, n = {trial.lengths.size:,} (drawn by a fixed seed, "
        f"none of them in training or validation), lengths evenly shared out, training seed {config.train.seed}; "
        f"chance {100 / trial.settings.gems:.0f} %, which is also all that colours alone can reach: every colour is in "
        f"every maze. Every step run for every maze, up to {len(trial.right) // report.trained_steps} times the "
        f"{report.trained_steps} trained ones. One training each: differences of a few points may be chance."
    )


def length_table(report: MazeReport, judged: DifficultyReport | None = None) -> list[dict[str, Any]]:
    """One row per length of the path."""
    trial = report.trials[0]
    lengths, counts, accuracy = trial.by_length()
    guess = guess_by_length(trial)
    control = _control(judged)
    return [
        {
            "length of the path": int(length),
            "mazes": int(counts[g]),
            **{f"right after step {n}, %": 100 * accuracy[n - 1, g] for n in shown_steps(report)},
            **({"control, %": 100 * control[int(length)]} if int(length) in control else {}),
            "nearest gem, %": 100 * guess[g],
        }
        for g, length in enumerate(lengths)
    ]


def _control(judged: DifficultyReport | None) -> dict[int, float]:
    """Accuracy of the control by length of the path; {} where none was measured."""
    if judged is None or judged.control is None:
        return {}
    return {level.difficulty: level.control for level in judged.levels}


def exit_table(report: MazeReport, threshold: float) -> list[dict[str, Any]]:
    """One row per length of the path: where its mazes leave."""
    trial, steps = report.trials[0], report.trained_steps
    shares, exits = exit_shares(trial, threshold, steps), trial.exits(threshold, steps)
    return [
        {
            "length of the path": int(length),
            "exit step, mean": float(exits[trial.lengths == length].mean()),
            **{f"leave after step {n + 1}, %": 100 * float(shares[n, g]) for n in range(steps)},
        }
        for g, length in enumerate(np.unique(trial.lengths))
    ]


def other_table(report: MazeReport) -> list[dict[str, Any]]:
    """One row per kind of mazes."""
    trained, last = report.trained_steps, len(report.trials[0].right)
    points = sorted({1, trained, min(2 * trained, last), last})
    return [
        {
            "mazes": _KINDS[trial.name][0],
            "n": trial.lengths.size,
            "cells": f"{trial.settings.size} × {trial.settings.size}",
            "walls": trial.settings.walls,
            "lengths": f"{trial.settings.shortest} to {trial.settings.longest}",
            **{f"right after step {n}, %": 100 * float(trial.right[n - 1].mean()) for n in points},
            "nearest gem, %": 100 * float(trial.nearest.mean()),
        }
        for trial in report.trials
    ]


def _styled(figure: go.Figure, x: str, y: str, top: int) -> go.Figure:
    figure.update_layout(
        height=330 + top,
        margin={"l": 10, "r": 10, "t": top, "b": 10},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
    )
    figure.update_xaxes(title=x)
    figure.update_yaxes(title=y)
    return figure
