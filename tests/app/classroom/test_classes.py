"""A class outlives the server, and only the teacher leads it."""

import json

import pytest

from app.classroom import classes as module
from app.classroom.classes import AGE_S, CHANGES, OPEN, Classes, phone
from app.classroom.events import Answered, ClassError, line
from app.lessons.question import AnswerError, Choice, Curve, Slider
from app.visitors import Visitor

TEACHER = Visitor("t" * 32, is_teacher=True)
ANN, BOB = Visitor("a" * 32), Visitor("b" * 32)
QUESTIONS = {
    "right": Choice("right", "Is it right?", ("yes", "no")),
    "share": Slider("share", "How many?", 0, 100, 0.5, "%"),
    "course": Curve("course", "How does it go on?", ("1", "2", "3"), 0, 100, "%", "step"),
}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "classes"


@pytest.fixture
def classes(folder):
    return Classes(QUESTIONS, folder)


@pytest.fixture
def code(classes):
    """A class with Ann and Bob in it."""
    code = classes.open(TEACHER)
    classes.join(code, ANN)
    classes.join(code.lower(), BOB)  # as it may be typed
    return code


def file(classes, code):
    return classes.folder / f"{code}.jsonl"


def test_the_last_answer_before_the_reveal_is_the_one_that_counts(classes, code):
    classes.ask(code, "share", TEACHER)
    classes.answer(code, 0, 20, ANN)
    classes.answer(code, 0, 37.4, ANN)
    classes.answer(code, 0, 80, BOB)
    classes.reveal(code, 0, 61, TEACHER, "on 20 mazes")
    with pytest.raises(ClassError, match="on the screens already"):
        classes.answer(code, 0, 61, BOB)
    asking = classes.get(code).asking
    assert sorted(map(json.loads, asking.answers.values())) == [37.5, 80]
    assert (json.loads(asking.result), asking.measured, classes.get(code).stage) == (61, "on 20 mazes", "result")


def test_a_late_answer_is_not_taken_for_one_to_the_next_question(classes, code):
    classes.ask(code, "right", TEACHER)
    classes.ask(code, "right", TEACHER)
    with pytest.raises(ClassError, match="another question"):
        classes.answer(code, 0, 1, ANN)
    assert [dict(asking.answers) for asking in classes.get(code).askings] == [{}, {}]


def test_a_server_that_is_started_again_has_every_answer_and_a_torn_line_is_ignored(classes, code, folder):
    classes.ask(code, "course", TEACHER)
    classes.answer(code, 0, [1, 2, 3], ANN)
    classes.lead(code, "step?image=test-4", TEACHER)
    before = classes.get(code)
    whole = file(classes, code).read_bytes()
    torn = line(Answered(0, phone(before, BOB), "[4,5,6]"))[:-9]
    file(classes, code).write_bytes(whole + torn)
    again = Classes(QUESTIONS, folder)
    assert again.get(code) == before
    again.answer(code, 0, [7, 8, 9], BOB)  # behind the torn line, not in it
    expected = {phone(before, ANN): "[1.0, 2.0, 3.0]", phone(before, BOB): "[7.0, 8.0, 9.0]"}
    assert again.get(code).askings[0].answers == expected
    assert Classes(QUESTIONS, folder).get(code) == again.get(code) == classes.get(code)
    assert again.of(ANN).code == code


def test_every_cut_of_a_file_is_read_up_to_its_last_whole_line(classes, code, folder):
    classes.ask(code, "right", TEACHER)
    classes.answer(code, 0, 1, ANN)
    classes.reveal(code, 0, None, TEACHER)
    whole = file(classes, code).read_bytes()
    counts = []
    for size in range(whole.index(b"\n") + 1, len(whole) + 1):
        file(classes, code).write_bytes(whole[:size])
        now = Classes(QUESTIONS, folder).get(code)
        counts.append(len(now.phones) + sum(len(asking.answers) + 1 + asking.revealed for asking in now.askings))
    assert counts == sorted(counts)
    assert set(counts) == {0, 1, 2, 3, 4, 5}


def test_two_servers_of_one_folder_see_each_others_answers(classes, code, folder):
    other = Classes(QUESTIONS, folder)
    other.ask(code, "right", TEACHER)
    classes.answer(code, 0, 0, ANN)
    other.answer(code, 0, 1, BOB)
    assert classes.get(code) == other.get(code)
    assert sorted(classes.get(code).asking.answers.values()) == ["0", "1"]
    other.end(code, TEACHER)
    with pytest.raises(ClassError, match="it is over"):
        classes.answer(code, 0, 1, ANN)
    assert list(folder.iterdir()) == []


ACTS = {
    "open": lambda classes, code, who: classes.open(who),
    "ask": lambda classes, code, who: classes.ask(code, "share", who),
    "reveal": lambda classes, code, who: classes.reveal(code, 0, 1, who),
    "lead": lambda classes, code, who: classes.lead(code, "step", who),
    "let go": lambda classes, code, who: classes.let_go(code, who),
    "end": lambda classes, code, who: classes.end(code, who),
}


