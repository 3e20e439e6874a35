"""What a page is laid out in: its head, and below the leading figure sections that are closed at first."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from typing import NamedTuple

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import events, state
from app.figures import as_written
from app.present import present

_LED_TO = "led_to_section"  # in the session


class Section(NamedTuple):
    """One question that a page can answer besides its own."""

    name: str  # in a link: ?open=name
    title: str  # the question
    show: Callable[[], None]  # called only while the section is open: a closed one costs nothing
    short: str = ""  # the title in a word for whoever presents; without it this section is not presented


def head(title: str, lesson: str, beside: float = 0.25) -> DeltaGenerator:
    """The page's question, and what to know before looking; the place beside it, that share of a row, for a choice."""
    left, right = st.columns([1 - beside, beside], vertical_alignment="bottom")
    left.title(title)
    st.markdown(lesson)
    return right


def sections(*parts: Section, lead: str = "", others: Iterable[str] = ()) -> None:
    """All sections of a page, in this order; called once on a page, which has written its address before or after.

    Those that are open are in the session under `state.OPEN`, so in every address that `state` makes. One that a link
    names and the page does not have is said; `others` it has elsewhere (`closer`). With `lead`, what the page's leading
    figure is called, that figure and the sections can be presented; it stands in a container of the key `present.LEAD`.
    """
    _say_missing([*others, *(part.name for part in parts)])
    if lead:
        shows = {present.LEAD: st.empty} | {part.name: part.show for part in parts if part.short}
        present.bar({present.LEAD: lead} | {part.name: part.short for part in parts if part.short})
        if present.is_on():
            with present.stage():
                shows[present.chosen(shows)]()
            return
    for part in parts:
        _section(part)


def closer(label: str, parts: dict[str, str], others: Iterable[str] = ()) -> tuple[str, ...]:
    """The names of those of `parts` (name: title) that the learner, or a link, wants to see inside a figure.

    They are to a figure what sections are to a page: none at first, and named in a link by ?open=name; for a room with
    a beamer all are there, and its keys say which is on show. `others` are the names of the sections that the page has
    besides.
    """
    _say_missing([*parts, *others])
    st.session_state["closer"] = [name for name in parts if is_open(name)]

    def choose() -> None:
        for name in set(st.session_state["closer"]) - set(_opened()):
            events.happened("section opened", name=name)
        rest = [name for name in _opened() if name not in parts]
        _keep([*(name for name in parts if name in st.session_state["closer"]), *rest])

    st.pills(
        label,
        list(parts),
        selection_mode="multi",
        format_func=parts.get,
        key="closer",
        on_change=choose,
        label_visibility="collapsed",
    )
    return tuple(name for name in parts if is_open(name) or present.is_on())


def show(name: str) -> None:
    """Open a section."""
    if not is_open(name):
        _keep([*_opened(), name])


def lead_to(name: str) -> None:
    """Open a section and have the page scroll to it."""
    show(name)
    st.session_state[_LED_TO] = name, secrets.token_hex(4)


def led_to() -> tuple[str, str]:
    """The section that the page was last to scroll to, and a word of its own for that time; "" and "" for none."""
    return st.session_state.get(_LED_TO, ("", ""))


def is_open(name: str) -> bool:
    """Whether a section of that name is open."""
    return name in _opened()


def _section(part: Section) -> None:
    key = f"section_{part.name}"
    st.session_state[key] = part.name in _opened()

    def toggle() -> None:
        others = [name for name in _opened() if name != part.name]
        if st.session_state[key]:
            events.happened("section opened", name=part.name)
        _keep([*others, part.name] if st.session_state[key] else others)

    box = st.expander(f"**{part.title}**", key=key, on_change=toggle)
    if box.open:
        with box:
            part.show()


def _say_missing(names: list[str]) -> None:
    """Say which section a link names that there is not, and forget it."""
    if missing := [name for name in _opened() if name not in names]:
        st.warning(
            f"The link opens “{as_written(missing[0])}”, which this page does not have. "
            f"Its sections are: {', '.join(names)}."
        )
        _keep(name for name in _opened() if name in names)


def _opened() -> list[str]:
    return [name for name in st.session_state[state.OPEN].split(",") if name]


def _keep(names: Iterable[str]) -> None:
    st.session_state[state.OPEN] = ",".join(names)
