"""The teacher's screen (AppTest)."""

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import visitors
from app.classroom import teacher
from app.classroom.classes import OPEN, Classes
from app.classroom.questions import QUESTIONS
from app.visitors import Visitor

PAGE = str(Path(__file__).resolve().parents[3] / "pages" / "class.py")
TEACHER = Visitor("t" * 32, is_teacher=True)
ANN, BOB = Visitor("a" * 32), Visitor("b" * 32)
ASKED = "before-more"  # a choice whose answer is known


@pytest.fixture
def classes(tmp_path, monkeypatch):
    found = Classes(QUESTIONS, tmp_path / "classes")
    monkeypatch.setattr(teacher, "classes", lambda: found)
    monkeypatch.setattr(teacher, "bases", lambda url, machines: ["http://192.0.2.1:8501"])
    monkeypatch.setattr(visitors, "cookie", lambda: "")  # AppTest has neither
    monkeypatch.setattr(visitors, "address", lambda: None)
    return found


@pytest.fixture
def code(classes):
    """A class with Ann and Bob in it, asked a question."""
    code = classes.open(TEACHER)
    classes.join(code, ANN)
    classes.join(code, BOB)
    classes.ask(code, ASKED, TEACHER)
    return code


def open_page():
    return drawn(AppTest.from_file(PAGE, default_timeout=300))


def drawn(app):
    app.run()
    assert not app.exception
    return app


def words_of_the_spread(app):
    found = [json.loads(block.proto.json) for block in app.get("bidi_component")]
    return next(data["words"] for data in found if "rows" in data)


def test_answers_that_are_hidden_once_stay_hidden_at_the_next_question(classes, code):
    app = open_page()
    assert words_of_the_spread(app) == "No answers yet."
    app.toggle(key="class_spread").set_value(False).run()
    app.button(key="class_reveal").click().run()
    assert "class_spread" not in [each.key for each in app.toggle]
    classes.ask(code, ASKED, TEACHER)
    drawn(app)
    assert not app.toggle(key="class_spread").value
    classes.answer(code, 1, 1, ANN)
    assert words_of_the_spread(drawn(app)) == ""
    app.toggle(key="class_spread").set_value(True).run()
    assert words_of_the_spread(app).startswith("1 answer;")


def test_a_phone_that_has_answered_and_left_is_among_all(classes, code):
    classes.answer(code, 0, 1, ANN)
    classes.answer(code, 0, 1, BOB)
    classes.leave(ANN)
    counts = [each.proto.body for each in open_page().get("html") if "have answered" in each.proto.body]
    assert counts == ["<p class='class-count'><b>2</b> of 2 have answered</p>"]


@pytest.mark.parametrize("button", ["class_reveal", "class_reveal_only"])
def test_what_came_out_is_not_shown_to_another_question_asked_meanwhile(classes, code, button):
    app = open_page()
    classes.ask(code, "before-steps", TEACHER)
    app.button(key=button).click().run()
    assert [each.value for each in app.warning] == ["The class is at another question by now; nothing was revealed."]
    assert [asking.revealed for asking in classes.get(code).askings] == [False, False]
    app.button(key=button).click().run()
    assert [asking.revealed for asking in classes.get(code).askings] == [False, True]


def test_another_teacher_opens_another_class_and_each_screen_keeps_its_own(classes, code):
    first, second = open_page(), open_page()
    second.button(key="class_another").click()
    drawn(second)
    other = classes.open_ones()[0].code
    assert other != code
    assert second.segmented_control(key="class_led_choice").value == other
    assert drawn(first).segmented_control(key="class_led_choice").value == code
    classes.end(other, TEACHER)
    drawn(second)
    assert second.session_state["class_led"] == code
    while len(classes.open_ones()) < OPEN:
        classes.open(TEACHER)
    assert "class_another" not in [each.key for each in drawn(first).button]
    assert first.session_state["class_led"] == code
