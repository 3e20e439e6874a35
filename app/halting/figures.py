"""Figures about halting as pure functions: a report in, a Plotly figure out, or words and tables. No streamlit here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from app import colours
from app.charts import styled
from app.figures import drawn
from vitrm.config import Config
from vitrm.judge.halting import HaltingReport
from vitrm.judge.replay import Point

RULES = {"learned": "learned halting", "entropy": "low entropy", "change": "little change of z"}
_LARGEST = {"learned": 1.0, "entropy": float("inf"), "change": float("inf")}  # of each rule's measure; the least is 0
_RULE_LINES = {"learned": (colours.Y, "solid"), "entropy": (colours.BLUE, "dash"), "change": (colours.ORANGE, "dot")}


def accuracy_for_cost(report: HaltingReport) -> go.Figure:
    """Accuracy against multiply-adds as each rule's threshold moves, beside "everybody stops at step n"."""
    figure = go.Figure()
    steps = report.anytime
    figure.add_scatter(
        x=_millions(steps),
        y=_percent(steps),
        mode="lines+markers+text",
        text=[str(n + 1) for n in range(len(steps))],
        textposition="bottom center",
        name="everybody stops at step n",
        line={"color": colours.GREY},
        cliponaxis=False,
    )
    for rule, points in report.budgeted.items():
        color, dash = _RULE_LINES[rule]
        figure.add_scatter(
            x=_millions(points),
            y=_percent(points),
            mode="lines",
            name=RULES[rule],
            line={"color": color, "dash": dash, "width": 3 if rule == "learned" else 2},
        )
    marks = [
        ("chosen on validation", report.chosen, "star", _RULE_LINES["learned"][0]),
        *(
            (f"{RULES[rule]}, chosen so", point, "circle", _RULE_LINES[rule][0])
            for rule, point in report.competitors.items()
        ),
        ("perfect halting", report.oracle, "diamond", colours.GREEN),
    ]
    for name, point, symbol, color in marks:
        figure.add_scatter(
            x=_millions([point]),
            y=_percent([point]),
            mode="markers",
            name=name,
            marker={"symbol": symbol, "size": 11 if symbol == "circle" else 15, "color": color},
            showlegend=symbol != "circle",
        )
    figure.add_scatter(
        x=_millions([report.chosen]),
        y=[100 * report.random_exit_accuracy],
        mode="markers",
        name="the same exits, dealt at random",
        marker={"symbol": "x", "size": 11, "color": colours.GREY},
    )
    return styled(figure, "multiply-adds per image, millions", "test accuracy, %", height=440)


def reliability(report: HaltingReport) -> go.Figure:
    """Halting probability against how often the answer was right; on the diagonal it means what it says."""
    bins = report.reliability
    figure = go.Figure()
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", name="means what it says", line={"color": colours.GREY, "dash": "dash"}
    )
    figure.add_scatter(
        x=[b.halt_prob for b in bins],
        y=[b.accuracy for b in bins],
        mode="lines+markers",
        name="this model",
        line={"color": colours.Y},
        marker={"size": [6 + 20 * (b.count / max(c.count for c in bins)) ** 0.5 for b in bins]},
        customdata=[b.count for b in bins],
        hovertemplate="halting %{x:.2f}, right %{y:.2f}, %{customdata:,} answers<extra></extra>",
    )
    figure.update_yaxes(range=[0, 1.05])
    return styled(figure, "halting probability", "share of right answers")


def flips(report: HaltingReport) -> go.Figure:
    """What each further step does: answers that became right, and answers that became wrong."""
    rows = [row for row in flip_table(report) if row["supervision step"] > 1]
    steps, trained = [row["supervision step"] for row in rows], len(report.anytime)
    figure = go.Figure()
    figure.add_bar(x=steps, y=[row["became right, %"] for row in rows], name="became right", marker_color=colours.RIGHT)
    figure.add_bar(
        x=steps, y=[-row["became wrong, %"] for row in rows], name="became wrong", marker_color=colours.WRONG
    )
    figure.update_layout(barmode="relative")
    figure.update_xaxes(dtick=1 if steps[-1] <= 16 else None)
    if steps[-1] > trained:
        figure.add_vrect(
            x0=trained + 0.5,
            x1=steps[-1] + 0.5,
            fillcolor=colours.BEYOND,
            opacity=0.14,
            line_width=0,
            layer="below",
            annotation_text=f"beyond {trained} in a row",
            annotation_position="top left",
        )
    return styled(figure, "supervision step", "share of the test images, %")


