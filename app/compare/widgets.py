"""Widgets that the parts of the page share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import plotly.graph_objects as go
import streamlit as st


def select(
    label: str,
    options: Sequence[Any],
    key: str,
    *,
    words: Callable[[Any], str] = str,
    shown: Any = None,
    buttons: bool = False,
) -> Any:
    """A selection whose value is the session's `key`, in which a link may have put it; `shown` stands for its ""."""
    widget = f"{key}_choice"
    st.session_state[widget] = st.session_state[key] or shown

    def take() -> None:
        if st.session_state[widget] is not None:  # a segmented control can be switched off
            st.session_state[key] = st.session_state[widget]

    make = st.segmented_control if buttons else st.selectbox
    make(label, options, format_func=words, key=widget, on_change=take)
    return st.session_state[key] or shown


def chart(figure: go.Figure, words: str, key: str) -> None:
    """A figure that is said in `words` to those who cannot see it."""
    ink = "#e8ecf2" if st.context.theme.type == "dark" else "#1a1f2b"  # names beside points are to be read, not grey
    figure.update_traces(textfont={"color": ink, "size": 12}, selector={"type": "scatter"})
    st.plotly_chart(figure, key=key, width="stretch", alt=words, config={"displayModeBar": False})
