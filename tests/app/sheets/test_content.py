"""What is printed: all that a lesson asks, and what is right only where it is asked for."""

import json

import pytest

from app import cache
from app.classroom.questions import FIVE
from app.lessons.course import lessons
from app.lessons.lesson import Result
from app.sheets import content as sheets
from app.sheets.content import SOLUTIONS, TEST, WORKSHEET, content
from app.state import IN_URL, PRINT
from tests.app.lessons.doing import predicted
from vitrm.errors import DataError


@pytest.fixture(scope="module")
def solutions():
    """With stand-ins for what is measured: tests/app/lessons/test_course.py has that."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sheets, "measured", lambda lesson, events: Result(predicted(lesson), f"on {lesson.key}"))
        return content(SOLUTIONS, "http://192.168.0.7:8501")


def text_of(sheet):
    return json.dumps(sheet, ensure_ascii=False)


def test_every_question_is_on_the_worksheet_and_no_answer():
    sheet = content(WORKSHEET)
    asked, written = text_of(sheet), [lesson.title for lesson in lessons().values()]
    assert [each["title"] for each in sheet["lessons"]] == written
    for lesson in lessons().values():
        for said in (lesson.text, lesson.question.text, lesson.why, *(each.text for each in lesson.reasons)):
            assert json.dumps(said, ensure_ascii=False) in asked
        stops = (*lesson.stops, lesson.fails.stop)
        for kept in (*(each.answer for each in lesson.reasons), *(stop.then for stop in stops)):
            assert json.dumps(kept, ensure_ascii=False) not in asked
    assert not {"right", "is", "measured", "then", "answer"} & set(_keys(sheet))


def _keys(value):
    if isinstance(value, dict):
        yield from value
        value = list(value.values())
    if isinstance(value, list | tuple):
        for each in value:
            yield from _keys(each)


def test_the_solutions_have_what_came_out_the_right_reason_and_the_answers_of_the_test(solutions):
    for lesson, printed in zip(lessons().values(), solutions["lessons"], strict=True):
        assert lesson.question.words(printed["result"]) == printed["is"]
        assert printed["measured"] == f"on {lesson.key}"
        assert [each["text"] for each in printed["reasons"] if each["right"]] == [
            reason.text for reason in lesson.reasons if reason.right
        ]
        assert len(printed["recall"]) == (2 if lesson.number > 1 else 0)
    assert [each["right"] for each in solutions["test"]] == [each.result for each in FIVE]
    assert not {"right", "why"} & set(_keys(content(TEST)))


def test_a_lesson_has_its_link_for_a_phone_and_the_pictures_that_it_is_about(solutions):
    first, mazes = solutions["lessons"][0], solutions["lessons"][5]
    assert first["link"] == "http://192.168.0.7:8501/" + lessons()["can-an-answer-change"].address.removeprefix("./")
    assert first["qr"].startswith("<svg")
    assert [stop["picture"]["patchSize"] for stop in (*first["stops"], first["fails"])] == [2, 2, 2]
    assert [len(stop["picture"]["maze"]) for stop in mazes["stops"]] == [7 * 7, 12 * 12]
    assert "gem can be reached, in 6 steps" in mazes["stops"][0]["then"]
    assert content(WORKSHEET)["lessons"][0]["qr"] == ""


def test_what_is_not_on_this_machine_leaves_a_gap_and_a_sentence(monkeypatch):
    def gone(*_):
        raise DataError("no images here")

    monkeypatch.setattr(cache, "test_image", gone)
    monkeypatch.setattr(sheets, "measured", gone)
    printed = content(SOLUTIONS)["lessons"][0]
    assert printed["stops"][0]["picture"] is None
    assert printed["failed"] == "It could not be measured here: no images here"


def test_a_link_opens_each_sheet_and_no_other():
    for kind in sheets.KINDS:
        assert IN_URL[PRINT](kind) == kind
    with pytest.raises(ValueError, match="money"):
        IN_URL[PRINT]("money")
