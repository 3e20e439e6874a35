"""How far a learner is, from the events alone; forged ones change nothing but that."""

import pytest

from app.events import Event
from app.lessons import progress
from app.lessons.book.book import content
from app.lessons.course import lessons

LESSON = next(iter(lessons().values()))


def test_what_was_done_before_a_leaf_was_opened_does_not_count():
    number = next(k for k, leaf in enumerate(progress.leaves(LESSON, ())) if leaf.kind == "stop")
    acts = [example for did in LESSON.stops[0].done for example in did.examples]
    opened = Event("leaf opened", {"leaf": number})
    assert not progress.leaves(LESSON, [*acts, opened])[number].done
    assert progress.leaves(LESSON, [opened, *acts])[number].done


def test_the_first_prediction_that_can_be_read_is_kept():
    made = [Event("predicted", {"value": value}) for value in (1e9, "x", 30, 70)]
    assert progress.prediction(LESSON, made) == 30
    assert progress.prediction(LESSON, made[:2]) is None


def test_whoever_looks_first_goes_on_without_a_prediction():
    first = progress.leaves(LESSON, [Event("shown first", {})])
    assert [leaf.done for leaf in first if leaf.kind == "predict"] == [True]


@pytest.mark.parametrize("lesson", lessons().values(), ids=lessons())
def test_whoever_cannot_train_goes_on_with_the_bundled_model_and_no_other_stop_can_be_left_out(lesson):
    trains = any(did.kind.startswith("training") for stop in lesson.stops for did in stop.done)
    assert trains == any(stop.without for stop in lesson.stops)
    for number, leaf in enumerate(progress.leaves(lesson, ())):
        if leaf.stop is not None:
            events = [Event("leaf opened", {"leaf": number}), Event("left out", {})]
            assert progress.leaves(lesson, events)[number].done == bool(leaf.stop.without)
            told = {"lesson": lesson.key, "leaf": number, "events": [each.sent() for each in events]}
            assert ("without it" in content(lesson, told, "")["body"]["then"]) == bool(leaf.stop.without)


def test_questions_about_lessons_before_can_be_left_out():
    later = [lesson for lesson in lessons().values() if lesson.number > 1]
    for lesson in later:
        assert [progress.leaves(lesson, events)[0].done for events in ((), [Event("left out", {})])] == [False, True]
    shown = content(later[1], None, "watch")["body"]
    assert shown["about"] == [LESSON.key, later[0].key]


def test_only_whoever_trained_a_model_is_told_that_it_is_theirs():
    lesson = lessons()["train-one-in-a-minute"]
    last = len(progress.leaves(lesson, ())) - 1
    for events in ([], [Event("training finished", {"name": "mine"})]):
        told = {"lesson": lesson.key, "leaf": last, "events": [each.sent() for each in events]}
        body = content(lesson, told, "watch")["body"]
        assert body["text"].startswith("The model you trained") == bool(events)
        assert body["link"].endswith("mine" if events else "digits")


@pytest.mark.parametrize(
    "told",
    [
        None,
        7,
        {"lesson": LESSON.key, "leaf": 10**9, "events": []},
        {"lesson": LESSON.key, "leaf": "2", "events": {}},
        {"lesson": LESSON.key, "leaf": -1, "events": [{"kind": "reason chosen", "number": 99}]},
        {"lesson": "another", "leaf": 3, "events": [{"kind": "shown first"}]},
    ],
)
def test_a_forged_record_shows_the_first_leaf_and_nothing_done(told):
    shown = content(LESSON, told, "watch")
    assert shown["leaf"] == 0
    assert not any(leaf["done"] for leaf in shown["leaves"][:-1])