def alternatives(report: HaltingReport) -> dict[str, str]:
    """What each figure shows, in a sentence or two, for those who cannot see it."""
    chosen, last, oracle = report.chosen, report.anytime[-1], report.oracle
    gap = max(report.reliability, key=lambda b: abs(b.halt_prob - b.accuracy) * b.count)
    rows = flip_table(report)
    worst = max(rows[1:], key=lambda row: row["became wrong, %"], default=rows[0])
    said = "too sure" if gap.halt_prob > gap.accuracy else "not sure enough"
    return {
        "accuracy_for_cost": (
            f"Accuracy against work for {len(report.budgeted)} halting rules. Learned halting with the chosen "
            f"threshold: {100 * chosen.accuracy:.1f} % right at {chosen.mean_multiply_adds / 1e6:.1f} million "
            f"multiply-adds; every step: {100 * last.accuracy:.1f} % at {last.mean_multiply_adds / 1e6:.1f} "
            f"million; perfect halting: {100 * oracle.accuracy:.1f} % at {oracle.mean_multiply_adds / 1e6:.1f} "
            f"million; the same exits at random: {100 * report.random_exit_accuracy:.1f} %."
        ),
        "reliability": (
            f"Halting probability against share of right answers. The largest weighted gap: where it says "
            f"{gap.halt_prob:.2f}, {gap.accuracy:.2f} are right, so it is {said} there."
        ),
        "flips": (
            f"Answers that become right and wrong at each step, up to step {rows[-1]['supervision step']}. Step "
            f"{worst['supervision step']} makes the most right answers wrong, {worst['became wrong, %']:.1f} %, and "
            f"puts {worst['became right, %']:.1f} % right."
        ),
    }


def flips_words(report: HaltingReport) -> str:
    """Whether more steps are better: how many also do harm, and after which no more answers are right than before."""
    rows = flip_table(report)[1:]
    harm = sum(row["became wrong, %"] > 0 for row in rows)
    idle = [str(row["supervision step"]) for row in rows if row["became wrong, %"] >= row["became right, %"]]
    said = f"{harm} of {len(rows)} further steps also make right answers wrong; "
    return said + (
        f"no more are right than before after step {', '.join(idle)}." if idle else "after each more are right."
    )


def provenance(checkpoint: str, config: Config, report: HaltingReport) -> str:
    """What was measured, on what, and how the threshold was found."""
    sizes = report.split_sizes
    return (
        f"Checkpoint {checkpoint} on {config.data.title}, test split, n = {sizes['test']:,}"
        f"{drawn(config, report.seed)}, training seed {config.train.seed}; chance "
        f"{100 / config.model.num_classes:.0f} %. Policy: learned halting, {chosen_words(report)}, the cheapest that "
        f"costs at most 0.2 points on validation (n = {sizes['val']:,}), applied once to test."
    )


def chosen_words(report: HaltingReport) -> str:
    """The threshold of learned halting that validation chose."""
    threshold = report.chosen.threshold
    if threshold < 0:  # below every probability
        return "a threshold that is passed at once"
    return f"threshold {threshold:.4f}" if threshold < 1 else "a threshold that is never passed"


