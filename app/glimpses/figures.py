"""Figures about glimpses as pure functions: answers or a report in, a Plotly figure out, or words and tables.

No streamlit here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go
from PIL import ImageColor

from app import colours
from app.charts import styled
from app.figures import signed
from vitrm.config import Config
from vitrm.judge.bootstrap import Estimate
from vitrm.judge.glimpses import GlimpseReport
from vitrm.sweep.row import Row, percents
from vitrm.sweep.table import read_table

if TYPE_CHECKING:  # it needs torch
    from vitrm.traces.answers import Answers

POLICIES = {"random": "random draw", "fixed": "fixed, centre outwards", "learned": "memory's attention"}
_LINES = {
    "random": (colours.BLUE, "solid", "circle"),
    "fixed": (colours.ORANGE, "dash", "square"),
    "learned": (colours.GREEN, "dot", "diamond"),
}
SHOWN_CLASSES = len(colours.CLASSES)


def steps_axis(shares: Sequence[float]) -> list[str]:
    """What stands below each supervision step: its number, and the share of the image that has been seen by then."""
    return [f"{n}<br>{100 * share:.0f} %" for n, share in enumerate(shares, start=1)]


def seen_share(made: Answers, patches: int) -> list[float]:
    """How much of the image has been seen after each step, in the mean over the draws."""
    seen, shares = np.zeros((len(made.patches), patches), bool), []
    for read in made.patches.swapaxes(0, 1):
        np.put_along_axis(seen, read, True, axis=1)
        shares.append(float(seen.mean()))
    return shares


def by_draw(made: Answers, classes: Sequence[str], label: int, patches: int) -> go.Figure:
    """The share of the draws that give each answer, after each supervision step; the true class at the bottom."""
    figure = go.Figure()
    count = len(made.labels)
    axis = steps_axis(seen_share(made, patches))
    for name, shares, color in _shares(made, classes, label):
        figure.add_bar(
            x=axis,
            y=100 * shares,
            name=name,
            marker={
                "color": color,
                "pattern": {
                    "shape": "" if name.endswith("(true class)") else "/",
                    "fillmode": "overlay",
                    "fgcolor": colours.WHITE,
                    "fgopacity": 0.35,
                    "size": 7,
                },
            },
            text=[f"{100 * share:.0f}" if share >= 0.06 else "" for share in shares],
            textposition="inside",
            textangle=0,
            textfont={"color": colours.on(color), "size": 13},
            hovertemplate=f"{name}: %{{y:.0f}} % of {count} draws<extra></extra>",
        )
    figure.update_layout(barmode="stack", bargap=0.25, legend_traceorder="normal", showlegend=True)
    figure.update_layout(uniformtext={"minsize": 13, "mode": "hide"})  # or it is made as small as its part is
    figure.update_yaxes(range=[0, 100])
    return styled(figure, "supervision step,<br>and share of the image seen", f"of {count} draws, %")


def draw_table(made: Answers, classes: Sequence[str], label: int) -> list[dict[str, Any]]:
    """One row per supervision step."""
    return [
        {
            "supervision step": n + 1,
            "of the draws right, %": _percent((made.labels[:, n] == label).mean()),
            "most common answer": classes[int(np.bincount(made.labels[:, n]).argmax())],
            "agree on it, %": _percent(_agreement(made)[n]),
            "P(true class), mean %": _percent(made.probs[:, n, label].mean()),
            "its standard deviation over draws, %": _percent(made.probs[:, n, label].std(ddof=1)),
            "halting probability, mean": round(float(made.halt_prob[:, n].mean()), 3),
            **{f"answers {name}, %": _percent((made.labels[:, n] == k).mean()) for k, name in enumerate(classes)},
        }
        for n in range(made.labels.shape[1])
    ]


def _percent(share: float) -> float:
    return round(100 * float(share), 1)


def draw_words(made: Answers, classes: Sequence[str], label: int) -> str:
    """How often the answer depends on the draw: the takeaway, from the numbers."""
    count, steps = made.labels.shape
    agree, right = _agreement(made), (made.labels == label).mean(axis=0)
    said = []
    for n in sorted({0, steps - 1}):
        answers = np.bincount(made.labels[:, n], minlength=len(classes))
        common, kinds = classes[int(answers.argmax())], np.count_nonzero(answers)
        said.append(
            f"After step {n + 1} all {count} draws give the same answer, {common}, which is "
            f"{'right' if right[n] else 'wrong'}"
            if kinds == 1
            else f"After step {n + 1} the {count} draws give {kinds} different answers; {100 * agree[n]:.0f} % of them "
            f"say {common}, and {100 * right[n]:.0f} % are right"
        )
    if steps > 1 and kinds > 1:
        said[-1] += ": it still depends on the draw"
    elif steps > 1 and agree[0] < 1:
        said[-1] += ": it does not depend on the draw any more"
    return ". ".join(said) + "."


def telling_draws(made: Answers, count: int) -> list[int]:
    """Draws worth looking at: one for each course of answers, the rare ones and the common ones in turn."""
    courses: dict[tuple[int, ...], list[int]] = {}
    for k, row in enumerate(made.labels.tolist()):
        courses.setdefault(tuple(row), []).append(k)
    ordered = sorted(courses.values(), key=len, reverse=True)
    chosen = [ordered[0], *ordered[:0:-1]][:count]  # the most common course, then the rarest ones
    return sorted(members[0] for members in chosen)


def course(made: Answers, k: int, classes: Sequence[str], label: int) -> str:
    """The answers of one draw, equal ones in a row said once: "3 → 8 ✓"."""
    row = made.labels[k].tolist()
    given = [classes[answer] for n, answer in enumerate(row) if n == 0 or answer != row[n - 1]]
    return " → ".join(given) + (" ✓" if row[-1] == label else " ✗")


def strip(pixels: np.ndarray, patches: np.ndarray, patch_size: int, scale: int) -> np.ndarray:
    """(H, W, 4) uint8: the image as seen so far after each step of one draw (N, S), side by side, unseen grey.

    What is read in a step has a frame around it.
    """
    size = pixels.shape[-1]
    image = np.broadcast_to(pixels.transpose(1, 2, 0), (size, size, 3))
    image = image.repeat(scale, axis=0).repeat(scale, axis=1)
    side, across, gap = patch_size * scale, size // patch_size, size * scale // 8
    tiles, seen = [], np.zeros((across, across), bool)
    for read in patches:
        seen.flat[read] = True
        tile = np.where(
            seen.repeat(side, 0).repeat(side, 1)[..., None], image, np.uint8(ImageColor.getrgb(colours.UNSEEN))
        )
        for patch in read:
            top, left = side * (patch // across), side * (patch % across)
            edge = max(1, side // 12)
            frame = tile[top : top + side, left : left + side]
            inner = frame[edge:-edge, edge:-edge].copy()
            frame[:] = ImageColor.getrgb(colours.ORANGE)
            frame[edge:-edge, edge:-edge] = inner
        opaque = np.full((*tile.shape[:2], 1), 255, np.uint8)
        tiles += [np.concatenate([tile, opaque], axis=2), np.zeros((size * scale, gap, 4), np.uint8)]
    return np.concatenate(tiles[:-1], axis=1)


# Who should choose


def policies(report: GlimpseReport) -> go.Figure:
    """Test accuracy after each step under each policy, with the 95 % interval over the test images."""
    figure = go.Figure()
    steps = report.steps
    cycle = report.patches // report.patches_per_step
    read = [min(n, cycle) * report.patches_per_step for n in range(1, steps + 1)]
    axis = steps_axis([count / report.patches for count in read])
    at_least = ", at least" if steps > cycle and read[-1] < report.patches else ""  # a new cycle may read the rest
    places = np.linspace(-0.12, 0.12, len(report.policies))
    for (policy, scores), shift in zip(report.policies.items(), places, strict=True):
        color, dash, symbol = _LINES[policy]
        mean = np.array([100 * each.mean for each in scores.accuracy])
        figure.add_scatter(
            x=np.arange(steps) + shift,  # side by side, or the bars would hide each other
            y=mean,
            error_y={
                "type": "data",
                "array": [100 * each.high for each in scores.accuracy] - mean,
                "arrayminus": mean - [100 * each.low for each in scores.accuracy],
                "thickness": 1.5,
                "width": 5,
            },
            mode="lines+markers",
            name=POLICIES[policy],
            line={"color": color, "dash": dash},
            marker={"symbol": symbol, "size": 8},
            hovertemplate=f"{POLICIES[policy]}: %{{y:.1f}} %<extra></extra>",
        )
    if control := report.control:
        figure.add_scatter(
            x=np.arange(len(control.accuracy)),
            y=[100 * each.mean for each in control.accuracy],
            mode="lines+markers",
            name="the random patches at once, no steps",
            line={"color": colours.VERMILLION, "dash": "dashdot"},
            marker={"symbol": "square-open", "size": 10},
            hovertemplate="at once: %{y:.1f} %<extra></extra>",
        )
    figure.update_xaxes(tickvals=list(range(steps)), ticktext=axis)
    name = f"supervision step,<br>and share of the image seen{at_least}"
    return styled(figure, name, "test accuracy, %", height=400)


def policies_alternative(report: GlimpseReport) -> str:
    """What that figure shows."""
    said = [
        f"{POLICIES[policy]} {100 * scores.accuracy[0].mean:.1f} % after step 1 and "
        f"{100 * scores.accuracy[-1].mean:.1f} % after step {len(scores.accuracy)}"
        for policy, scores in report.policies.items()
    ]
    return f"Test accuracy by who chooses the patches: {'; '.join(said)}. {at_once_words(report)}".strip()


def at_once_words(report: GlimpseReport) -> str:
    """What the gain over the steps is worth beside a model that is given as many patches at once; "" without one."""
    control = report.control
    if control is None:
        return ""
    steps, random = len(control.accuracy), report.policies["random"].accuracy
    theirs, own = ([f"{100 * each.mean:.1f}" for each in values] for values in (control.accuracy, random[:steps]))
    last = control.ahead[-1]
    if last.low > 0:
        judged = "So the steps are worth more than the patches that they see."
    elif last.high < 0:
        judged = "So the gain is that of seeing more patches; the steps add nothing to it here, they cost."
    else:
        judged = "So the gain is that of seeing more patches: what the steps add to it cannot be told from none."
    return (
        f"{control.name}, a {control.title} without memory or steps ({control.parameters:,} parameters), was "
        f"given the same random patches at once: {', '.join(theirs)} % with {_counts(control.patches)} patches, "
        f"where this model has {', '.join(own)} % after as many. The last differ by {signed(100 * last.mean)} points "
        f"(95 % interval {signed(100 * last.low)} to {signed(100 * last.high)}; one training each). {judged}"
    )


def _counts(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers[:-1])) + f" and {numbers[-1]}" if len(numbers) > 1 else str(numbers[0])


def policy_table(report: GlimpseReport) -> list[dict[str, Any]]:
    """One row per policy: its accuracies, in brackets the 95 % interval."""
    return [
        {
            "who chooses": POLICIES[policy],
            **{f"step {n + 1}, %": _with_interval(each) for n, each in enumerate(scores.accuracy)},
            "mean over steps, %": _with_interval(scores.anytime),
        }
        for policy, scores in report.policies.items()
    ]


def policy_halting_table(report: GlimpseReport) -> list[dict[str, Any]]:
    """One row per policy: what its halting is worth, what it costs, and how much the draws differ."""
    return [
        {
            "who chooses": POLICIES[policy],
            "steps used, mean": f"{scores.halted_steps:.2f}",
            "right, %": f"{100 * scores.halted_accuracy:.1f}",
            "AUROC of halting, all steps": "–" if (area := scores.pooled_auroc) is None else f"{area:.3f}",
            "all steps: right, %": f"{100 * scores.accuracy[-1].mean:.1f}",
            "all steps: multiply-adds, M": f"{scores.multiply_adds[-1] / 1e6:.1f}",
            "draws": "none" if scores.spread is None else str(len(scores.draws)),
            "largest spread over draws": "–" if scores.spread is None else f"± {100 * max(scores.spread):.1f}",
        }
        for policy, scores in report.policies.items()
    ]


def policies_provenance(checkpoint: str, config: Config, report: GlimpseReport) -> str:
    """What was measured, on what, and what the bars are of."""
    sizes = report.split_sizes
    return (
        f"Checkpoint {checkpoint} on {config.data.title}, test split, n = {sizes['test']:,}, every step run; random: "
        f"mean of the glimpse seeds {', '.join(map(str, report.seeds))}, training seed {report.training_seed}; "
        f"chance {100 / config.model.num_classes:.0f} %. Halting: threshold chosen on validation "
        f"(n = {sizes['val']:,}) under the same policy, applied once to test. Bars: 95 % bootstrap interval over the "
        "test images. They leave out what another training would change. All policies read "
        f"{report.patches_per_step} of {report.patches} patches a step; the model was trained with random "
        "glimpses only."
    )


def control_rows(file: Path) -> list[Row]:
    """The results in a table of `vitrm sweep glimpses`; [] where there is none. Raises RunError as `read_table`."""
    return read_table(file) if file.exists() else []


def control(rows: Sequence[Row]) -> go.Figure:
    """Test accuracy of each cell, one dot per training seed and the mean as a bar."""
    figure = go.Figure()
    names = [_short(row.column) for row in rows][::-1]
    for row in rows[::-1]:
        figure.add_scatter(
            x=row.each_seed,
            y=[_short(row.column)] * len(row.each_seed),
            mode="markers",
            marker={"color": colours.BLUE, "size": 11, "opacity": 0.75},
            hovertemplate="%{x:.2f} %<extra></extra>",
            showlegend=False,
        )
        figure.add_scatter(
            x=[row.accuracy],
            y=[_short(row.column)],
            mode="markers",
            marker={"symbol": "line-ns-open", "size": 26, "color": colours.VERMILLION, "line": {"width": 3}},
            hovertemplate="mean %{x:.2f} %<extra></extra>",
            showlegend=False,
        )
    figure.update_yaxes(categoryorder="array", categoryarray=names, automargin=True)
    return styled(figure, "test accuracy, %", "", height=110 + 62 * len(rows))


def _short(column: str) -> str:
    """What a cell is called, in lines short enough for a narrow screen."""
    return column.replace(": ", ":<br>").replace(", N", ",<br>N")


def control_provenance(rows: Sequence[Row]) -> str:
    """What was trained, on what, and what it does not say."""
    first, hours = rows[0], sum(row.hours for row in rows)
    return (
        f"{first.data}, test split, n = {first.test_images:,}, after the last trained step; "
        f"{first.seeds_done} training seeds each, glimpse seed 0. {first.parameters:,} parameters, {first.epochs[0]} "
        f"epochs of {first.epoch_images:,} images, one recipe for all ({hours:.1f} hours of training together, "
        f"{first.hardware}). Short trainings of a tiny model: what wins here need not win after a long one."
    )


def control_table(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """One row per cell."""
    return [
        {
            "what is read": row.column,
            "test accuracy, mean %": row.accuracy,
            "spread over seeds": "" if row.spread is None else str(row.spread),
            "each seed, %": percents(row.each_seed),
            "after each step, %": percents(row.accuracy_by_step),
            "multiply-adds, M": row.multiply_adds / 1e6,
        }
        for row in rows
    ]


def _with_interval(estimate: Estimate) -> str:
    return f"{100 * estimate.mean:.1f} ({100 * estimate.low:.1f} to {100 * estimate.high:.1f})"


def _agreement(made: Answers) -> np.ndarray:
    """(N,) the share of the draws that give the most common answer."""
    return np.array([np.bincount(step).max() for step in made.labels.T]) / len(made.labels)


def _shares(made: Answers, classes: Sequence[str], label: int) -> list[tuple[str, np.ndarray, str]]:
    """(name, share of the draws at each step, colour): the true class, the most frequent others, and the rest."""
    shares = np.stack([(made.labels == k).mean(axis=0) for k in range(len(classes))])  # (C, N)
    others = [k for k in np.argsort(-shares.sum(axis=1), kind="stable") if k != label and shares[k].any()]
    named = [label, *others[: SHOWN_CLASSES - 1]]
    found = [
        (f"{classes[k]}{' (true class)' if k == label else ''}", shares[k], color)
        for k, color in zip(named, colours.CLASSES, strict=False)
    ]
    rest = others[SHOWN_CLASSES - 1 :]
    return found + ([("others", shares[rest].sum(axis=0), colours.GREY)] if rest else [])