@pytest.mark.parametrize("act", ACTS)
def test_only_the_teacher_leads(classes, code, folder, act):
    classes.ask(code, "right", TEACHER)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(ClassError, match="Only the teacher"):
        ACTS[act](classes, code, ANN)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    ACTS[act](classes, code, TEACHER)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} != before


@pytest.mark.parametrize("value", [2, -1, True, "yes", None, [1], pytest.param(10**400, id="endless"), {"right": 1}])
def test_what_is_no_answer_changes_nothing(classes, code, value):
    classes.ask(code, "right", TEACHER)
    before = file(classes, code).read_bytes()
    with pytest.raises(AnswerError, match="expected a whole number"):
        classes.answer(code, 0, value, ANN)
    assert file(classes, code).read_bytes() == before


def test_whoever_is_not_in_the_class_answers_nothing(classes, code):
    classes.ask(code, "right", TEACHER)
    with pytest.raises(ClassError, match="join it first"):
        classes.answer(code, 0, 1, Visitor("c" * 32))
    classes.leave(ANN)
    with pytest.raises(ClassError, match="join it first"):
        classes.answer(code, 0, 1, ANN)
    with pytest.raises(ClassError, match="another question"):
        classes.answer(code, -1, 1, BOB)
    assert classes.get(code).asking.answers == {}


@pytest.mark.parametrize("typed", ["", "ABCDE", "../x", "BCD", "B\x00CD", "AEIO"])
def test_what_is_no_code_is_said_and_opens_no_file(classes, typed):
    with pytest.raises(ClassError, match="is no code of a class; expected 4 letters"):
        classes.join(typed, ANN)


def test_what_is_typed_in_place_of_a_code_is_repeated_as_it_is_written(classes):
    with pytest.raises(ClassError) as error:
        classes.join("![](//a.bc)", ANN)
    assert str(error.value).startswith(r"“\!\[\]\(\/\/a\.bc\)” is no code")


def test_a_visitor_is_in_one_class_and_their_number_is_in_no_file(classes, code, folder):
    other = classes.open(TEACHER)
    classes.join(other, ANN)
    assert classes.of(ANN).code == other
    assert len(classes.get(code).phones) == 1
    written = b"".join(path.read_bytes() for path in folder.iterdir())
    assert ANN.number.encode() not in written
    assert phone(classes.get(code), ANN) != phone(classes.get(other), ANN)  # nor can two classes be compared


def test_there_are_limits_for_classes_phones_changes_and_bytes(classes, code, monkeypatch):
    while len(classes.open_ones()) < OPEN:
        classes.open(TEACHER)
    with pytest.raises(ClassError, match=f"{OPEN} classes are open"):
        classes.open(TEACHER)
    classes.ask(code, "right", TEACHER)
    for _ in range(CHANGES):
        classes.answer(code, 0, 1, ANN)
    with pytest.raises(ClassError, match=f"{CHANGES} times; your last answer stays"):
        classes.answer(code, 0, 0, ANN)
    monkeypatch.setattr(module, "PHONES", 2)
    with pytest.raises(ClassError, match="no more can join"):
        classes.join(code, Visitor("c" * 32))
    assert classes.join(code, ANN).code == code  # who is there comes back
    monkeypatch.setattr(module, "MB", 0)
    with pytest.raises(ClassError, match="all that it may have"):
        classes.answer(code, 0, 1, BOB)
    classes.reveal(code, 0, 1, TEACHER)  # the teacher can still end it well


def test_a_class_that_somebody_forgot_is_deleted_after_a_day(folder):
    clock = [1e9]
    classes = Classes(QUESTIONS, folder, now=lambda: clock[0])
    code = classes.open(TEACHER)
    clock[0] += AGE_S - 60
    assert classes.get(code).code == code
    clock[0] += 121
    with pytest.raises(ClassError, match="it is over"):
        classes.get(code)
    assert list(folder.iterdir()) == []


def test_where_no_class_can_be_kept_that_is_said(tmp_path):
    (tmp_path / "runs").touch()
    with pytest.raises(ClassError, match="name another folder by VITRM_HOME"):
        Classes(QUESTIONS, tmp_path / "runs" / ".classes").open(TEACHER)


def test_a_damaged_line_costs_that_line(classes, code):
    classes.ask(code, "right", TEACHER)
    with open(file(classes, code), "ab") as out:
        out.write(
            b'\xff\n[]\n{"event":"Revealed"}\n{"event":"Answered","asking":0,"who":7,"value":"1"}\n' + b"[" * 9999
        )
    classes.answer(code, 0, 1, ANN)
    assert classes.get(code).stage == "question"
    assert list(classes.get(code).asking.answers.values()) == ["1"]
