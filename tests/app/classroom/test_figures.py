"""What a class answered, counted and written down without saying who."""

import csv
import io

import pytest

from app.classroom.events import Asking, Classroom
from app.classroom.figures import answers_of, distribution, table, words
from app.classroom.questions import QUESTIONS, RESULTS, result
from app.lessons.question import Choice, Curve, Slider

CHOICE = Choice("right", "Is it right?", ("yes", "no", "sometimes"))
SHARE = Slider("share", "How many?", 0, 100, 0.5, "%")
STEPS = Slider("steps", "After how many steps?", 1, 6, 1, "steps")
COURSE = Curve("course", "How does it go on?", ("1", "2"), 0, 100, "%", "step")
ANSWERS = {"a": "1", "b": "1", "c": "0", "d": '"nonsense"'}  # the last one from a question that has changed since


def test_rows_count_the_answers_and_show_what_came_out_only_after_the_reveal():
    asking = Asking("right", ANSWERS, result="2")
    drawn = distribution(CHOICE, asking, own="1")
    assert [(row["label"], row["count"], row["length"], row["marks"]) for row in drawn["rows"]] == [
        ("A  yes", 1, 0.5, []), ("B  no", 2, 1, ["you"]), ("C  sometimes", 0, 0, []),
    ]  # fmt: skip
    assert drawn["words"] == "3 answers; most often “no” (2 of 3)."
    revealed = distribution(CHOICE, Asking("right", ANSWERS, revealed=True, result="1"), own="1")
    assert [row["marks"] for row in revealed["rows"]] == [[], ["you", "this is it"], []]


def test_hidden_answers_are_not_sent_to_the_browser():
    drawn = distribution(CHOICE, Asking("right", ANSWERS), hidden=True)
    assert drawn["words"] == ""
    assert {(row["count"], row["length"]) for row in drawn["rows"]} == {("", 0)}
    assert distribution(COURSE, Asking("course", {"a": "[1, 2]"}), hidden=True)["lines"] == []


@pytest.mark.parametrize("value", [0, 9.5, 10, 37.5, 99.5, 100])
def test_every_value_of_a_slider_falls_into_one_row_that_names_it(value):
    rows = distribution(SHARE, Asking("share", {"a": str(value)}))["rows"]
    assert len(rows) == 10
    (found,) = [row["label"] for row in rows if row["count"]]
    low, high = (float(number) for number in found.removesuffix(" %").split(" to "))
    assert low <= value <= high


def test_a_slider_of_few_values_has_a_row_for_each():
    rows = distribution(STEPS, Asking("steps", {"a": "6", "b": "1"}))["rows"]
    assert [(row["label"], row["count"]) for row in rows][::5] == [("1 steps", 1), ("6 steps", 1)]
    assert len(rows) == 6


def test_drawn_curves_are_lines_in_an_order_that_says_nothing():
    drawn = distribution(
        COURSE, Asking("course", {"a": "[30, 4]", "b": "[1, 2]"}, revealed=True, result="[5, 6]"), "[30, 4]"
    )
    assert drawn["lines"] == [(1, 2), (30, 4)]
    assert (drawn["own"], drawn["result"]) == ((30, 4), (5, 6))


@pytest.mark.parametrize(("question", "stored", "said"), [
    (CHOICE, {}, "No answers yet."),
    (CHOICE, {"a": "0", "b": "1"}, "2 answers; no option has most of them."),
    (SHARE, {"a": "10", "b": "90", "c": "20"}, "3 answers, from 10 % to 90 %; the middle one is 20 %."),
    (COURSE, {"a": "[1, 9]", "b": "[3, 7]", "c": "[2, 8]"}, "3 answers; the middle ones are 1: 2 %, 2: 8 %."),
])  # fmt: skip
def test_the_figure_is_said_in_a_sentence(question, stored, said):
    assert words(question, answers_of(question, Asking(question.key, stored))) == said


def test_the_table_has_a_column_for_each_asking_and_names_nobody():
    askings = (
        Asking("right", {"ann": "1", "bob": "0"}, revealed=True, result="0"),
        Asking("share", {"bob": "37.5"}),
        Asking("right", {"ann": "2"}),
        Asking("gone", {"ann": "2"}),
        Asking("course", {"ann": "[1.5, 2]"}),
    )
    text = table(
        Classroom("BCDF", askings=askings), {each.key: each for each in (CHOICE, SHARE, COURSE)}, {"share": 61}
    )
    head, right, *rows = csv.reader(io.StringIO(text))
    assert head == ["phone", "right", "share", "right (2)", "gone", "course"]
    assert right == ["right", "A", "61", "", "", ""]
    assert sorted(row[1:] for row in rows) == [["A", "37.5", "", "", ""], ["B", "", "C", "", "1.5;2"]]
    assert [row[0] for row in rows] == ["1", "2"]
    assert "ann" not in text


def test_without_a_training_the_first_minute_of_the_bundled_one_is_revealed_and_said():
    came_out = result("learned-in-a-minute")
    assert 10 < came_out.value <= 100
    assert came_out.words.startswith("The training of digits, which comes with the app: ")


def test_what_is_asked_before_and_after_is_the_same_and_its_answer_is_known():
    before = {key.removeprefix("before-"): QUESTIONS[key] for key in RESULTS if key.startswith("before-")}
    after = {key.removeprefix("after-"): QUESTIONS[key] for key in RESULTS if key.startswith("after-")}
    assert len(before) == len(after) == 5
    for name, question in before.items():
        assert (question.text, question.options) == (after[name].text, after[name].options)
        assert RESULTS[f"before-{name}"] == RESULTS[f"after-{name}"] == question.read(RESULTS[f"after-{name}"])
    assert len({RESULTS[key] for key in RESULTS}) == 4  # no letter is right throughout
