"""The recursion player: a trace on screen, moved through without a message to the server.

`payload` makes JSON values of a Trace; the files beside this one are the component: its HTML, CSS and JavaScript.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from app.player.payload import PANELS, parse_edit, payload
from vitrm.traces import Trace

__all__ = ["PANELS", "Choices", "choices", "parse_edit", "payload", "player"]


@dataclass(frozen=True)
class Choices:
    """What the learner has chosen inside a player."""

    position: int | None = None  # in moves, where it last came to rest
    view: str = ""  # "layer.head.token.patch" of the attention panel
    edit: str = ""  # see `parse_edit`


def _file(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


_component = st.components.v2.component(
    "vitrm_player",
    html=_file("player.html"),
    css=_file("player.css"),
    js="\n".join(map(_file, ("player.js", "panels.js"))),
)


def player(
    trace: Trace,
    key: str,
    *,
    panels: Sequence[str] = (),
    level: str = "supervision step",
    chosen: Choices = Choices(),
    edited: Trace | None = None,
    address: Mapping[str, str | None] | None = None,
) -> None:
    """Show the player for a trace; `choices(key)` tells what was chosen in it.

    `panels` adds views that follow the same position, any of `PANELS`; `level` is what "next" moves by at first;
    `chosen` is where it starts; `edited` is the trace under `chosen.edit`;
    `address` is what the page's address says besides these choices (None: nothing about this name).
    """
    if key not in st.session_state:  # about to appear: later choices are its own, and must not change what it is sent
        st.session_state[f"{key}_start"] = chosen
    start = st.session_state[f"{key}_start"]
    data = payload(trace, panels, chosen.edit, edited)
    data |= {"level": level, "start": start.position, "view": start.view, "address": dict(address or {})}
    _component(
        data=data,
        key=key,
        default={"position": start.position, "view": start.view, "edit": start.edit},
        on_position_change=lambda: None,
        on_view_change=lambda: None,
        on_edit_change=lambda: None,
    )


def choices(key: str, start: Choices) -> Choices:
    """What has been chosen in the player `key`; `start` before it has been shown."""
    kept = st.session_state.get(key)
    if kept is None:
        return start
    return Choices(kept.get("position"), kept.get("view") or "", kept.get("edit") or "")
