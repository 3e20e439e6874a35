"""What stands on paper, as a JSON value for sheet.js: nothing is written here that a lesson does not say."""

from __future__ import annotations

from typing import Any

import numpy as np

from app import cache, state
from app.classroom.address import qr
from app.classroom.questions import FIVE
from app.component import encoded
from app.lessons import progress
from app.lessons.book.book import measured
from app.lessons.course import lessons, recalled
from app.lessons.lesson import Lesson, Link, Stop
from app.lessons.question import sent
from app.mazes.maze import Maze, answer_words
from app.player.cells import cell_colours
from vitrm.config.mazes import COLOURS
from vitrm.errors import VitrmError

WORKSHEET, SOLUTIONS, TEST = KINDS = ("worksheet", "solutions", "test")
TITLES = {WORKSHEET: "Worksheet", SOLUTIONS: "Solutions", TEST: "Test of five questions"}


def content(kind: str, base: str | None = None) -> dict[str, Any]:
    """A sheet of `KINDS`; `base` is what the addresses of this server begin with, for those who have the paper alone.

    What is right, and what came out, is in the solutions only.
    """
    solved = kind == SOLUTIONS
    return {
        "kind": kind,
        "title": TITLES[kind],
        "lessons": [] if kind == TEST else [_lesson(each, solved, base) for each in lessons().values()],
        "test": [] if kind == WORKSHEET else [_asked(each.question, each.result, solved) for each in FIVE],
    }


def _lesson(lesson: Lesson, solved: bool, base: str | None) -> dict[str, Any]:
    address = lesson.address.removeprefix("./")
    link = f"{base}/{address}" if base else ""
    return {
        "number": lesson.number,
        "of": len(lessons()),
        "title": lesson.title,
        "text": lesson.text,
        "spec": sent(lesson.question),
        "link": link or f"/{address}",
        "qr": qr(link) if link else "",
        "headings": {leaf.kind: leaf.title for leaf in progress.leaves(lesson, ())},
        "recall": [_asked(each.question, each.right, solved, each.why) for each in recalled(lesson)],
        "stops": [_stop(stop, solved) for stop in lesson.stops],
        "why": lesson.why,
        "reasons": [
            {"text": each.text} | ({"answer": each.answer, "right": each.right} if solved else {})
            for each in lesson.reasons
        ],
        "fails": _stop(lesson.fails.stop, solved),
    } | (_result(lesson) if solved else {})


def _asked(question: Any, right: int, solved: bool, why: str = "") -> dict[str, Any]:
    return {"text": question.text, "options": question.options} | ({"right": right, "why": why} if solved else {})


def _result(lesson: Lesson) -> dict[str, Any]:
    try:
        result = measured(lesson, ())
    except VitrmError as error:
        return {"failed": f"It could not be measured here: {error}"}
    return {"result": result.value, "is": lesson.question.words(result.value), "measured": result.words}


def _stop(stop: Stop, solved: bool) -> dict[str, Any]:
    found = {"title": stop.title, "text": stop.text, "picture": stop.link and _picture(stop.link)}
    if not solved:
        return found
    maze = stop.link and stop.link.query.get(state.MAZE)
    answer = f" {answer_words(Maze.read(maze).solution)}" if maze else ""
    return found | {"then": stop.then + answer}


def _picture(link: Link) -> dict[str, Any] | None:
    """What a link shows: its maze, or its image with the patches that the model reads; None where it names neither."""
    if state.MAZE in link.query:
        return {"maze": link.query[state.MAZE], "colours": cell_colours(), "gems": COLOURS}
    if state.IMAGE not in link.query:
        return None
    chosen = {key: link.query.get(key, state.DEFAULTS[key]) for key in (state.CHECKPOINT, state.MIXTURE_MODEL)}
    checkpoint = cache.checkpoint(chosen[state.MIXTURE_MODEL if link.page == "mixture" else state.CHECKPOINT])
    try:
        pixels, _ = cache.test_image(checkpoint, link.query[state.IMAGE])
    except VitrmError:  # its images are not on this machine
        return None
    return {
        "channels": len(pixels),
        "imageSize": pixels.shape[-1],
        "pixels": encoded(pixels, np.uint8),
        "patchSize": cache.facts(checkpoint)[0].model.patch_size,
    }
