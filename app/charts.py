"""How every Plotly figure is laid out. Pure, no streamlit."""

from __future__ import annotations

import plotly.graph_objects as go


def styled(
    figure: go.Figure, x: str = "", y: str = "", *, height: int = 340, top: int = 10, right: int = 10
) -> go.Figure:
    """With axes of these names, little margin, and the legend above; `height`, `top` and `right` in pixels."""
    figure.update_layout(
        height=height,
        margin={"l": 10, "r": right, "t": top, "b": 10},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
    )
    if x:
        figure.update_xaxes(title=x)
    if y:
        figure.update_yaxes(title=y)
    return figure
