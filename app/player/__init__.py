"""The recursion player: a trace on screen, moved through without a message to the server.

`payload` makes JSON values of a Trace; the files beside this one are the component: its HTML, CSS and JavaScript.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from app.player.payload import PANELS, payload
from vitrm.traces import Trace

__all__ = ["PANELS", "payload", "player"]


def _file(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


_component = st.components.v2.component(
    "vitrm_player",
    html=_file("player.html"),
    css=_file("player.css"),
    js="\n".join(map(_file, ("player.js", "panels.js"))),
)


def player(trace: Trace, key: str, panels: Sequence[str] = (), level: str = "supervision step") -> int:
    """Show the player for a trace; returns the position, in moves, where the learner last came to rest.

    `panels` adds views that follow the same position, any of `PANELS`; `level` is what "next" moves by at first.
    """
    data = payload(trace, panels) | {"level": level}
    result = _component(data=data, key=key, default={"position": 0}, on_position_change=lambda: None)
    return int(result.position or 0)
