"""Thinking longer on mazes of many sizes: a report in; a figure, a table and words out. Pure, no streamlit."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from app import colours
from app.charts import styled
from app.mazes.maze import SIGNS, Maze
from vitrm.config.mazes import KINDS, MazeSettings
from vitrm.judge.sizes import SizeReport, Trial, interval

CONTROL = "control, each size in its colour"
TICKS = (1, 2, 3, 6, 12, 24, 48, 96)
_COLOURS = (*colours.CLASSES, colours.GREEN)
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")


def leading(report: SizeReport) -> list[Trial]:
    """The trials of the kind of mazes that comes first in a report, from small to large."""
    return of_kind(report, report.trials[0].kind)


def of_kind(report: SizeReport, kind: str) -> list[Trial]:
    """The trials of a kind of mazes, from small to large; none where it was not tried."""
    return [trial for trial in report.trials if trial.kind == kind]


def late(report: SizeReport, size: int = 13, longer_than: int = 10) -> Maze | None:
    """A maze that this model answers rightly only after more steps than it was trained with; None without one."""
    for trial in leading(report):
        if trial.size == size:
            found = [Maze("".join(SIGNS[int(code)] for code in cells)) for cells in trial.late]
            return next((each for each in found if each.solution and each.solution.length > longer_than), None)
    return None


def accuracy_by_steps(report: SizeReport, control: SizeReport | None = None) -> go.Figure:
    """Accuracy after each step, a line for each size; thin, dotted and flat: what the control makes of it."""
    figure = go.Figure()
    trials = leading(report)
    last = max(len(trial.right) for trial in trials)
    flat = {trial.size: trial for trial in of_kind(control, trials[0].kind)} if control else {}
    held = [trial.size for trial in trials if trial.size in flat]
    for k, trial in enumerate(trials):
        colour = _COLOURS[k % len(_COLOURS)]
        new = "" if trial.size in report.trained_on else ", never trained on"
        figure.add_scatter(
            x=np.arange(1, len(trial.right) + 1),
            y=100 * np.array(trial.right) / trial.n,
            mode="lines",
            name=f"{trial.size} × {trial.size}{new}",
            line={"color": colour, "dash": _DASHES[k % len(_DASHES)], "width": 3},
        )
        if trial.size in held:
            figure.add_scatter(
                x=[1, last],
                y=2 * [100 * flat[trial.size].accuracy(1)],
                mode="lines",
                name=CONTROL,
                showlegend=trial.size == held[-1],  # one for all: on a phone they would leave no room for the lines
                hovertemplate=f"control, {trial.size} × {trial.size}: %{{y:.1f}} %<extra></extra>",
                line={"color": colour, "dash": "dot", "width": 1.5},
                opacity=0.7,
            )
    if last > report.trained_steps:
        figure.add_vline(x=report.trained_steps, line={"color": colours.BEYOND, "width": 2, "dash": "dash"})
    ticks = [tick for tick in TICKS if tick <= last]
    figure.update_xaxes(type="log", tickvals=ticks, ticktext=list(map(str, ticks)), range=[0, np.log10(last) + 0.02])
    figure.update_yaxes(range=[max(0.0, 100 / MazeSettings.parse(trials[0].source).gems - 4), 102])
    return styled(figure, "supervision step", "right, %", height=420, top=70)


def size_rows(report: SizeReport, control: SizeReport | None = None) -> list[dict[str, Any]]:
    """One row per kind and size, accuracy with its 95 % interval."""
    others = {(trial.kind, trial.size): trial for trial in control.trials} if control else {}
    rows, several = [], len({trial.kind for trial in report.trials}) > 1
    for trial in report.trials:
        settings = MazeSettings.parse(trial.source)
        row = {"mazes": KINDS[trial.kind]} if several else {}
        row |= {
            "cells": f"{trial.size} × {trial.size}",
            "paths": f"{settings.shortest} to {settings.longest}",
            "n": trial.n,
        }
        for step in _doublings(report, trial):
            row[f"right after step {step}, %"] = _within(trial.right[step - 1], trial.n)
        row |= {f"{name}, %": round(100 * count / trial.n, 1) for name, count in trial.guesses.items()}
        if other := others.get((trial.kind, trial.size)):
            row["control, %"] = _within(other.right[0], other.n)
        rows.append(row)
    return rows


def verdict(report: SizeReport, control: SizeReport | None = None) -> str:
    """What more steps are worth on the largest size that was tried, in words that follow from the numbers."""
    larger = [trial for trial in leading(report) if trial.size > max(report.trained_on)]
    if not larger:
        return "No mazes larger than those of its training were tried."
    trial, trained = larger[-1], report.trained_steps
    best = max(_doublings(report, trial), key=lambda step: trial.right[step - 1])  # the best of all would flatter it
    first, most, last = (100 * trial.accuracy(step) for step in (trained, best, len(trial.right)))
    on = " and ".join(f"{size} × {size}" for size in report.trained_on)
    low, high = interval(trial.right[trained - 1], trial.n), interval(trial.right[best - 1], trial.n)
    cells = f"{trial.size} × {trial.size}"
    if high[0] > low[1]:
        said = f"More steps help: of mazes of {cells} cells it solves {first:.1f} % after {trained} steps"
        said += f" and {most:.1f} % after {best}, though it was trained on {on} and on {trained} steps in a row."
    else:
        said = (
            f"More steps make no difference that {trial.n:,} mazes can show: of {cells} cells it solves {first:.1f} % "
        )
        said += f"after {trained} steps and at best {most:.1f} %, after {best}."
    if interval(trial.right[-1], trial.n)[1] < high[0]:
        said += f" Thinking on for ever costs: {last:.1f} % are left after step {len(trial.right)}."
    other = next((each for each in of_kind(control, trial.kind) if each.size == trial.size), None) if control else None
    if other is not None:
        said += f" The control, a plain ViT that answers once, is right on {100 * other.accuracy(1):.1f} % of them."
    return said


def provenance(name: str, report: SizeReport, control_name: str = "", control: SizeReport | None = None) -> str:
    """What was measured, on what."""
    said = (
        f"Checkpoint {name}, {report.parameters:,} parameters, one training; {report.trials[0].n:,} fresh mazes of a "
        f"size each, every step run. The dashed line: the {report.trained_steps} steps in a row of its training."
    )
    if control:
        said += (
            f" Thin and dotted: {control_name}, {control.parameters:,} parameters, on the same mazes; it answers once."
        )
    return said


def _doublings(report: SizeReport, trial: Trial) -> list[int]:
    """The steps of the training and twice, four times, ... as many, as far as the trial went."""
    steps = [report.trained_steps]
    while 2 * steps[-1] <= len(trial.right):
        steps.append(2 * steps[-1])
    return steps


def _within(right: int, n: int) -> str:
    low, high = interval(right, n)
    return f"{100 * right / n:.1f} ({100 * low:.1f} to {100 * high:.1f})"
