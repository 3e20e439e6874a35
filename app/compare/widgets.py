"""Widgets that the parts of the page share."""

from __future__ import annotations

import plotly.graph_objects as go
import streamlit as st

from app import colours
from app.printed import view as printed


def chart(figure: go.Figure, words: str, key: str) -> None:
    """A figure that is said in `words` to those who cannot see it."""
    dark = st.context.theme.type == "dark"
    ink = colours.DARK_INK if dark else colours.INK  # names beside points are to be read, not grey
    figure.update_traces(textfont={"color": ink, "size": 12}, selector={"type": "scatter"})
    printed.chart(figure, key=key, alt=words)
