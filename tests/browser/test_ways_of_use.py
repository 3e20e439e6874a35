"""Every page by keyboard alone, with reduced motion, and with the reader's own few colours."""

import pytest
from playwright.sync_api import expect

from tests.browser.driving import own_problems, settle, styles
from tests.browser.test_accessibility import PATHS

FOCUSED = """() => {
    let at = document.activeElement;
    while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
    const ours = at.getRootNode() !== document;
    const style = getComputedStyle(at.type === "radio" ? at.nextElementSibling : at); // a picture's
    const box = at.getBoundingClientRect();
    return { name: at.outerHTML.slice(0, 90), ours, end: at.textContent === "Words on this page",
        marked: style.outlineStyle !== "none" || style.boxShadow !== "none", there: box.width > 0 && box.height > 0 };
}"""
MOST = 140  # presses of Tab to the end of a page


@pytest.mark.slow
@pytest.mark.parametrize("path", PATHS)
def test_the_keyboard_reaches_the_end_of_a_page_and_shows_where_it_is(page, server, path):
    page.goto(f"{server}/{path}")
    page.get_by_role("heading", level=1).wait_for()
    settle(page)
    passed = []
    while not passed or not passed[-1]["end"]:
        page.keyboard.press("Tab")
        passed.append(page.evaluate(FOCUSED))
        assert len(passed) < MOST, passed[-3:]
    assert [at["name"] for at in passed if at["ours"] and not (at["marked"] and at["there"])] == []
    page.keyboard.press("Enter")
    expect(page.locator("details.words")).to_have_attribute("open", "")
    assert own_problems(page) == []


MOVING = """() => {
    const all = (root) => [root, ...[...root.querySelectorAll("*")].filter((host) => host.shadowRoot).flatMap((host) => all(host.shadowRoot))];
    return all(document).flatMap((root) => root.getAnimations()).filter((each) => each.playState === "running").length;
}"""  # noqa: E501


def test_with_reduced_motion_nothing_moves_by_itself(page, server):
    page.goto(f"{server}/attention")
    player = page.locator(".player.moves")
    player.wait_for()
    settle(page)

    def moved(way):
        return player.evaluate(f"node => {{ node.querySelector('[data-do={way}]').click(); return ({MOVING})(); }}")

    assert moved("last") > 0
    assert moved("first") > 0
    page.wait_for_function(f"() => ({MOVING})() === 0")
    settle(page)
    page.emulate_media(reduced_motion="reduce")
    assert moved("last") == 0


@pytest.mark.slow
def test_with_reduced_motion_no_page_moves_on_arrival(alone, server):
    alone.emulate_media(reduced_motion="reduce")
    for path in PATHS:
        alone.goto(f"{server}/{path}")
        alone.get_by_role("heading", level=1).wait_for()
        settle(alone)
        assert alone.evaluate(MOVING) == 0, path


def test_with_forced_colours_what_is_told_by_colour_keeps_it(page, server):
    """Else all would be of one. Of other pages that is asked where they are opened anyway: mazes, step and halting."""
    page.goto(f"{server}/compare")
    page.locator(".unrolled .stored i").first.wait_for()
    settle(page)
    page.emulate_media(forced_colors="active")
    assert len(styles(page, ".unrolled .stored i")) > 8
