"""Present, on a page whose leading figure is no player: `chosen` says what is on show, `bar` moves from one to another.

A player presents itself (`app.player`). What is on show stands in the link: ?present=1&panels=NAME.
"""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from app import state
from app.component import DRAWING, component, read
from app.figures import as_written

LEAD = "lead"  # key of the container of a page's leading figure, and its name in a link
_STAGE = "stage"
_CSS = read(__file__, "present.css")
_component = component("vitrm_present", __file__, html="bar.html", css="bar.css", js=(DRAWING, "bar.js"))


def is_on() -> bool:
    """Whether the page is being presented."""
    return st.session_state.get(state.PRESENT) == "1"


def chosen(panels: Mapping[str, str]) -> str:
    """Which of `panels` (name: title; the leading figure, then sections) is on show; one that is not there is said."""
    name = st.session_state[state.PANELS] or LEAD
    if name not in panels:
        st.warning(f"The link names “{as_written(name)}” to be on show; here there are {', '.join(panels)}.")
        name, st.session_state[state.PANELS] = LEAD, ""
    return name


def bar(panels: Mapping[str, str]) -> None:
    """The button Present; while presenting the names of `panels`, with their keys, the one that is `chosen` marked."""

    def take() -> None:
        sent = st.session_state["present_bar"]
        if "present" in sent and sent["present"] is not None:
            st.session_state[state.PRESENT] = "1" if sent["present"] else ""
            st.session_state[state.PANELS] = ""
        if sent.get("panel") in panels:
            st.session_state[state.PANELS] = "" if sent["panel"] == LEAD else sent["panel"]

    on = is_on()
    now = chosen(panels) if on else ""
    if on:
        st.html(f"<style>{_CSS.replace('SHOWN', LEAD if now == LEAD else _STAGE)}</style>")
    address = {name: st.session_state[name] or None if on else None for name in (state.PRESENT, state.PANELS)}
    _component(
        data={"on": on, "panels": list(panels.items()), "now": now, "address": address},
        key="present_bar",
        on_present_change=take,
        on_panel_change=take,
    )


def stage() -> st.delta_generator.DeltaGenerator:
    """Where a section is shown that is presented."""
    return st.container(key=_STAGE)
