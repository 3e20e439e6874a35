"""The site without a server, opened from a disk with the network cut."""

import re
from contextlib import contextmanager

import pytest
from playwright.sync_api import expect

from app.lessons.lesson import Result
from app.web import course
from app.web.write import PAGES, write
from tests.browser.book import keep_too_much, kept, remember
from tests.browser.driving import WIDTHS, watched


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """What came out in its lessons is made up: tests/app/lessons/test_course.py measures it."""
    folder = tmp_path_factory.mktemp("disk") / "from a stick"
    middle = {"choice": lambda _: 1, "slider": lambda _: 26.5, "curve": lambda asked: [50.0] * len(asked.points)}
    with pytest.MonkeyPatch.context() as patch:
        made_up = lambda lesson, _: Result(middle[lesson.question.kind](lesson.question), "made up")  # noqa: E731
        patch.setattr(course, "measured", made_up)
        write(folder)
    return folder.as_uri()


FIREFOX = """for (const way of ["getItem", "setItem", "removeItem"]) {
    const real = Storage.prototype[way];
    Storage.prototype[way] = function (name, ...rest) { return real.call(this, location.pathname + name, ...rest); };
}"""  # which keeps for each page on a disk apart what it stores


@contextmanager
def offline(chromium):
    """A page of a browser that reaches nothing."""
    context = chromium.new_context(viewport={"width": 1280, "height": 720}, offline=True)
    yield watched(context.new_page())
    context.close()


@pytest.fixture(scope="module")
def window(chromium):
    with offline(chromium) as page:
        yield page


@pytest.fixture
def cut(window):
    """Such a page as a new visitor finds it."""
    window.set_viewport_size({"width": 1280, "height": 720})
    yield window
    window.evaluate("localStorage.clear()")
    assert window.problems == []
    assert window.outside == []


def test_the_lessons_are_played_from_a_disk_without_a_network(cut, site):
    cut.goto(f"{site}/index.html")
    cut.get_by_role("link", name="Start watching").click()
    expect(cut.locator(".sentence")).to_contain_text("Supervision step 1 of 6")
    cut.keyboard.press("ArrowRight")
    expect(cut.locator(".sentence")).to_contain_text("Supervision step 2 of 6")
    expect(cut).to_have_url(re.compile("position=4"))
    cut.get_by_role("button", name="Image 1, clothes").click()
    expect(cut.locator(".caption")).to_contain_text("number 1,")
    expect(cut.locator(".sentence")).to_contain_text("Supervision step 2 of 6")  # the place is kept
    expect(cut).to_have_url(re.compile("position=.+show=fashion-glimpse%2Ftest-1$"))  # which is written a little later
    address = cut.url
    cut.goto(f"{site}/step.html")
    expect(cut.locator(".panel-memory .plane")).to_be_visible()
    cut.goto(address)  # a link carries image and place
    expect(cut.locator(".caption")).to_contain_text("number 1,")
    expect(cut.locator(".sentence")).to_contain_text("Supervision step 2 of 6")


def test_six_steps_take_eight_to_ten_seconds(chromium, site):
    with offline(chromium) as page:
        page.clock.install()
        page.goto(f"{site}/watch.html")
        page.locator(".player").press("End")
        expect(page.locator(".sentence")).to_contain_text("Supervision step 6 of 6")
        page.clock.pause_at(page.evaluate("Date.now()") / 1000 + 3600)  # not past before it is told
        page.locator("button.play").click()
        expect(page.locator(".sentence")).to_contain_text("Supervision step 1 of 6")  # at once
        page.clock.run_for(8_000)
        expect(page.locator(".sentence")).to_contain_text("Supervision step 5 of 6")
        page.clock.run_for(2_000)
        expect(page.locator(".sentence")).to_contain_text("Supervision step 6 of 6")
        expect(page.locator("button.play")).to_contain_text("Play")


