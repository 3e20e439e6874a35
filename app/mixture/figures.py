"""What a soft mixture says, as pure functions: a trace or a report in; words, tables and Plotly figures out.

No streamlit here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from app import colours
from app.charts import styled
from app.figures import points
from app.printed.tiles import maps
from vitrm.config import Config, SRViTConfig
from vitrm.judge.mixture import MixtureReport, may_be_chance
from vitrm.traces.mixture import MixtureTrace, probabilities

MIXTURES = {"own": "the model's own mixture", "uniform": "plain mean", "last": "last step alone"}
_LINES = {
    "own": (colours.BLUE, "solid", "circle"),
    "uniform": (colours.ORANGE, "dash", "square"),
    "last": (colours.Y, "dot", "diamond"),
}
_ALIKE = 0.1  # steps; closer together than this, tokens are said to listen alike
_EVEN = 0.999  # entropy as a share of ln R, from which on all steps are said to have the same weight


def stages(trace: MixtureTrace) -> list[dict[str, Any]]:
    """Of each stage its name, what it is, whether its patches are mixed, and what its maps show in words."""
    count, steps, _ = trace.weights.shape
    size, found = trace.layers_per_stage, []
    for s in range(count):
        layers = f"layer {s + 1}" if size == 1 else f"layers {size * s + 1} to {size * (s + 1)}"
        patches = bool(np.isfinite(trace.weights[s, 0, 1:]).all())
        what = f"{layers}, applied {steps} times" + ("" if patches else "; after it only the class token is read")
        found.append({"name": f"Stage {s + 1}", "what": what, "patches": patches, "said": stage_said(trace, s)})
    return found


def relative_entropy(trace: MixtureTrace) -> np.ndarray:
    """(stages, 1+L) entropy as a share of the largest possible, ln R: 0 is one step alone, 1 all steps alike."""
    return trace.entropy / np.log(trace.weights.shape[1])


def stage_said(trace: MixtureTrace, stage: int) -> str:
    """Which tokens of a stage listen to early and which to late steps."""
    mean, entropy, weights = trace.mean_step[stage], relative_entropy(trace)[stage], trace.weights[stage]
    patches, total = mean[1:], len(mean) - 1
    middle, own = (len(weights) + 1) / 2, int(weights[:, 0].argmax())
    token = f"The class token listens to step {mean[0]:.1f} on average"
    token += "." if entropy[0] > _EVEN else f"; step {own + 1} has its largest weight, {weights[own, 0]:.2f}."
    if not np.isfinite(patches).all():
        return f"{token} The patches are not mixed here: nothing reads them any more."
    if np.ptp(patches) < _ALIKE:
        said = f"All {total} patches listen alike, to step {patches.mean():.1f} on average."
    else:
        first, last = int(patches.argmin()), int(patches.argmax())
        sides = (("early", "below", patches < middle), ("late", "above", patches > middle))
        lean = [
            (side.sum(), f"{name} steps (mean step {where} {middle:g})") for name, where, side in sides if side.any()
        ]
        said = f"All {total} patches lean to {lean[0][1]}"
        if len(lean) > 1:
            said = f"{lean[0][0]} of the {total} patches lean to {lean[0][1]}, {lean[1][0]} to {lean[1][1]}"
        said = (
            f"{said}; earliest {_place(trace, first)} ({patches[first]:.1f}), latest "
            f"{_place(trace, last)} ({patches[last]:.1f})."
        )
    if entropy[1:].min() > _EVEN:
        return f"{said} Every step has the same weight. {token}"
    favourite = np.bincount(weights[:, 1:].argmax(axis=0), minlength=len(weights))
    most = _listed([f"step {r + 1} in {'all' if n == total else n}" for r, n in enumerate(favourite) if n])
    return (
        f"{said} The largest weight is that of {most} of them; entropy {100 * entropy[1:].mean():.0f} % of the largest "
        f"possible, on average. {token}"
    )


def summary(trace: MixtureTrace) -> str:
    """The stages in one sentence: how early or late each one listens."""
    steps, last = trace.weights.shape[1], len(trace.weights)
    mixed = [(s + 1, mean[1:].mean()) for s, mean in enumerate(trace.mean_step) if np.isfinite(mean[1:]).all()]
    token = f"the class token, from which the answer is read, to step {trace.mean_step[-1, 0]:.1f} in stage {last}"
    if not mixed:
        return f"On average {token.replace('read,', 'read, listens')}, of {steps}. Nothing reads the patches after it."
    said = _listed([f"step {mean:.1f} of {steps} in stage {stage}" for stage, mean in mixed])
    return f"On average the patches listen to {said}; {token}."


def answers(trace: MixtureTrace) -> list[dict[str, Any]]:
    """The answer as it is, then with the mixture of every stage replaced: by the mean, by each step alone."""
    steps = len(trace.logits)
    ways = [("own mixture", "as it is", trace.logits[-1]), ("plain mean", "all steps alike", trace.uniform_logits[-1])]
    ways += [(f"step {r + 1} alone", "the last" if r == steps - 1 else "", trace.last_logits[r]) for r in range(steps)]
    found = []
    for name, note, logits in ways:
        probs = probabilities(logits)
        found.append({"name": name, "note": note, "probs": probs, "answer": int(probs.argmax())})
    return found


def answer_table(trace: MixtureTrace) -> list[dict[str, str]]:
    """`answers` as a table, one row for each way to read the steps; beside the answer how sure it is of it."""
    own, *_ = found = answers(trace)
    judged = {None: "", True: " ✓", False: " ✗"}
    name = trace.class_names[own["answer"]]
    return [
        {
            "read by": one["name"] + (f" ({one['note']})" if one["note"] else ""),
            "answer": trace.class_names[one["answer"]]
            + judged[None if trace.label is None else one["answer"] == trace.label],
            "its probability": _percent(one["probs"].max()),
            f"probability of {name}": _percent(one["probs"][own["answer"]]),
        }
        for one in found
    ]


def answers_said(trace: MixtureTrace) -> str:
    """Whether the answer changes with the mixture replaced."""
    own, *others = answers(trace)
    names = trace.class_names
    right = "" if trace.label is None else ", which is right" if own["answer"] == trace.label else ", which is wrong"
    said = f"The model answers {names[own['answer']]} ({_percent(own['probs'].max())}){right}."
    changed = [one for one in others if one["answer"] != own["answer"]]
    if not changed:
        low = min(others, key=lambda one: one["probs"][own["answer"]])
        return (
            f"{said} Replacing the mixture does not change that; {names[own['answer']]} is least likely with "
            f"{_with(low)}, {_percent(low['probs'][own['answer']])}."
        )
    ways: dict[int, list[str]] = {}
    for one in changed:
        ways.setdefault(one["answer"], []).append(_with(one))
    flips = _listed([
        f"{names[answer]}"
        + ("" if trace.label is None else " (right)" if answer == trace.label else " (wrong)")
        + f" with {_listed(way)}"
        for answer, way in ways.items()
    ])  # fmt: skip
    kept = [_with(one) for one in others if one["answer"] == own["answer"]]
    return f"{said} It would be {flips}" + (f"; it stays the same with {_listed(kept)}." if kept else ".")


def weights(report: MixtureReport, tokens: str) -> go.Figure:
    """Mean weight of each recursion step in each stage over tokens of one kind ("patches" or "class token")."""
    rows = report.weights_of(tokens)
    mean, spread = np.array([one.mean for one in rows]), np.array([one.spread for one in rows])
    text = [[f"{m:.2f}<br>± {s:.2f}" for m, s in zip(*pair, strict=True)] for pair in zip(mean, spread, strict=True)]
    figure = go.Figure(
        go.Heatmap(
            z=mean,
            x=[f"step {r + 1}" for r in range(mean.shape[1])],
            y=[f"stage {one.stage}" for one in rows],
            text=text,
            texttemplate="%{text}",
            textfont={"size": 12},
            zmin=0,
            zmax=1,
            colorscale=colours.SCALE,
            colorbar={"title": "weight", "thickness": 12, "tickvals": [0, 0.5, 1]},
            xgap=2,
            ygap=2,
            hovertemplate="%{y}, %{x}: %{z:.3f}<extra></extra>",
        )
    )
    figure.update_yaxes(autorange="reversed")
    return styled(figure, height=90 + 62 * len(rows))


def patch_weights(trace: MixtureTrace, stage: int) -> go.Figure:
    """The weight of each recursion step in a stage, patch by patch."""
    across = trace.pixels.shape[-1] // trace.patch_size
    weights = trace.weights[stage, :, 1:].reshape(-1, across, across)  # without the class token
    names = [f"step {r + 1}" for r in range(len(weights))]
    return maps(list(weights), names, 0, 1, what="weight")


def accuracy(report: MixtureReport) -> go.Figure:
    """Accuracy with the mixture replaced and the recursion of every stage ended after each step."""
    figure = go.Figure()
    for mixture, (color, dash, symbol) in _LINES.items():
        figure.add_scatter(
            x=list(range(1, len(report.accuracy(mixture)) + 1)),
            y=[100 * share for share in report.accuracy(mixture)],
            mode="lines+markers",
            name=MIXTURES[mixture],
            line={"color": color, "dash": dash, "width": 3 if mixture == "own" else 2},
            marker={"symbol": symbol, "size": 9},
            hovertemplate="%{y:.1f} % after step %{x}<extra>" + MIXTURES[mixture] + "</extra>",
        )
    figure.update_xaxes(dtick=1)
    return styled(figure, "every stage ended after step", "test accuracy, %", height=360)


def alternatives(report: MixtureReport) -> dict[str, str]:
    """What each figure shows, in a sentence or two, for those who cannot see it."""
    said = {}
    for tokens in ("patches", "class token"):
        parts = []
        for one in report.weights_of(tokens):
            most = int(np.argmax(one.mean))
            parts.append(f"stage {one.stage} gives step {most + 1} the most, {one.mean[most]:.2f}")
        said[tokens] = f"Mean weight of each recursion step, {tokens}: {'; '.join(parts)}."
    said["accuracy"] = (
        f"Test accuracy when the recursion ends early. After step 1: {100 * report.own[0]:.1f} %. With all steps: "
        + ", ".join(f"{name} {100 * report.accuracy(mixture)[-1]:.1f} %" for mixture, name in MIXTURES.items())
        + "."
    )
    return said


def weight_table(report: MixtureReport) -> list[dict[str, Any]]:
    """One row for each stage and kind of token."""
    return [
        {
            "stage": one.stage,
            "tokens": one.tokens,
            "number of tokens": one.count,
            **{f"weight of step {r + 1}": mean for r, mean in enumerate(one.mean)},
            **{f"its spread, step {r + 1}": spread for r, spread in enumerate(one.spread)},
            **{f"largest at step {r + 1}, %": 100 * share for r, share in enumerate(one.largest)},
            "mean step": one.mean_step,
            "entropy, % of ln R": 100 * one.entropy,
        }
        for one in report.token_weights
    ]


def worth_table(report: MixtureReport) -> list[dict[str, str]]:
    """What the mixture is worth with all steps: one row for each way to read them."""
    rows = []
    for mixture, name in MIXTURES.items():
        share, gap = report.accuracy(mixture)[-1], ""
        one = next(each for each in report.replaced if (each.mixture, each.steps) == (mixture, len(report.own)))
        worse, better = (round(changed * report.n) for changed in (one.became_wrong, one.became_right))
        if mixture != "own":
            gap = points(100 * (share - report.own[-1])) + " (may be chance)" * may_be_chance(worse, better)
        rows.append(
            {
                "read by": name,
                "test accuracy": f"{100 * share:.1f} %",
                "against its own mixture": gap,
                "became wrong": f"{worse:,}" if gap else "",
                "became right": f"{better:,}" if gap else "",
            }
        )
    return rows


def accuracy_table(report: MixtureReport) -> list[dict[str, Any]]:
    """One row for each mixture and number of steps."""
    return [
        {
            "mixture": MIXTURES[one.mixture],
            "ended after step": one.steps,
            "accuracy, %": 100 * report.accuracy(one.mixture)[one.steps - 1],
            "other answer than the model's, %": 100 * one.changed,
            "became right, %": 100 * one.became_right,
            "became wrong, %": 100 * one.became_wrong,
        }
        for one in report.replaced
    ]


def provenance(checkpoint: str, config: Config, report: MixtureReport) -> str:
    """What was measured, and on what."""
    return (
        f"Checkpoint {checkpoint} on {config.data.title}, test split, n = {report.n:,}, training seed "
        f"{config.train.seed}; chance {100 / config.model.num_classes:.0f} %. One training; another seed may route "
        "otherwise."
    )


def origins(config: SRViTConfig) -> list[dict[str, str]]:
    """How each decision about the model came about, with the field of `SRViTConfig` and its value here."""
    router = "none" if config.mixture != "token" else f"{config.router_width} wide" if config.router_width else "linear"
    rows = [
        (
            "published",
            "The layers are applied R times with the same weights",
            "recursion_depth",
            config.recursion_depth,
        ),
        ("published", "Each token has learned weights over the outputs of all R steps", "mixture", config.mixture),
        ("derived", "At R = 1 it is a DeiT-S, by its parameters", "dim, depth", f"{config.dim}, {config.depth}"),
        ("inferred", "1.7 M extra parameters fit a router with a hidden layer in every layer", "router_dim", router),
        (
            "our interpretation",
            "Where it is mixed: after each layer, some of them, or all",
            "location",
            config.location,
        ),
        ("our interpretation", "What the router reads to score a step", "router_input", config.router_input),
        ("our interpretation", "How scores become weights", "normaliser", config.normaliser),
    ]
    return [
        {"status": status, "statement": statement, "field of SRViTConfig": field, "this checkpoint": str(value)}
        for status, statement, field, value in rows
    ]


def _place(trace: MixtureTrace, patch: int) -> str:
    across = trace.grid[1]
    return f"row {patch // across + 1}, column {patch % across + 1}"


def _with(answer: dict[str, Any]) -> str:
    last = ", the last" if answer["note"] == "the last" else ""
    return f"the {answer['name']}" if answer["name"] == "plain mean" else f"{answer['name']}{last}"


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _percent(share: float) -> str:
    return "over 99 %" if 0.995 <= share < 1 else f"{100 * share:.0f} %"
