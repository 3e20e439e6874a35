"""Widgets that the parts of the page share."""

from __future__ import annotations

import plotly.graph_objects as go
import streamlit as st


def chart(figure: go.Figure, words: str, key: str) -> None:
    """A figure that is said in `words` to those who cannot see it."""
    ink = "#e8ecf2" if st.context.theme.type == "dark" else "#1a1f2b"  # names beside points are to be read, not grey
    figure.update_traces(textfont={"color": ink, "size": 12}, selector={"type": "scatter"})
    st.plotly_chart(figure, key=key, width="stretch", alt=words, config={"displayModeBar": False})
