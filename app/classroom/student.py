"""The screen of a phone: join, predict, see what came out beside one's own prediction. Light: no model, no player."""

from __future__ import annotations

from functools import partial
from typing import Any

import streamlit as st

from app import state, visitors
from app.classroom import figures
from app.classroom.ask.ask import ask
from app.classroom.cache import classes
from app.classroom.classes import phone
from app.classroom.events import Classroom
from app.classroom.place import path_of
from app.classroom.said import do, say
from app.classroom.spread.spread import spread
from app.lessons.question import Question
from app.visitors import Visitor
from vitrm.errors import VitrmError


def show(visitor: Visitor) -> None:
    """What this visitor sees on the page of the class."""
    found = classes().of(visitor)
    _follow_link(found, visitor)
    if found is None:
        _join()
        return
    say()
    shown = {"waiting": _wait, "question": _ask, "result": _result, "led": _led}[found.stage]
    shown(found, visitor)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"Class {found.code}. Nobody sees who answered what.")
        st.button("Leave the class", on_click=_leave, key="class_leave", type="tertiary")


def _follow_link(found: Classroom | None, visitor: Visitor) -> None:
    """Join what the link, or the QR code, names, also from another class: it is the wish to, once."""
    tried = "class_tried"
    code = st.session_state[state.CODE]
    if code and st.session_state.get(tried) != code:
        st.session_state[tried] = code
        do(lambda: classes().join(code, visitor))
        if classes().of(visitor) != found:
            st.rerun()


def _join() -> None:
    st.title("Join your class")
    say()
    st.text_input("The code on the teacher's screen", key="class_code", max_chars=12, placeholder="four letters")
    st.button("Join", type="primary", on_click=_typed, key="class_join", width="stretch")
    st.caption("No name and no account: your answers carry no name, and are deleted when the class ends.")
    visitors.ask_for_code()


def _typed() -> None:
    code, visitor = st.session_state["class_code"], visitors.visitor()
    do(lambda: classes().join(code, visitor))


def _leave() -> None:
    visitor = visitors.visitor()
    do(lambda: classes().leave(visitor), "You have left the class; what you answered stays in it.")


def _wait(found: Classroom, visitor: Visitor) -> None:
    st.title("You are in")
    st.markdown("What the teacher asks appears here by itself. Until then look around: the way back is on every page.")


def _led(found: Classroom, visitor: Visitor) -> None:
    st.title("Look here")
    path = path_of(found.led_to, st.get_option("server.baseUrlPath"))
    st.html(f'<a href="{_escaped(path)}" target="_self">Open the page that the class looks at</a>')


def _ask(found: Classroom, visitor: Visitor) -> None:
    if _asked(found) is not None:
        st.fragment(_answer)(found.code, len(found.askings) - 1)


def _asked(found: Classroom) -> Question | None:
    """What is being asked, now on show; None, which is said, where this server does not know it."""
    try:
        question = classes().question(found.asking.question)
    except VitrmError as error:
        st.warning(str(error))
        return None
    st.subheader(question.text)
    return question


def _answer(code: str, asking: int) -> None:
    """In a fragment: an answer does not draw the page."""
    try:
        found = classes().get(code)
    except VitrmError:
        st.rerun()
    if asking != len(found.askings) - 1 or found.asking.revealed:
        st.rerun()
    question = classes().question(found.asking.question)
    stored = found.asking.answers.get(phone(found, visitors.visitor()))
    own = figures.answer_of(question, stored)
    press = "Send" if own is None else "Change my answer"
    ask(question, f"class_answer_{code}_{asking}", press=press, value=own, on_answer=partial(_send, code, asking))
    say()
    if own is not None:
        st.success(
            f"Your answer is with the teacher: {question.words(own)}. You may change it until all see the result."
        )


def _send(code: str, asking: int, value: Any) -> None:
    visitor = visitors.visitor()
    do(lambda: classes().answer(code, asking, value, visitor))


def _result(found: Classroom, visitor: Visitor) -> None:
    question = _asked(found)
    if question is None:
        return
    stored = found.asking.answers.get(phone(found, visitor))
    own, result = figures.answer_of(question, stored), figures.answer_of(question, found.asking.result)
    if own is None:
        st.markdown("You did not answer this one." + ("" if result is None else f" It is {question.words(result)}."))
    else:
        st.markdown(f"**{question.gap(own, result)}**" if result is not None else f"You said {question.words(own)}.")
    spread(figures.distribution(question, found.asking, stored), key=f"class_spread_{len(found.askings)}")
    if found.asking.measured:
        st.caption(found.asking.measured)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "%22").replace("<", "%3C")