def test_halting_follows_the_threshold_and_a_maze_is_answered_after_the_guess(cut, site):
    cut.goto(f"{site}/halting.html?threshold=0.01")
    expect(cut.locator(".badge")).to_contain_text("stopped at 1 of 6")
    cut.goto(f"{site}/mazes.html")
    expect(cut.locator(".panel-cells .wave")).to_be_visible()
    verdict = cut.locator(".guess .verdict")
    expect(verdict).to_have_text("")
    expect(cut.locator(".bars")).not_to_contain_text("true class")
    cut.locator(".guess button").first.press("Enter")
    expect(cut.locator(".guess button").first).to_be_focused()
    expect(verdict).to_contain_text("gem can be reached, in")
    expect(cut.locator(".bars")).to_contain_text("true class")


def test_a_lesson_is_done_by_doing_and_says_which_part_needs_the_app(chromium, site):
    with offline(chromium) as page:
        page.add_init_script(FIREFOX)
        do_a_lesson(page, site)
        assert page.problems == []
        assert page.outside == []


def do_a_lesson(cut, site):
    cut.goto(f"{site}/lessons.html")
    cut.get_by_role("link", name="What can be learned in a minute?").click()
    for change in (lambda: cut.emulate_media(color_scheme="dark"), cut.locator(".theme").click):
        before = cut.locator(".book").get_attribute("data-theme")
        change()
        for ours in (".book", ".shelf"):
            expect(cut.locator(ours)).not_to_have_attribute("data-theme", before)
    remember(cut)
    cut.get_by_text("Next: What do you expect?").click()
    cut.get_by_role("slider").press("ArrowRight")
    cut.get_by_role("button", name="This is my prediction").click()
    for title in ("Start a training", "Watch it learn"):
        cut.get_by_text(f"Next: {title}").click()
        expect(cut.locator(".book .body")).to_contain_text("This part needs the app.")
        cut.get_by_role("button", name="Go on without it").click()
    cut.get_by_text("Next: What came out, and why?").click()
    expect(cut.locator(".book .gap-words")).to_have_text("You said 51\u00a0%. It is 26.5 %.")
    cut.reload()  # it is kept
    cut.get_by_role("button", name="Because it could know").click()
    cut.get_by_text("Next: Where it fails").click()
    expect(cut).to_have_url(re.compile("watch.html.show=digits.+test-23"))
    expect(cut.locator(".book footer")).not_to_contain_text("Next")
    cut.locator("button.play").click()
    cut.get_by_text("Next: Keep it").click()
    keep_too_much(cut, "train-one-in-a-minute", leaf=99)  # of a lesson that had more leaves
    cut.reload()
    with cut.expect_download() as saved:
        cut.get_by_role("button", name="Save this picture").click()
    assert saved.value.suggested_filename == "lesson-3.png"
    cut.get_by_role("link", name="All lessons").click()
    expect(cut.locator(".shelf .sum")).to_have_text("1 of 8 lessons done.")  # and the theme went along as well
    expect(cut.locator(".shelf")).to_have_attribute("data-theme", "light")
    for _ in range(2):
        cut.locator(".shelf .erase button").click()
    cut.get_by_role("link", name="Watch", exact=True).click()
    expect(cut).to_have_url(re.compile("watch.html$"))
    assert kept(cut, "train-one-in-a-minute") is None


@pytest.mark.slow
def test_pages_fit_a_telephone_and_a_desk_light_and_dark(cut, site):
    grounds = set()
    for name in ("index", "lessons", *(page.name for page in PAGES)):
        cut.goto(f"{site}/{name}.html")
        for width in WIDTHS:
            cut.set_viewport_size({"width": width, "height": 900})
            assert cut.evaluate("document.documentElement.scrollWidth <= innerWidth"), (name, width)
        grounds.add(cut.evaluate("getComputedStyle(document.body).backgroundColor"))
        cut.locator(".theme").click()
    assert grounds == {"rgb(255, 255, 255)", "rgb(17, 21, 28)"}  # the choice went along from page to page
