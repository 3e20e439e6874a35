"""The numbers behind the figures about mazes: a report in, rows and arrays out. Pure, no streamlit, no Plotly.

`judged` is the report by difficulty of the same model: the control is from there.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vitrm.data.maze_guess import LOCAL_GUESS
from vitrm.judge.difficulty import DifficultyReport
from vitrm.judge.mazes import MazeReport, Trial
from vitrm.judge.probe import CUT_OFF

KINDS = {  # how each trial is called
    "test": "as in training (test split)",
    "longer": "longer paths",
    "denser": "more walls",
    "larger": "larger grid",
    "larger, longer": "larger grid and longer paths",
}


def shown_steps(report: MazeReport) -> list[int]:
    """The supervision steps, from 1, whose accuracy is drawn as a line: first, middle, last trained, last of all."""
    trained, last = report.trained_steps, len(report.trials[0].right)
    return sorted({1, (trained + 1) // 2, trained, last})


def guess_by_length(trial: Trial) -> np.ndarray:
    """(G,) how often the gem nearest to the start, walls or not, is the right one, by length of the path."""
    return np.array([trial.nearest[trial.lengths == length].mean() for length in np.unique(trial.lengths)])


def exit_shares(trial: Trial, threshold: float, steps: int) -> np.ndarray:
    """(steps, G): of the mazes of each length, the share that is left after each step."""
    exits = trial.exits(threshold, steps)
    columns = [np.bincount(exits[trial.lengths == length] - 1, minlength=steps) for length in np.unique(trial.lengths)]
    return np.stack([column / column.sum() for column in columns], axis=1)


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


def control_by_length(judged: DifficultyReport | None) -> dict[int, float]:
    """Accuracy of the control by length of the path; {} where none was measured."""
    if judged is None or judged.control is None:
        return {}
    return {level.difficulty: level.control for level in judged.levels}


def local_by_length(judged: DifficultyReport | None) -> dict[int, float]:
    """Accuracy of the guess by local features by length of the path; {} where it was not measured."""
    levels = [] if judged is None else judged.levels
    return {level.difficulty: level.guesses[LOCAL_GUESS] for level in levels if LOCAL_GUESS in level.guesses}


def distance_name(group: int) -> str:
    """A distance from the start as rows are called; "none" where no way leads."""
    return "none" if group == CUT_OFF else str(group)


def length_table(report: MazeReport, judged: DifficultyReport | None = None) -> list[dict[str, Any]]:
    """One row per length of the path."""
    trial = report.trials[0]
    lengths, counts, accuracy = trial.by_length()
    guess = guess_by_length(trial)
    control, local = control_by_length(judged), local_by_length(judged)
    return [
        {
            "length of the path": int(length),
            "mazes": int(counts[g]),
            **{f"right after step {n}, %": 100 * accuracy[n - 1, g] for n in shown_steps(report)},
            **({"control, %": 100 * control[int(length)]} if int(length) in control else {}),
            "nearest gem, %": 100 * guess[g],
            **({"local features, %": 100 * local[int(length)]} if int(length) in local else {}),
        }
        for g, length in enumerate(lengths)
    ]


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
            "mazes": KINDS[trial.name],
            "n": trial.lengths.size,
            "cells": f"{trial.settings.size} × {trial.settings.size}",
            "walls": trial.settings.walls,
            "lengths": f"{trial.settings.shortest} to {trial.settings.longest}",
            **{f"right after step {n}, %": 100 * float(trial.right[n - 1].mean()) for n in points},
            "nearest gem, %": 100 * float(trial.nearest.mean()),
        }
        for trial in report.trials
    ]


def probe_table(report: MazeReport) -> list[dict[str, Any]]:
    """One row per supervision step."""
    probe = report.probe
    return [
        {
            "supervision step": n + 1,
            "balanced accuracy, %": 100 * float(probe.accuracy[n]),
            "untrained model, %": 100 * float(probe.untrained[n]),
            **{
                f"called reachable at distance {distance_name(group)}, %": 100 * float(probe.called[n, g])
                for g, group in enumerate(probe.groups)
            },
        }
        for n in range(len(probe.accuracy))
    ]
