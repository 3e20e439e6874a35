"""Small maps and images in rows, on one scale, as a Plotly figure. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app import colours

DIVERGING = "RdBu_r"
_COLUMNS, _ROW = 6, 116  # tiles in a row; its height in pixels, with the words under them


def heat(
    z: np.ndarray, low: float, high: float, *, what: str, scale: str = colours.SCALE, with_scale: bool = True
) -> go.Heatmap:
    """One map (rows, columns) on a scale from `low` to `high`; `what` is said beside the scale."""
    bar = {"title": {"text": what}}
    return go.Heatmap(z=z, zmin=low, zmax=high, colorscale=scale, showscale=with_scale, colorbar=bar)


def maps(
    each: Sequence[np.ndarray], names: Sequence[str], low: float, high: float, *, what: str, scale: str = colours.SCALE
) -> go.Figure:
    """Maps with a name under each; one scale serves for all."""
    tiles = [heat(z, low, high, what=what, scale=scale, with_scale=k == 0) for k, z in enumerate(each)]
    return tiled(tiles, names)


def tiled(tiles: Sequence[go.Heatmap | go.Image], names: Sequence[str]) -> go.Figure:
    """Maps or images with a name under each."""
    columns = min(len(tiles), _COLUMNS)
    rows = -(-len(tiles) // columns)
    figure = make_subplots(rows=rows, cols=columns)
    for k, (tile, name) in enumerate(zip(tiles, names, strict=True)):
        place = {"row": k // columns + 1, "col": k % columns + 1}
        figure.add_trace(tile.update(name=name), **place)
        figure.update_xaxes(title=name.replace(", ", "<br>"), showticklabels=False, **place)
        figure.update_yaxes(showticklabels=False, autorange="reversed", scaleanchor=f"x{k + 1 if k else ''}", **place)
    return figure.update_layout(height=30 + _ROW * rows, showlegend=False)