def step_table(report: HaltingReport) -> list[dict[str, Any]]:
    """One row per supervision step."""
    return [
        {
            "supervision step": n + 1,
            "accuracy if all stop here, %": 100 * point.accuracy,
            "multiply-adds, millions": point.mean_multiply_adds / 1e6,
            "AUROC of halting": report.halt_auroc[n],
            "its 95 % interval": _interval(report.halt_auroc_interval[n]),
            "ECE of halting": report.halt_ece[n],
            **{f"AUROC of {RULES[rule]}": areas[n] for rule, areas in report.rule_auroc.items()},
            "leave here, %": 100 * report.exits[n].share,
            "of them right, %": None if (right := report.exits[n].accuracy) is None else 100 * right,
        }
        for n, point in enumerate(report.anytime)
    ]


def flip_table(report: HaltingReport) -> list[dict[str, Any]]:
    """One row per supervision step, those beyond training included."""
    within = [
        {
            "supervision step": n + 1,
            "trained": "yes",
            "accuracy, %": 100 * point.accuracy,
            "became right, %": 100 * report.became_right[n],
            "became wrong, %": 100 * report.became_wrong[n],
        }
        for n, point in enumerate(report.anytime)
    ]
    beyond = [
        {
            "supervision step": step.step,
            "trained": "no",
            "accuracy, %": 100 * step.accuracy,
            "became right, %": 100 * step.became_right,
            "became wrong, %": 100 * step.became_wrong,
        }
        for step in report.beyond
    ]
    return within + beyond


def policy_table(report: HaltingReport) -> list[dict[str, Any]]:
    """One row per policy of the accuracy figure, the single ones first, then each rule as its threshold moves."""
    every = report.anytime[-1]
    chosen = {"learned": report.chosen} | report.competitors
    rows = [("every step", every, None), ("perfect halting (oracle)", report.oracle, None)]
    rows += [_played(rule, point, ", chosen on validation") for rule, point in chosen.items()]
    rows += [_played(rule, point) for rule, points in report.budgeted.items() for point in points]
    table = [
        {
            "policy": name,
            "threshold": threshold,
            "accuracy, %": 100 * point.accuracy,
            "steps, mean": point.mean_steps,
            "multiply-adds, millions": point.mean_multiply_adds / 1e6,
        }
        for name, point, threshold in rows
    ]
    random = table[2] | {
        "policy": "the same exits, dealt at random",
        "threshold": None,
        "accuracy, %": 100 * report.random_exit_accuracy,
    }
    return [*table[:2], random, *table[2:]]


def _played(rule: str, point: Point, more: str = "") -> tuple[str, Point, float | None]:
    """What a rule with some threshold is called; in words where the threshold is none that its measure can have."""
    name, threshold = RULES[rule] + more, point.threshold
    if 0 <= threshold <= _LARGEST[rule]:
        return name, point, threshold
    at_once = rule == "learned" and threshold < 0  # of the others little is enough, and nothing is less than 0
    return f"{name}: {'all leave at once' if at_once else 'nobody leaves early'}", point, None


def reliability_table(report: HaltingReport) -> list[dict[str, Any]]:
    """One row per tenth of the scale."""
    return [
        {"halting probability, mean": b.halt_prob, "right, %": 100 * b.accuracy, "answers": b.count}
        for b in report.reliability
    ]


def ranking(report: HaltingReport) -> str:
    """How well the halting probability ranks right above wrong answers, and how sure that is."""
    if report.pooled_auroc is None:
        return "Every answer is of one kind, right or wrong, so no AUROC can be given."
    areas = [a for a in report.halt_auroc if a is not None]
    return (
        f"AUROC of the halting probability {report.pooled_auroc:.2f} (95 % interval "
        f"{_interval(report.pooled_auroc_interval)}, bootstrap over the images; 0.5 is chance): all "
        f"{len(report.anytime)} steps of {report.split_sizes['test']:,} test images together"
        + (f"; by step from {min(areas):.2f} to {max(areas):.2f}." if areas else ".")
    )


def _interval(bounds: tuple[float, float] | None) -> str | None:
    return None if bounds is None else f"{bounds[0]:.2f} to {bounds[1]:.2f}"


def _millions(points: Sequence[Point]) -> list[float]:
    return [point.mean_multiply_adds / 1e6 for point in points]


def _percent(points: Sequence[Point]) -> list[float]:
    return [100 * point.accuracy for point in points]
