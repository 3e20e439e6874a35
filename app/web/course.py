"""The lessons on the site: what each says, where its stops are read, and what came out when the site was written."""

from __future__ import annotations

from typing import Any

from app import state
from app.lessons import progress
from app.lessons.book.book import measured
from app.lessons.course import asked_about, lessons, recalled
from app.lessons.lesson import Lesson, Link, Stop
from app.lessons.question import sent
from app.web.recordings import needs_app, place
from vitrm.errors import VitrmError

_SHELF = "lessons"  # the page that has a lesson's book where it leads to none of the others


def course() -> list[dict[str, Any]]:
    """Every lesson as a JSON value for lessons.js."""
    return [_lesson(each) for each in lessons().values()]


def address(link: Link | None, lesson: str = "") -> str | None:
    """Where a link of a lesson leads on the site; None where it takes the app."""
    found = link and place(link)
    if not found:
        return None
    page, name = found
    query = "&".join(f"{key}={value}" for key, value in (("show", name), (state.LESSON, lesson)) if value)
    return f"{page}.html{'?' * bool(query)}{query}"


def _lesson(lesson: Lesson) -> dict[str, Any]:
    start = address(lesson.start, lesson.key) or f"{_SHELF}.html?{state.LESSON}={lesson.key}"
    return {
        "key": lesson.key,
        "number": lesson.number,
        "title": lesson.title,
        "address": start,
        "leaves": [_leaf(lesson, each, start) for each in progress.leaves(lesson, ())],
        "text": lesson.text,
        "spec": sent(lesson.question),
        "recall": [{"spec": sent(each.question), "right": each.right, "why": each.why} for each in recalled(lesson)],
        "about": [each.key for each in asked_about(lesson)],
        "why": lesson.why,
        "reasons": [{"text": each.text, "answer": each.answer, "right": each.right} for each in lesson.reasons],
        "keep": {"text": lesson.keep.without or lesson.keep.text, "link": address(lesson.keep.link)},
    } | _result(lesson)


def _leaf(lesson: Lesson, leaf: progress.Leaf, start: str) -> dict[str, Any]:
    stop = leaf.stop
    where = start if leaf.kind in ("recall", "predict") else None
    if stop and not needs_app(stop):
        where = address(stop.link, lesson.key)
    return {"kind": leaf.kind, "title": leaf.title, "address": where} | ({"stop": _stop(stop)} if stop else {})


def _stop(stop: Stop) -> dict[str, Any]:
    return {
        "text": stop.text,
        "then": stop.then,
        "hint": stop.hint,
        "control": stop.control,
        "done": [did.sent() for did in stop.done],
        "needs": needs_app(stop),
    }


def _result(lesson: Lesson) -> dict[str, Any]:
    try:
        result = measured(lesson, ())
    except VitrmError as error:
        return {"failed": f"It could not be measured where these pages were written: {error}"}
    return {
        "result": result.value,
        "is": lesson.question.words(result.value),
        "measured": result.words.replace("just now", "when these pages were written"),
    }
