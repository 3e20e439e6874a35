"""What the lessons ask for is done, with the real controls of the real pages; the first: test_lessons.py."""

import pytest

from app.lessons import progress
from app.lessons.course import lessons
from tests.browser.book import done, kept, leaf, onward, open_at, remember
from tests.browser.driving import own_problems, settle

FIRST = "can-an-answer-change"


def act(page, where, times=1):
    for _ in range(times):
        page.locator(where).first.click()


def move_threshold(page, to):
    slider = page.locator("input.threshold").first
    slider.fill(to)
    slider.dispatch_event("change")


def see_first_and_last(page, level="supervision step"):
    """Of the player's steps; Play takes its time for those between (test_watch.py, and a model of one step here)."""
    page.locator("select.level").select_option(level)
    for key in ("Home", "ArrowRight", "End"):
        settle(page)  # what is seen of the one before has been told
        page.locator(".player").press(key)


def guess_and_watch(page):
    page.get_by_test_id("stButtonGroup").get_by_role("radio").first.click()
    settle(page)
    page.locator(".player").press("End")


def choose_tokens(page, where):
    for number in (3, 5):
        page.locator(where).select_option(index=number)
        settle(page)


def remember_and_look(page, server, lesson):
    """The begin of a lesson: questions about lessons before, and no prediction. The leaf on which it ends."""
    page.goto(f"{server}/{lesson.address.removeprefix('./')}")
    leaf(page, "Do you remember?")
    remember(page)
    onward(page, "What do you expect?")
    leaf(page, "What do you expect?")
    page.get_by_role("button", name="Show me first").click()
    return 1


DOING = {  # by lesson, what a learner does at each of its stops, the case where the model fails last
    "who-looks-who-answers": [
        lambda page: act(page, "[data-do=next]", 3),
        lambda page: act(page, ".panel-edits .chips button:nth-child(8)"),
        lambda page: act(page, "[data-do=last]"),
    ],
    "train-one-in-a-minute": [None, None, lambda page: act(page, "button.play")],  # trained in test_train.py
    "why-supervise-every-step": [
        see_first_and_last,
        lambda page: see_first_and_last(page, "recursion step"),
        see_first_and_last,
    ],
    "when-to-stop": [
        lambda page: move_threshold(page, "0.2"),
        lambda page: move_threshold(page, "0.97"),
        lambda page: move_threshold(page, "0.98"),
    ],
    "what-is-the-loop-good-for": [
        guess_and_watch,
        see_first_and_last,
        lambda page: act(page, "[data-do=last]"),
    ],
    "where-does-it-look": [
        lambda page: choose_tokens(page, ".choose-token"),
        lambda page: act(page, ".hide-grid button"),
        lambda page: act(page, ".hide-grid button"),
    ],
    "loop-or-depth": [
        lambda page: choose_tokens(page, ".mixture select"),
        lambda page: act(page, ".st-key-section_costs summary"),
        lambda page: choose_tokens(page, ".mixture select"),
    ],
}


@pytest.mark.slow
@pytest.mark.parametrize("key", DOING)
def test_what_a_lesson_asks_for_is_done_with_the_controls_of_its_pages(page, server, key):
    """Each of its stops; the leaves without one are the same in all: see the first lesson, and the second's begin."""
    assert DOING.keys() | {FIRST} == lessons().keys()
    lesson, acts, there = lessons()[key], iter(DOING[key]), None
    if lesson.number == 2:
        there = remember_and_look(page, server, lesson)
    for number, each in enumerate(progress.leaves(lesson, ())):
        act_at = next(acts) if each.stop else None
        if act_at is None:
            continue
        if there == number - 1:
            onward(page, each.title)
            leaf(page, each.title)
        else:
            open_at(page, server, lesson, number)
        act_at(page)
        done(page, each.title)
        there = number
    assert kept(page, key)["complete"]
    assert own_problems(page) == []
    assert page.outside == []
