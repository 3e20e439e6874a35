"""The player itself: `player(...)` shows a trace, `choices(...)` tells where the learner is in it.

The files beside this one are the component; `app.player.payload` makes JSON values of the trace for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from app import state
from app.attention.attribution import Attribution
from app.component import DRAWING, PICTURE, TRACE, component, read
from app.player.cells import Cells
from app.player.payload import payload
from vitrm.traces.trace import Trace


@dataclass(frozen=True)
class Choices:
    """What the learner has chosen inside a player."""

    position: int | None = None  # in moves made, where it last came to rest; 0 is before the first
    view: str = ""  # "layer.head.token.patch" of the attention panel
    edit: str = ""  # see `app.change.parse_edit`
    threshold: float | None = None  # for halting; None: the model's own


FIGURES = ("look", "answer", "curves")  # of every player, beside its panels
SCRIPTS = (
    *(TRACE, DRAWING, PICTURE),
    *(f"js/{part}.js" for part in ("guess", "present", "chart", "focus", "player", "glimpses", "equations")),
    *(f"js/{part}.js" for part in ("memory", "attention", "attribution", "edits", "cells")),
)
_PRESENT = read(__file__, "present.css")
_component = component("vitrm_player", __file__, html="player.html", css="player.css", js=(*SCRIPTS, "js/component.js"))


def player(
    trace: Trace,
    key: str,
    *,
    panels: Sequence[str] = (),
    level: str = "supervision step",
    chosen: Choices = Choices(),
    edited: Trace | None = None,
    attribution: Attribution | None = None,
    cells: Cells | None = None,
    title: str = "",
    name: str = "",
    together: str = "",
    marks: Sequence[tuple[int, str]] = (),
    predict: bool = False,
    ask: bool = False,
    address: Mapping[str, str | None] | None = None,
) -> None:
    """Show the player for a trace; `choices(key)` tells what was chosen in it.

    `panels` adds views that follow the same position, any of `app.player.payload.PANELS`; `level` is what "next" moves
    by at first; `chosen` is where it starts; `edited` is the trace under `chosen.edit`; `title` stands above it; `name`
    is what a saved picture is called. `cells` is what the cells panel shows of a maze. Players with the same `together`
    move in step: the same supervision step in each.
    `marks` are (supervision step from 0, text) pairs, drawn into the curves.
    With `predict` it opens before the first step, and shows nothing of steps that the learner has not been to; with
    `ask` the true class is hidden, too, until the learner has guessed it or asked for it.
    `address` is what the page's address says besides these choices (None: nothing about this name); a player that is
    given none leaves the address alone.
    """
    if key not in st.session_state:  # about to appear: later choices are its own, and must not change what it is sent
        st.session_state[f"{key}_start"] = chosen
    start = st.session_state[f"{key}_start"]
    data = payload(trace, panels, chosen.edit, edited, attribution, cells=cells) | {
        "level": level,
        "predict": predict,
        "ask": ask,
        "title": title,
        "name": name or key,
        "together": together,
        "marks": [{"step": step, "text": text} for step, text in marks],
        "start": start.position,
        "view": start.view,
        "chosenThreshold": start.threshold,
        "address": None,
    }
    if address is not None:
        own = {name: st.session_state[name] or None for name in (state.PRESENT, state.PANELS)}
        data |= {"address": dict(address) | own}

    presenting = st.session_state[state.PRESENT] == "1" and not together
    there, usual = showable(trace, panels)
    shown, unknown = shown_panels(st.session_state[state.PANELS], there)
    if presenting:
        st.html(f"<style>{_PRESENT.replace('PLAYER', key)}</style>")
        if unknown and key not in st.session_state:
            names = ", ".join(f"“{name[:20]}”" for name in unknown)
            st.warning(f"The link names {names} to be on show; here there are {', '.join(there)}.")
    data |= {"present": presenting, "onShow": shown, "showable": {"there": there, "usual": usual}}

    def present() -> None:
        st.session_state[state.PRESENT] = "1" if st.session_state[key].get("present") else ""

    def choose_panels() -> None:
        st.session_state[state.PANELS] = shown_panels(str(st.session_state[key].get("shown") or ""), there)[0]

    _component(
        data=data,
        key=key,
        default={"position": start.position, "view": start.view, "edit": start.edit, "threshold": start.threshold},
        on_position_change=lambda: None,
        on_view_change=lambda: None,
        on_edit_change=lambda: None,
        on_threshold_change=lambda: None,
        on_present_change=present,
        on_shown_change=choose_panels,
    )


def showable(trace: Trace, panels: Sequence[str]) -> tuple[list[str], list[str]]:
    """What can be on show alone, of a player with these panels, and what of it usually is."""
    more = [panel for panel in panels if panel not in {"attention", "maps", "equations", "curves"}]
    if "equations" in panels:  # they stand in place of the curves, which are a panel there
        usual = ["look", "answer", "equations"]
        return [*usual, *(panel for panel in panels if panel == "curves"), *more], usual
    if "attention" in panels and trace.patch_attention is not None:  # it stands in place of the image
        return ["attention", "answer", *more], ["attention", "answer"]
    return [*FIGURES, *more], [*FIGURES]


def shown_panels(text: str, there: Sequence[str]) -> tuple[str, list[str]]:
    """What a link names, "look,memory", of what is there, in its order; and what it names beside that."""
    named = [part for part in text.split(",") if part]
    return ",".join(name for name in there if name in named), [name for name in named if name not in there]


def choices(key: str, start: Choices) -> Choices:
    """What has been chosen in the player `key`; `start` before it has been shown."""
    kept = st.session_state.get(key)
    if kept is None:
        return start
    return Choices(kept.get("position"), kept.get("view") or "", kept.get("edit") or "", kept.get("threshold"))
