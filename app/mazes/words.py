"""What a report on mazes says in words, which follow from its numbers. Pure, no streamlit, no Plotly."""

from __future__ import annotations

import math

import numpy as np

from app.figures import points
from app.mazes.tables import KINDS, control_by_length, distance_name, local_by_length, rank_correlation
from vitrm.config import Config
from vitrm.data.maze_guess import LOCAL_GUESS
from vitrm.judge.difficulty import DifficultyReport
from vitrm.judge.mazes import MazeReport
from vitrm.judge.probe import Probe


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
            f"{last:.1f} % right after the last trained step (one training), {points(gain)} against step 1; the "
            f"guess that always takes the gem nearest to the start reaches {guess:.1f} %, chance is {chance:.0f} %."
        )
    if local := local_by_length(judged):
        longest = max(local)
        text += (
            " Boosted trees that see what lies around the start and the gems, and follow no way, reach "
            f"{100 * judged.guesses[LOCAL_GUESS]:.1f} %, {100 * local[longest]:.0f} % on paths of {longest}: only "
            "what is above that needs more than this."
        )
    if control_by_length(judged):
        control = judged.control
        text += (
            f" A model without recursion, {control.name} ({control.title}, {control.parameters:,} parameters "
            f"against {judged.parameters:,}), reaches {100 * control.accuracy:.1f} %."
        )
    return text


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
        f"{found[0]:.2f} (Spearman, 95 % interval {found[1]:.2f} to {found[2]:.2f}, n = {len(exits):,}; "
        f"0 is none; one training). {cost}"
    )


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
        f"{KINDS[t.name]} {100 * t.right[steps - 1].mean():.0f} % after step {steps} and "
        f"{100 * t.right[-1].mean():.0f} % after step {len(t.right)}"
        for t in report.trials
    )
    probe = {}
    if report.probe is not None:
        found = report.probe
        spread = ", ".join(
            f"{distance_name(group)} {100 * found.called[0, g]:.0f} % after step 1 and "
            f"{100 * found.called[-1, g]:.0f} % after step {len(found.called)}"
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
