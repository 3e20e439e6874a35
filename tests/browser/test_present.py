"""For a room with a beamer and on paper, on a page whose leading figure is no player."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.driving import own_problems, settle, styles
from tests.browser.test_watch import SMALLEST


def test_halting_is_presented_on_one_screen_by_keyboard_alone_and_printed_black_on_white(page, server):
    page.set_viewport_size({"width": 1280, "height": 720})
    page.goto(f"{server}/halting")
    page.locator(".exits .badge").wait_for()
    settle(page)
    page.get_by_role("button", name="Present").click()
    expect(page.locator(".exits.present")).to_be_visible()
    settle(page)
    assert "present=1" in page.url
    assert page.evaluate(SMALLEST) >= 20 - 1e-3
    for part in (".exits .control", ".exits .scroll", ".exits .costs", ".exits .figures"):
        expect(page.locator(part)).to_be_in_viewport(ratio=0.99)
    for hidden in (
        page.get_by_role("heading", name="When has it"),
        page.get_by_role("banner"),
        page.get_by_text("Image:"),
    ):
        expect(hidden).to_be_hidden()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".exits .name output")).to_have_text("0.51")
    page.keyboard.press("4")
    expect(page.get_by_test_id("stPlotlyChart")).to_be_visible()
    expect(page).to_have_url(re.compile("panels=rules"))
    another = page.locator(".bar .panels button").nth(1)
    another.press("Enter")
    expect(another).to_have_attribute("aria-pressed", "true")
    settle(page)
    expect(another).to_be_focused()
    expect(page.locator(".exits")).to_be_hidden()
    page.keyboard.press("Escape")
    expect(page.get_by_role("heading", name="When has it seen enough?")).to_be_visible()
    settle(page)
    expect(page.get_by_role("button", name="Present")).to_be_focused()
    assert "present" not in page.url
    assert "panels" not in page.url

    pressed = {True: {"solid"}, False: {"none"}}  # what is chosen is framed where the reader's own few colours are
    page.get_by_role("button", name="0.50 as in training").click()
    page.emulate_media(forced_colors="active")
    for is_pressed, outline in pressed.items():
        assert styles(page, f".exits [aria-pressed={str(is_pressed).lower()}]", "outlineStyle") == outline
    page.emulate_media(forced_colors="none", color_scheme="dark", media="print")
    expect(page.get_by_role("heading", level=1)).to_have_css("color", "rgb(0, 0, 0)")
    expect(page.locator(".exits .verdict")).to_have_css("color", "rgb(0, 0, 0)")
    assert page.locator("button:visible, select:visible, input:visible").count() == 0
    assert own_problems(page) == []


ON_ONE_SCREEN = """high => {
  const main = document.querySelector('[data-testid="stMain"]');
  return main.scrollHeight <= high && main.scrollWidth <= main.clientWidth;
}"""


@pytest.mark.slow
@pytest.mark.parametrize("path", ["compare", "mixture", "mazes", "glimpses", "attention", "step"])
def test_a_page_is_presented_on_one_screen_in_large_type(page, server, path):
    page.set_viewport_size({"width": 1280, "height": 720})
    page.goto(f"{server}/{path}?present=1")
    expect(page.get_by_role("button", name="Leave")).to_be_visible()
    settle(page)
    expect(page.get_by_test_id("stMain").locator("h1")).to_be_hidden()
    # A busy machine draws a component's content seconds before its styles, so this is waited for, not read at once.
    page.wait_for_function(ON_ONE_SCREEN, arg=1.07 * 720)  # the last line may be a legend's
    assert page.evaluate(SMALLEST) >= 20 - 1e-3
    assert own_problems(page) == []
