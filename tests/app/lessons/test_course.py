"""Every lesson: doing what it asks completes it, its links lead somewhere, and what it says can be measured."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import cache, state
from app.compare import comparison, verdict
from app.events import Event
from app.lessons import progress
from app.lessons.book.book import content, measured
from app.lessons.course import lessons, loop_or_depth, recalled
from app.lessons.course import what_is_the_loop_good_for as loop
from app.lessons.question import Choice
from tests.app.lessons.doing import done_at
from vitrm.nets.cost import multiply_adds
from vitrm.sweep.table import list_tables, read_table

ROOT = Path(__file__).resolve().parents[3]
MODELS = (state.CHECKPOINT, state.MIXTURE_MODEL, state.MAZE_MODEL, state.LEFT, state.RIGHT)
ALL = pytest.mark.parametrize("lesson", lessons().values(), ids=lessons())


def links(lesson):
    stops = (*lesson.stops, lesson.fails.stop)
    return [lesson.start, lesson.keep.link, *(stop.link for stop in stops if stop.link)]


@ALL
def test_doing_what_it_asks_leaf_by_leaf_completes_it(lesson):
    events, leaves = [], progress.leaves(lesson, ())
    assert [leaf.done for leaf in leaves] == [*[False] * (len(leaves) - 1), True]  # the last is a gift
    for number, leaf in enumerate(leaves[:-1]):
        assert not progress.complete(progress.leaves(lesson, events))
        events.append(Event("leaf opened", {"leaf": number}))
        assert not progress.leaves(lesson, events)[number].done, "a leaf is not done by being opened"
        events += done_at(lesson, number)
        assert progress.leaves(lesson, events)[number].done
        assert {event.kind for event in done_at(lesson, number)[1:]} <= set(leaf.needs)
    assert progress.complete(progress.leaves(lesson, events))


@ALL
def test_each_thing_it_asks_to_be_done_counts(lesson):
    for number, leaf in enumerate(progress.leaves(lesson, ())):
        if leaf.stop is not None:
            opened, *acts = done_at(lesson, number)
            for missing in range(len(acts)):
                some = [opened, *acts[:missing], *acts[missing + 1 :]]
                assert not progress.leaves(lesson, some)[number].done, acts[missing]


@ALL
def test_its_links_lead_to_pages_and_bundled_models(lesson):
    for link in links(lesson):
        assert (ROOT / "pages" / f"{link.page}.py").is_file()
        for key, value in link.query.items():
            if key in MODELS and "{" not in value:
                assert (ROOT / "checkpoints" / value).is_dir(), value
            if key in state.IN_URL:
                state.IN_URL[key](value)
            else:
                assert key in (state.RUN, state.SHOW)
        if state.IMAGE in link.query:
            default = state.MIXTURE_MODEL if link.page == "mixture" else state.CHECKPOINT
            name = link.query.get(default, state.DEFAULTS[default])
            assert cache.test_image(cache.checkpoint(name), link.query[state.IMAGE])[0].ndim == 3


@ALL
def test_what_comes_out_is_measured_and_can_be_said(lesson):
    result = measured(lesson, ())
    lesson.question.read(list(result.value) if isinstance(result.value, tuple) else result.value)  # within its range
    assert result.words
    assert lesson.question.words(result.value)


@ALL
def test_the_case_where_it_fails_is_one(lesson):
    assert lesson.fails.is_so()


@ALL
def test_one_reason_is_right_and_questions_about_it_have_an_answer(lesson):
    assert [reason.right for reason in lesson.reasons].count(True) == 1
    for each in lesson.recall:
        assert isinstance(each.question, Choice)
        assert 0 <= each.right < len(each.question.options)


def test_from_the_second_lesson_on_two_questions_are_asked_about_lessons_before():
    seen = set()
    for lesson in lessons().values():
        keys = {each.question.key for each in recalled(lesson)}
        assert len(keys) == (2 if lesson.number > 1 else 0)
        assert keys <= seen
        seen |= {each.question.key for each in lesson.recall}
    assert len(seen) == 2 * len(lessons())


@ALL
def test_the_book_shows_every_leaf(lesson):
    events = []
    for number, leaf in enumerate(progress.leaves(lesson, ())):
        told = {"lesson": lesson.key, "leaf": number, "events": [each.sent() for each in events]}
        shown = content(lesson, told, lesson.start.page)
        assert (shown["leaf"], shown["leaves"][number]["kind"], shown["counted"]) == (number, leaf.kind, len(events))
        events += done_at(lesson, number)
    assert content(lesson, {**told, "events": [each.sent() for each in events]}, "watch")["complete"]


@ALL
@pytest.mark.slow
def test_its_pages_open_as_it_says_without_a_complaint(lesson, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for link in {link.address(): link for link in links(lesson)}.values():  # most begin where their first stop is
        if link.page == "train" or any("{" in value for value in link.query.values()):
            continue  # training: tests/app/training and the browser
        app = AppTest.from_file(str(ROOT / "pages" / f"{link.page}.py"), default_timeout=300)
        for key, value in link.query.items():
            app.query_params[key] = value
        app.run()
        assert not app.exception
        assert [text.value for text in (*app.warning, *app.error)] == []


def test_a_model_that_is_missing_is_said_in_the_book(monkeypatch):
    lesson = next(iter(lessons().values()))
    monkeypatch.setattr(cache, "checkpoint", lambda name: cache.find_run("no-such-model"))
    cache.st.cache_data.clear()
    number = [leaf.kind for leaf in progress.leaves(lesson, ())].index("result")
    shown = content(lesson, {"lesson": lesson.key, "leaf": number, "events": []}, "watch")
    assert "no run or checkpoint" in shown["body"]["failed"]


def test_the_long_maze_is_answered_wrongly_after_six_steps_and_rightly_to_the_end_of_its_stop():
    answers, labels = loop._answers(loop.mazes()[loop.LONG : loop.LONG + 1], loop.DEPTH * loop.STEPS[0])
    assert int(answers[loop.STEPS[0] - 1, 0]) != labels[0]
    assert int(answers[-1, 0]) == labels[0]


def test_the_last_lesson_asks_for_a_prediction_where_its_answer_is_not_on_show():
    assert lessons()["loop-or-depth"].start.page == "mixture"


def test_the_rows_that_the_last_lesson_names_answer_its_questions_whatever_else_was_trained():
    lesson = lessons()["loop-or-depth"]
    grids = comparison.of_tables({name: read_table(file) for name, file in list_tables().items()})
    for link in links(lesson):
        if link.page == "compare":
            shown = comparison.chosen(grids, link.query[state.COMPARED])
            one, other = (
                next(entry for entry in shown.entries if entry.name == name)
                for name in (loop_or_depth.LOOP, loop_or_depth.DEPTH)
            )
            assert multiply_adds(one.config) == pytest.approx(multiply_adds(other.config), rel=0.01)
            assert 3.5 < other.parameters / one.parameters < 4
            assert "leads" in verdict.verdict(comparison.only(shown, (one, other)))  # more than chance
            assert "R = 2" in verdict.verdict(shown)
            assert "no difference beyond chance" in verdict.verdict(shown)
    assert all(name in lesson.stops[1].text for name in (loop_or_depth.LOOP, loop_or_depth.DEPTH))
