"""The open picture side by side with another, with another model, or with other numbers of steps."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace

import streamlit as st

from app import cache, inputs
from app.change import offered_counts
from app.figures import plain
from app.player.player import player
from app.uploads import figures
from app.uploads.tray import Given
from app.uploads.view import show_domain, trace, tray
from vitrm.errors import VitrmError

_PICTURE, _MODEL, _STEPS = "another picture", "another model", "other numbers of steps"


@dataclass(frozen=True)
class Other:
    """What stands on the right, side by side with the open picture."""

    given: Given
    change: str  # of the numbers of steps, see `parse_edit`
    title: str


def choose(given: Given) -> Other | None:
    """What the open picture is to be shown side by side with; None for nothing."""
    picture, config = given.picture, given.config
    others = {other.number: other for other in tray().pictures.values() if other.number != picture.number}
    models = _models(given)
    ways = [*([_PICTURE] if others else []), *([_MODEL] if models else []), _STEPS]
    way = st.segmented_control("Side by side with", ways, key="beside", help="Press it again to see one picture alone")
    if way == _PICTURE:
        number = st.selectbox(
            "The other picture", list(others), format_func=lambda n: others[n].name, key="other_picture"
        )
        return Other(replace(given, picture=others[number]), "", others[number].name)
    if way == _MODEL:
        name = st.selectbox("The other model", models, key="other_model")
        beside = inputs.checkpoint(name)
        return Other(Given(picture, beside, inputs.configuration(beside)), "", f"{picture.name}, model {name}")
    if way == _STEPS:
        offered = offered_counts(trace(given))
        trained = {
            "n": config.model.supervision_steps,
            "t": config.model.recursion_steps,
            "m": config.model.memory_steps,
        }
        names = {"n": "supervision steps", "t": "recursion steps", "m": "memory iterations"}
        chosen = {}
        with st.container(horizontal=True):
            for letter, label in names.items():
                start = 2 * trained[letter] if letter == "n" else trained[letter]
                key = f"other_{letter}"
                if st.session_state.get(key, start) not in offered[letter]:  # of another model
                    del st.session_state[key]
                options = offered[letter]
                chosen[letter] = st.selectbox(label.capitalize(), options, options.index(start), key=key, width=170)
        change = ";".join(f"{letter}{count}" for letter, count in chosen.items() if count != trained[letter])
        words = ", ".join(f"{count} {names[letter]}" for letter, count in chosen.items())
        return Other(given, change, f"{picture.name}, {words}")
    return None


def _models(given: Given) -> list[str]:
    """The other models that can be watched on a picture: not those that answer once, read mazes or are damaged."""
    found = []
    for name, each in cache.checkpoints().items():
        with contextlib.suppress(VitrmError):
            config = cache.facts(each)[0]
            if name != given.checkpoint.name and config.model.recurrent and config.data.mazes is None:
                found.append(name)
    return found


def show(given: Given, other: Other) -> None:
    """Two players in locked step, and where their answers first differ."""
    left = trace(given)
    try:
        right = trace(other.given, other.change)
    except VitrmError as error:
        st.error(f"The second run cannot be made: {plain(str(error))}")
        return
    differ = figures.divergence(left, right)
    st.markdown(plain(figures.divergence_words(left, right)))
    sides = [
        ("a", left, f"{given.picture.name}, model {given.checkpoint.name}", given),
        ("b", right, other.title, other.given),
    ]
    for column, (side, made, title, what) in zip(st.columns(2), sides, strict=True):
        marks = [] if differ is None else [(min(differ, len(made.logits) - 1), "first differ")]
        with column:
            player(made, key=f"own_player_{side}", title=title, together="own", marks=marks, name="side-by-side")
            show_domain(made, what)
    st.caption("Moving one moves the other to the same supervision step. A run that has ended stands by its answer.")
