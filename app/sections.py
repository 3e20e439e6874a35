"""What a page is laid out in: its head, and below the leading figure sections that are closed at first."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import state


class Section(NamedTuple):
    """One question that a page can answer besides its own."""

    name: str  # in a link: ?open=name
    title: str  # the question
    show: Callable[[], None]  # called only while the section is open: a closed one costs nothing


def head(title: str, lesson: str) -> DeltaGenerator:
    """The page's question, and what to know before looking; the place beside it, for the choice of a model."""
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    left.title(title)
    st.markdown(lesson)
    return right


def sections(*parts: Section) -> None:
    """All sections of a page, in this order; called once on a page, which has written its address before or after.

    Those that are open are in the session under `state.OPEN`, so in every address that `state` makes. One that a link
    names and the page does not have is said.
    """
    names = [part.name for part in parts]
    wanted = _opened()
    if missing := [name for name in wanted if name not in names]:
        st.warning(
            f"The link opens “{missing[0][:40]}”, which this page does not have. Its sections are: {', '.join(names)}."
        )
        _keep(name for name in wanted if name in names)
    for part in parts:
        _section(part)


def _section(part: Section) -> None:
    key = f"section_{part.name}"
    st.session_state[key] = part.name in _opened()

    def toggle() -> None:
        others = [name for name in _opened() if name != part.name]
        _keep([*others, part.name] if st.session_state[key] else others)

    box = st.expander(f"**{part.title}**", key=key, on_change=toggle)
    if box.open:
        with box:
            part.show()


def _opened() -> list[str]:
    return [name for name in st.session_state[state.OPEN].split(",") if name]


def _keep(names: Iterable[str]) -> None:
    st.session_state[state.OPEN] = ",".join(names)
