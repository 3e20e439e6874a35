"""Hearing what the teacher does, from any page: the server is asked, and what it answers makes a browser follow."""

from __future__ import annotations

import streamlit as st

from app.component import read

# Not by `app.component.component`: its colours would travel with every answer, and nothing of this is seen.
_component = st.components.v2.component(
    "vitrm_pulse",
    html=read(__file__, "pulse.html"),
    css=read(__file__, "pulse.css"),
    js=read(__file__, "pulse.js"),
)


def pulse(key: str, *, seconds: float, code: str, act: int, go: str = "", said: str = "") -> None:
    """Run the fragment in which this stands every `seconds` while the page is looked at.

    `go` is the path to which act `act` of class `code` leads this browser, "" if nowhere; `said` is for screen readers.
    """
    count = st.session_state[f"{key}_beat"] = st.session_state.get(f"{key}_beat", 0) + 1
    data = {"beat": count, "seconds": seconds, "code": code, "act": act, "go": go, "said": said}
    health = f"/{st.get_option('server.baseUrlPath').strip('/')}/_stcore/health".replace("//", "/")
    _component(data=data | {"health": health}, key=key, on_beat_change=_heard)


def _heard() -> None:
    """Whatever the browser sends with it says nothing but that it asks."""
