"""The book of the open lesson, on every page: `book()`.

The list of events lives in the browser (book.js), which keeps it in localStorage. Here follows from it how far the
learner is (`app.lessons.progress`), and what the book says next. It is a fragment of its own: the page does not run
again for it, and only events that the open leaf asks for are sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from app import state
from app.component import DRAWING, PICTURE, component
from app.events import MOST, Event, of_session, read
from app.figures import as_written
from app.lessons import progress
from app.lessons.course import asked_about, lessons, recalled
from app.lessons.lesson import Lesson, Result
from app.lessons.question import sent
from vitrm.errors import VitrmError

HTML, CSS = "book.html", ("../question.css", "book.css")
SCRIPTS = (DRAWING, PICTURE, "../prose.js", "../question.js", "../kept.js", "leaves.js")
_component = component("vitrm_book", __file__, html=HTML, css=CSS, js=(*SCRIPTS, "book.js"))
_KEY = "lesson_book"


def book() -> None:
    """Show the book of the lesson that the session or the link names; nothing where there is none."""
    key = st.session_state[state.LESSON]
    if key and key not in lessons():
        st.warning(f"There is no lesson “{as_written(key)}”. The lessons are: {', '.join(lessons())}.")
        st.session_state[state.LESSON] = key = ""
    if key:
        st.fragment(_open)(lessons()[key])


def _open(lesson: Lesson) -> None:
    if st.session_state[state.LESSON] != lesson.key:  # it has just been closed
        st.rerun()
    told = (st.session_state.get(_KEY) or {}).get("told")

    def close() -> None:
        st.session_state[state.LESSON] = ""

    _component(
        data=content(lesson, told, st.session_state.get(state.PAGE) or "watch"),
        key=_KEY,
        default={"told": None},
        on_told_change=lambda: None,
        on_close_change=close,
    )


def content(lesson: Lesson, told: Any, page: str) -> dict[str, Any]:
    """What the book is sent, for what the browser told of a lesson: {"events": [...], "leaf": number, from 0}."""
    told = told if isinstance(told, dict) and told.get("lesson") == lesson.key else {}
    said = told.get("events") if isinstance(told.get("events"), list) else []
    events, leaf = read(said), told.get("leaf")
    found = progress.leaves(lesson, events)
    leaf = leaf if isinstance(leaf, int) and 0 <= leaf < len(found) else 0
    return {
        "lesson": lesson.key,
        "number": lesson.number,
        "of": len(lessons()),
        "title": lesson.title,
        "counted": len(said[:MOST]),
        "heard": [event.sent() for event in of_session()],
        "leaf": leaf,
        "leaves": [
            {
                "kind": each.kind,
                "title": each.title,
                "done": each.done,
                "needs": each.needs,
                "address": _address(lesson, k),
            }
            for k, each in enumerate(found)
        ],
        "complete": progress.complete(found),
        "page": page,
        "body": _body(lesson, found[leaf], leaf, events),
    }


def _address(lesson: Lesson, leaf: int) -> str | None:
    """Where a leaf is read; None: wherever one is."""
    first = len(progress.leaves(lesson, ())) - len(lesson.stops) - 3  # the leaf of the first stop
    if leaf < first:
        return lesson.address
    stops = [*lesson.stops, None, lesson.fails.stop, None]
    stop = stops[leaf - first]
    return stop.link.address(**{state.LESSON: lesson.key}) if stop and stop.link else None


def _body(lesson: Lesson, leaf: progress.Leaf, number: int, events: Sequence[Event]) -> dict[str, Any]:
    """What stands on a leaf."""
    if leaf.kind == "recall":
        answers = progress.recall_answers(lesson, events)
        return {
            "questions": [
                {
                    "spec": sent(each.question),
                    "chosen": answers.get(each.question.key),
                    "right": each.right if each.question.key in answers else None,
                    "why": each.why if each.question.key in answers else "",
                }
                for each in recalled(lesson)
            ],
            "about": [each.key for each in asked_about(lesson)],
        }
    if leaf.kind == "predict":
        return {"text": lesson.text, "spec": sent(lesson.question), "value": progress.prediction(lesson, events)}
    if leaf.stop is not None:
        stop = leaf.stop
        left_out = stop.is_left_out(progress.since_opened(number, events))
        return {
            "text": stop.text,
            "then": "You go on without it." if left_out else stop.then,
            "hint": stop.hint,
            "control": stop.control,
            "without": stop.without,
        }
    if leaf.kind == "result":
        return _result(lesson, events)
    run = next((event["name"] for event in reversed(events) if event.kind == "training finished"), None)
    query = {name: value.replace("{run}", run or "digits") for name, value in lesson.keep.link.query.items()}
    following = next((each for each in lessons().values() if each.number == lesson.number + 1), None)
    return {
        "text": lesson.keep.text if run else lesson.keep.without or lesson.keep.text,
        "link": type(lesson.keep.link)(lesson.keep.link.page, query).address(),
        "next": following and {"title": following.title, "address": following.address},
        "all": "lessons",
    } | _result(lesson, events)


def _result(lesson: Lesson, events: Sequence[Event]) -> dict[str, Any]:
    value = progress.prediction(lesson, events)
    tried = progress.reasons(lesson, events)
    why = {
        "why": lesson.why,
        "reasons": [
            {"text": each.text, "answer": each.answer if k in tried else "", "right": k in tried and each.right}
            for k, each in enumerate(lesson.reasons)
        ],
    }
    try:
        result = measured(lesson, events)
    except VitrmError as error:
        return why | {"failed": f"It could not be measured here: {error}"}
    words = lesson.question.words(result.value)
    return why | {
        "spec": sent(lesson.question),
        "value": value,
        "result": result.value,
        "gap": f"It is {words}." if value is None else lesson.question.gap(value, result.value),
        "measured": result.words,
    }


def measured(lesson: Lesson, events: Sequence[Event]) -> Result:
    """What came out: measured once for everybody, or of the learner's own training. Raises VitrmError."""
    runs = tuple(event for event in events if event.kind == "training finished")
    return _measured(lesson.key, tuple(event["name"] for event in runs), runs)


@st.cache_data(max_entries=64, show_spinner=False)
def _measured(key: str, runs: tuple[str, ...], _events: tuple[Event, ...]) -> Result:
    return lessons()[key].measure(_events)
