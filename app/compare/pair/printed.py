"""Two models on one image, for a paper. Pure: what they made of it in, a Plotly figure out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app import colours
from app.compare.pair.answers import Answer
from vitrm.traces.trace import Trace

SHOWN = 4  # classes with a line of their own


def pair(names: Sequence[str], runs: Sequence[Trace | Answer]) -> go.Figure:
    """The probability of the likeliest classes after each supervision step, one model above the other.

    A class has one colour in both. A model that answers once has a point for each class, after its only step.
    """
    probs = [_by_step(run) for run in runs]
    figure = make_subplots(rows=len(runs), cols=1, shared_xaxes=True)
    for k, shown in enumerate(_likeliest(runs, probs)):
        dash = ("solid", "dash", "dot", "dashdot")[k]
        for row, (run, found) in enumerate(zip(runs, probs, strict=True), start=1):
            if shown not in run.class_names:
                continue
            figure.add_scatter(
                x=1 + np.arange(len(found)),
                y=found[:, run.class_names.index(shown)],
                mode="lines+markers",
                name=shown,
                legendgroup=shown,
                showlegend=not any(shown == each.name for each in figure.data),
                line={"color": colours.CLASSES[k], "dash": dash},
                row=row,
                col=1,
            )
    longest = max(map(len, probs))
    for row, name in enumerate(names, start=1):
        figure.update_yaxes(title=name[:24], range=[0, 1.03], row=row, col=1)
        figure.update_xaxes(range=[0.8, longest + 0.2], dtick=1 if longest <= 16 else None, row=row, col=1)
    figure.update_xaxes(title="supervision step (upwards: class probability)", row=len(names), col=1)
    return figure.update_layout(height=520)


def _by_step(run: Trace | Answer) -> np.ndarray:
    """(steps, classes) probabilities."""
    return run.probs[None] if isinstance(run, Answer) else run.probs[:, -1, -1]


def _likeliest(runs: Sequence[Trace | Answer], probs: Sequence[np.ndarray]) -> list[str]:
    """The classes that either model ever held likeliest, and the true one; at most `SHOWN`, the surest first."""
    peak: dict[str, float] = {}
    for run, found in zip(runs, probs, strict=True):
        for name, most in zip(run.class_names, found.max(axis=0), strict=True):
            peak[name] = max(peak.get(name, 0.0), float(most))
    ranked = sorted(peak, key=lambda name: -peak[name])
    true = {run.class_names[run.label] for run in runs if run.label is not None}
    kept = ranked[: SHOWN - len(true - set(ranked[:SHOWN]))]
    return kept + [name for name in ranked if name in true and name not in kept]
