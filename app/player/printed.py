"""What a player shows of a trace, as figures for a paper. Pure: a trace in, a Plotly figure out.

Not here: the equations with their source, and the table of an edit: these are text, which a paper typesets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app import colours
from app.attention.attribution import METHODS, Attribution
from app.player.cells import Cells, wave
from app.player.payload import principal_plane
from app.printed.tiles import DIVERGING, heat, maps, tiled
from vitrm.traces.rollout import rollout
from vitrm.traces.trace import Trace

SHOWN = 5  # classes with a line of their own, as in the player
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash")


def figures(
    trace: Trace, panels: Sequence[str], attribution: Attribution | None = None, cells: Cells | None = None
) -> dict[str, Callable[[], go.Figure]]:
    """All that a player with these panels shows, by name; each is made when it is asked for."""
    made: dict[str, Callable[[], go.Figure]] = {
        "Answer, halting and change over all updates": lambda: curves(trace),
        "What it had seen and answered after each step": lambda: seen(trace),
    }
    if "memory" in panels:
        made["Similarity of memory tokens after each step"] = lambda: similarity(trace)
        made["Paths of the memory tokens"] = lambda: paths(trace)
    if "attention" in panels and trace.patch_attention is not None:
        made["Attention to the patches after each step, mean of heads and tokens"] = lambda: attention(trace)
        made["Rollout: what had reached the answer after each step"] = lambda: reached(trace)
    if "attribution" in panels and attribution is not None:
        made["Attribution of the last answer after the last step"] = lambda: attributed(trace, attribution)
    if "cells" in panels and cells is not None:
        for k, each in enumerate(cells.maps):
            made[f"Map {k + 1} by cell after each step: {each.name}"] = lambda k=k: cell_maps(trace, cells, k)
            made[f"Wave {k + 1} by true distance: {each.name}"] = lambda k=k: cell_wave(trace, cells, k)
    return made


def curves(trace: Trace) -> go.Figure:
    """Class probabilities, halting probability and change per update, over all read-outs."""
    figure = make_subplots(rows=3, cols=1, row_heights=[0.5, 0.25, 0.25])
    probs = trace.probs.reshape(-1, trace.probs.shape[-1])
    x = (1 + np.arange(len(probs))) * len(trace.halt_logit) / len(probs)  # in supervision steps
    for k, c in enumerate(_most(trace)):
        figure.add_scatter(
            x=x, y=probs[:, c], mode="lines", name=trace.class_names[c],
            line={"color": colours.CLASSES[k], "dash": _DASHES[k]}, row=1, col=1,
        )  # fmt: skip
    line = {"color": colours.Y}
    figure.add_scatter(x=x, y=trace.halt_prob.ravel(), mode="lines", name="halting", line=line, row=2, col=1)
    figure.add_hline(y=trace.halt_threshold, line={"color": colours.INK, "dash": "dash", "width": 1}, row=2, col=1)
    line = {"color": colours.Z}
    figure.add_scatter(x=x, y=trace.memory_change.ravel(), mode="lines", name="change of z", line=line, row=3, col=1)
    line = {"color": colours.Y, "dash": "dash"}
    figure.add_scatter(x=x, y=trace.answer_change.ravel(), mode="lines", name="change of y", line=line, row=3, col=1)
    for row, title in enumerate(("class probability", "halting probability", "change"), 1):
        figure.update_yaxes(title=title, range=[0, 1.03] if row < 3 else None, row=row, col=1)
        figure.update_xaxes(range=[0, len(trace.halt_logit) + 0.05], row=row, col=1)
    figure.update_xaxes(title="supervision step", row=3, col=1)
    return figure.update_layout(height=640)


def seen(trace: Trace) -> go.Figure:
    """The image after each supervision step, unseen patches greyed, over the answer given then."""
    rgb = (trace.pixels if len(trace.pixels) == 3 else trace.pixels.repeat(3, axis=0)).transpose(1, 2, 0)
    size, patch = rgb.shape[0], trace.patch_size
    grey = np.array([int(colours.UNSEEN[k : k + 2], 16) for k in (1, 3, 5)])
    tiles, names = [], []
    for n in range(len(trace.patches)):
        known = np.zeros((size // patch) ** 2, bool)
        known[trace.patches[: n + 1].ravel()] = True
        covered = ~known.reshape(size // patch, -1).repeat(patch, 0).repeat(patch, 1)
        tile = rgb.astype(float)
        tile[covered] = 0.18 * tile[covered] + 0.82 * grey
        best = int(trace.probs[n, -1, -1].argmax())
        sure = f"{100 * trace.probs[n, -1, -1, best]:.0f} %"
        tiles.append(go.Image(z=tile.round()))
        names.append(f"{n + 1}: {trace.class_names[best]}, {sure}")
    return tiled(tiles, names)


def similarity(trace: Trace) -> go.Figure:
    """Cosine between memory tokens (K, K) after each supervision step."""
    states = trace.memory[:, -1, -1]
    unit = states / np.maximum(np.linalg.norm(states, axis=-1, keepdims=True), 1e-12)
    return _by_step(unit @ unit.swapaxes(-1, -2), -1, 1, "cosine", DIVERGING)


def paths(trace: Trace) -> go.Figure:
    """The way of each memory token in the plane that shows most of it, from its learned start to the last update."""
    states = trace.memory.reshape(-1, *trace.memory.shape[3:])
    plane, share = principal_plane(np.concatenate([trace.initial_memory[None], states]))  # (1 + R, K, 2)
    figure = go.Figure()
    for k, way in enumerate(plane.swapaxes(0, 1)):
        line = {"color": colours.Z, "width": 1.5}
        figure.add_scatter(x=way[:, 0], y=way[:, 1], mode="lines", name=f"token {k + 1}", line=line, showlegend=False)
    for name, at, symbol in (("learned start", plane[0], "circle-open"), ("last update", plane[-1], "circle")):
        marker = {"color": colours.Z, "symbol": symbol, "size": 9}
        figure.add_scatter(x=at[:, 0], y=at[:, 1], mode="markers", name=name, marker=marker)
    figure.update_xaxes(title=f"first component, {100 * share[0]:.0f} % of the variance")
    figure.update_yaxes(title=f"second, {100 * share[1]:.0f} %", scaleanchor="x")
    return figure.update_layout(height=480)


def attention(trace: Trace) -> go.Figure:
    """Attention of the last layer to the patches read in each supervision step, at its last memory update."""
    across = trace.pixels.shape[-1] // trace.patch_size
    weights = trace.patch_attention[:, -1, -1, -1].mean(axis=(1, 2))  # (N, S): mean of heads and memory tokens
    read = np.full((len(weights), across**2), np.nan)
    np.put_along_axis(read, trace.patches, 100 * weights, axis=1)
    return _by_step(read.reshape(-1, across, across), 0, float(np.nanmax(read)), "attention, %")


def reached(trace: Trace) -> go.Figure:
    """How much of the answer can have come from each patch after each supervision step, by rollout."""
    across = trace.pixels.shape[-1] // trace.patch_size
    shares = 100 * rollout(trace)[:, -1, -1].reshape(-1, across, across)
    return _by_step(shares, 0, float(shares.max()), "rollout, %")


def attributed(trace: Trace, attribution: Attribution) -> go.Figure:
    """One map for each method after the last step, each as a share of its own largest value."""
    across = trace.pixels.shape[-1] // trace.patch_size
    shares = [values / max(float(np.abs(values).max()), 1e-12) for values in (attribution.maps[m][-1] for m in METHODS)]
    names = [method.title for method in METHODS.values()]
    each = [share.reshape(across, across) for share in shares]
    return maps(each, names, -1, 1, what="share of the largest", scale=DIVERGING)


def cell_maps(trace: Trace, cells: Cells, which: int) -> go.Figure:
    """A map by cell after each supervision step."""
    each, across = cells.maps[which], round(cells.codes.size**0.5)
    ends = each.values.reshape(len(trace.halt_logit), -1, across, across)[:, -1]
    scale = DIVERGING if each.scale == "diverging" else colours.SCALE
    return _by_step(ends, each.low, each.high, each.unit or "value", scale)


def cell_wave(trace: Trace, cells: Cells, which: int) -> go.Figure:
    """The mean of a map over cells equally far from the start (rows), at every memory update (columns)."""
    each = cells.maps[which]
    known, means = wave(each.values, cells)
    scale = DIVERGING if each.scale == "diverging" else colours.SCALE
    drawn = heat(means, each.low, each.high, what=each.unit or "mean", scale=scale)
    drawn.update(x=1 + np.arange(means.shape[1]), y=["none" if d < 0 else str(d) for d in known])
    figure = go.Figure(drawn)
    figure.update_xaxes(title="memory update")
    figure.update_yaxes(title="true distance", type="category", autorange="reversed")
    return figure.update_layout(height=360)


def _most(trace: Trace) -> list[int]:
    peak = trace.probs.reshape(-1, trace.probs.shape[-1]).max(axis=0)
    return np.argsort(-peak, kind="stable")[:SHOWN].tolist()


def _by_step(each: np.ndarray, low: float, high: float, what: str, scale: str = colours.SCALE) -> go.Figure:
    return maps(list(each), [f"step {n + 1}" for n in range(len(each))], low, high, what=what, scale=scale)
