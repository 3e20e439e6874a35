"""What a learner commits to: values from a browser are checked, and said in words."""

import json
import math

import pytest

from app.lessons.question import AnswerError, Choice, Curve, Slider

CHOICE = Choice("will-it-change", "Will it change?", ("yes", "no", "only once"))
SLIDER = Slider("how-many", "How many of a hundred?", 0, 100, 5, "%")
CURVE = Curve("mazes", "Right after so many steps", ("6", "24", "96"), 0, 100, "%", "step")
FORGED = [None, "1", True, {}, {"value": 1}, -1, 1e9, math.nan, math.inf, 10**5000, [[1], 2, 3], [1, 2], [1, 2, "3"]]


@pytest.mark.parametrize(
    ("question", "value", "read"),
    [
        (CHOICE, 2, 2),
        (SLIDER, 0, 0.0),
        (SLIDER, 37.4, 35.0),
        (SLIDER, 100, 100.0),
        (CURVE, [0, 12.5, 100], (0.0, 12.5, 100.0)),
    ],
)
def test_a_value_of_the_kind_is_read_and_the_same_after_a_way_through_json(question, value, read):
    assert question.read(value) == read
    assert question.read(json.loads(json.dumps(read))) == read


@pytest.mark.parametrize("question", [CHOICE, SLIDER, CURVE])
@pytest.mark.parametrize("value", FORGED, ids=range(len(FORGED)))
def test_a_forged_value_is_refused_with_the_question_and_what_was_expected(question, value):
    with pytest.raises(AnswerError, match=f"“{question.key}”: expected a"):
        question.read(value)


@pytest.mark.parametrize(
    ("question", "value"),
    [(CHOICE, 1.0), (CHOICE, 3), (SLIDER, 100.1), (CURVE, [0, 0, 101]), (CURVE, [0, 0, math.nan])],
)
def test_a_value_just_outside_is_refused(question, value):
    with pytest.raises(AnswerError):
        question.read(value)


def test_a_message_about_a_forged_value_stays_short():
    with pytest.raises(AnswerError) as caught:
        SLIDER.read("x" * 10_000)
    assert len(str(caught.value)) < 150


@pytest.mark.parametrize(
    ("question", "value", "result", "words"),
    [
        (CHOICE, 1, 1, "You said “no”, and so it is."),
        (CHOICE, 1, 0, "You said “no”. It is “yes”."),
        (SLIDER, 40.0, 87.44, "You said 40 %, it is 87.4 %: 47.4 points more than you said."),
        (SLIDER, 40.0, 39.0, "You said 40 %, it is 39 %: you were right, to within a step of the slider."),
        (SLIDER, 95.0, 0.0, "You said 95 %, it is 0 %: 95 points less than you said."),
        (
            CURVE,
            (10.0, 50.0, 90.0),
            (10.0, 44.0, 0.0),
            "On average your curve is 32 points away from what came out. "
            "The largest gap is at step 96: you said 90 %, it is 0 %.",
        ),
        (CURVE, (1.0, 2.0, 3.0), (1.0, 2.0, 3.0), "On average your curve is 0 points away from what came out."),
    ],
)
def test_the_gap_is_said_in_words(question, value, result, words):
    assert question.gap(value, result) == words


def test_a_difference_is_in_the_unit_of_the_slider_unless_that_is_a_share():
    assert Slider("s", "?", 1, 100, 1, "steps").gap(10.0, 96.0).endswith("86 steps more than you said.")
    assert Slider("s", "?", 0, 1, 0.1).gap(0.5, 0.25).endswith("0.25 less than you said.")
    assert Slider("s", "?", 0, 100, 0.5, "%").gap(50.0, 49.26).endswith("it is 49.3 %: 0.7 points less than you said.")
    assert Slider("s", "?", 0, 100, 0.5, "%").gap(50.0, 51.0).endswith(": 1 point more than you said.")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: Choice("one", "?", ("only",)), "1 options"),
        (lambda: Choice("twice", "?", ("a", "a")), "the same"),
        (lambda: Choice("Not a key", "?", ("a", "b")), "small letters"),
        (lambda: Slider("s", "?", 1, 0), "low < high"),
        (lambda: Slider("s", "?", 0, 1, 2), "step=2"),
        (lambda: Curve("c", "?", ("1",), 0, 1), "1 points"),
        (lambda: Curve("c", "?", ("1", "1"), 0, 1), "the same label"),
        (lambda: Curve("c", "?", ("1", "2"), 0, math.inf), "low < high"),
    ],
)
def test_a_question_that_cannot_be_asked_is_not_made(wrong, message):
    with pytest.raises(ValueError, match=message):
        wrong()
