"""A question as the lessons ask it, with a button: what is chosen stays in the browser until that is pressed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from app.classroom.figures import letter
from app.component import DRAWING, component
from app.lessons import question as asked
from app.lessons.question import Answer, Choice, Question

_FILES = asked.__file__.removesuffix("question.py")
_component = component(
    "vitrm_ask",
    __file__,
    html="ask.html",
    css=(f"{_FILES}question.css", "ask.css"),
    js=(DRAWING, f"{_FILES}question.js", "ask.js"),
)


def ask(question: Question, key: str, *, press: str, value: Answer | None, on_answer: Callable[[Any], None]) -> None:
    """Show a question with a button `press`, beginning with `value`; `on_answer` is told whatever the browser sends."""

    def take() -> None:
        on_answer((st.session_state.get(key) or {}).get("answer"))

    spec = asked.sent(question)
    if isinstance(question, Choice):  # called by their letters, as on the teacher's screen
        spec["options"] = [f"{letter(k)}  {option}" for k, option in enumerate(question.options)]
    _component(data={"spec": spec, "value": value, "press": press}, key=key, on_answer_change=take)
