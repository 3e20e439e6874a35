"""The first lesson, done as a learner does it, and all of them on paper; what the others ask for: test_stops.py."""

import re

from playwright.sync_api import expect

from app.lessons.course import lessons
from tests.browser.book import keep_too_much, kept, leaf, onward
from tests.browser.driving import own_problems, settle

FIRST = "can-an-answer-change"


def play_to_the_end(page):
    """By the player's own key, step by step."""
    expect(page.locator(".sentence")).to_contain_text("Before the first step")
    page.locator(".player").focus()
    for _ in range(6):
        page.keyboard.press("ArrowRight")


def be_shown_where(page):
    """Twice, and no frame stays."""
    page.locator(".book summary").click()
    play = page.locator("button.play")
    for _ in range(2):
        page.get_by_role("button", name="Show me where").click()
        expect(play).to_be_focused()
    play.evaluate("node => node.getAnimations().forEach((each) => each.finish())")
    expect(play).not_to_have_css("outline-color", "rgb(230, 159, 0)")


def cover_no_control(page):
    """The book of a telephone, open and folded; it is open in the end."""
    for _ in ("open", "folded"):
        page.locator("button.play").scroll_into_view_if_needed()
        play, book = page.locator("button.play").bounding_box(), page.locator(".book").bounding_box()
        assert play["y"] + play["height"] <= book["y"]
        page.locator(".book .fold").click()
    expect(page.locator(".book .fold")).to_have_text("Fold")


def find_it_done_and_erase_it(page, server):
    """On the shelf of lessons."""
    page.goto(f"{server}/lessons")
    expect(page.locator(".shelf .sum")).to_contain_text("1 of ")
    assert kept(page, FIRST)["complete"]
    erase = page.locator(".shelf .erase button")
    erase.click()
    erase.click()
    expect(erase).to_have_count(0)
    assert kept(page, FIRST) is None


def test_the_first_lesson_is_done_by_doing_fits_a_telephone_survives_a_reload_and_is_erased(page, server):
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(f"{server}/lessons")
    page.get_by_role("link", name="Can an answer change?").click()
    leaf(page, "What do you expect?")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    expect(page.locator(".book footer")).not_to_contain_text("Next")
    prediction = page.get_by_role("slider", name=re.compile("For how many of 100 digits"))
    prediction.focus()
    for _ in range(10):
        page.keyboard.press("ArrowLeft")
    page.get_by_role("button", name="This is my prediction").press("Enter")
    expect(page.locator(".book .live")).to_have_text("Done: What do you expect?")
    onward(page, "Watch one answer")
    leaf(page, "Watch one answer")
    cover_no_control(page)
    page.set_viewport_size({"width": 1280, "height": 900})
    settle(page)
    be_shown_where(page)
    play_to_the_end(page)
    expect(page.locator(".book .live")).to_have_text("Done: Watch one answer")

    keep_too_much(page, FIRST)
    page.reload()
    leaf(page, "Watch one answer")  # where it was, and as far
    onward(page, "Now a sure one")
    leaf(page, "Now a sure one")
    play_to_the_end(page)
    onward(page, "What came out, and why?")
    leaf(page, "What came out, and why?")
    expect(page.locator(".book .gap-words")).to_contain_text("You said 40 %, it is ")
    expect(page.locator(".answer-figure")).to_have_attribute("aria-label", re.compile("You said 40 %"))
    for reason in ("The model rolls dice", "Each step starts from the answer"):
        page.get_by_role("button", name=re.compile(reason)).click()
    expect(page.locator(".book .yes")).to_contain_text("Yes.")
    onward(page, "Where it fails")
    leaf(page, "Where it fails")
    play_to_the_end(page)
    expect(page.locator(".book .live")).to_have_text("Done: Where it fails That was the whole lesson.")
    onward(page, "Keep it")
    leaf(page, "Keep it")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save this picture").click()
    assert saved.value.suggested_filename == "lesson-1.png"
    page.get_by_role("button", name="Close the lesson").click()
    expect(page.locator(".book")).to_have_count(0)
    settle(page)
    assert "lesson" not in page.url

    find_it_done_and_erase_it(page, server)
    assert own_problems(page) == []
    assert page.outside == []


def test_the_worksheet_comes_out_of_the_printer_a_lesson_a_page_black_on_white(page, server):
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(f"{server}/lessons")
    address = page.get_by_role("link", name="Worksheet").get_attribute("href")
    page.goto(f"{server}/{address}")
    expect(page.locator(".sheet .leaf")).to_have_count(len(lessons()))
    settle(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    for paper in ("A4", "Letter"):
        assert len(re.findall(rb"/Type ?/Page\b", page.pdf(format=paper))) == len(lessons()), paper
    page.emulate_media(media="print")
    expect(page.get_by_test_id("stHeader")).to_be_hidden()
    expect(page.locator(".sheet .controls")).to_be_hidden()
    expect(page.locator("body")).to_have_css("background-color", "rgb(255, 255, 255)")
    expect(page.locator(".sheet h2").first).to_have_css("color", "rgb(0, 0, 0)")
    assert own_problems(page) == []


def test_whoever_takes_a_later_lesson_first_goes_on_without_the_questions_about_those_before(page, server):
    second, third = list(lessons().values())[1:3]
    page.goto(f"{server}/{third.address.removeprefix('./')}")
    leaf(page, "Do you remember?")
    page.get_by_role("button", name="Go on without them").click()
    onward(page, "What do you expect?")
    leaf(page, "What do you expect?")
    page.evaluate(
        "keys => localStorage.setItem('vitrm-lessons',"
        " JSON.stringify(Object.fromEntries(keys.map((key) => [key, { events: [], leaf: 0, complete: true }]))))",
        [FIRST, second.key],
    )
    page.reload()
    leaf(page, "Do you remember?")
    expect(page.get_by_role("button", name="Go on without them")).to_have_count(0)
