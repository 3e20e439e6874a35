"""The page of a pupil in a class (AppTest)."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import visitors
from app.classroom import student
from app.classroom.classes import Classes
from app.classroom.questions import QUESTIONS
from app.visitors import Visitor

PAGE = str(Path(__file__).resolve().parents[3] / "pages" / "class.py")
TEACHER = Visitor("c" * 32, is_teacher=True)
ANN = Visitor("a" * 32)


@pytest.fixture
def classes(tmp_path, monkeypatch):
    found = Classes(QUESTIONS, tmp_path / "classes")
    monkeypatch.setattr(student, "classes", lambda: found)
    monkeypatch.setattr(visitors, "cookie", lambda: ANN.number)
    monkeypatch.setattr(visitors, "address", lambda: "192.0.2.1")
    return found


def scan(code):
    """Open what the QR code of a class leads to."""
    app = AppTest.from_file(PAGE, default_timeout=300)
    app.query_params["code"] = code
    app.run()
    assert not app.exception
    return app


def test_the_code_of_another_class_is_the_wish_to_change_once(classes):
    first, other = classes.open(TEACHER), classes.open(TEACHER)
    app = scan(first)
    assert classes.of(ANN).code == first
    scan(other)
    assert classes.of(ANN).code == other
    app.run()
    assert classes.of(ANN).code == other  # the page that was there before does not take the phone back


def test_the_code_of_a_class_that_is_over_is_said_and_leaves_the_phone_where_it_is(classes):
    first, other = classes.open(TEACHER), classes.open(TEACHER)
    classes.join(first, ANN)
    classes.end(other, TEACHER)
    app = scan(other)
    assert app.warning[0].value == f"There is no class {other}: it is over, or its code is another one."
    assert classes.of(ANN).code == first
    assert app.title[0].value == "You are in"
