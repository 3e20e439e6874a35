"""Every page by keyboard alone, with reduced motion, and with the reader's own few colours."""

import pytest
from playwright.sync_api import expect

from tests.browser.driving import own_problems, settle
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


def test_with_reduced_motion_nothing_moves_by_itself(alone, server):
    moved = {}
    for motion in ("no-preference", "reduce"):
        alone.emulate_media(reduced_motion=motion)
        alone.goto(f"{server}/attention")
        alone.locator(".player .sentence").wait_for()
        settle(alone)
        moved[motion] = alone.locator(".player").evaluate(
            f"async (node) => {{ node.querySelector('[data-do=last]').click(); return ({MOVING})(); }}"
        )
    assert moved["no-preference"] > 0
    assert moved["reduce"] == 0


@pytest.mark.slow
def test_with_reduced_motion_no_page_moves_on_arrival(alone, server):
    alone.emulate_media(reduced_motion="reduce")
    for path in PATHS:
        alone.goto(f"{server}/{path}")
        alone.get_by_role("heading", level=1).wait_for()
        settle(alone)
        assert alone.evaluate(MOVING) == 0, path


def test_with_forced_colours_marks_stay_visible(alone, server):
    """What is told by colour keeps it, and what is chosen is framed; else all would be of one colour."""
    alone.emulate_media(forced_colors="active")

    def colours(selector, name="backgroundColor"):
        return set(alone.locator(selector).evaluate_all(f"all => all.map((node) => getComputedStyle(node).{name})"))

    alone.goto(f"{server}/mazes")
    alone.locator(".board .cell").first.wait_for()
    settle(alone)
    assert len(colours(".board .cell")) == 6  # wall, free, start and three gems
    alone.goto(f"{server}/compare")
    alone.locator(".unrolled .stored i").first.wait_for()
    settle(alone)
    assert len(colours(".unrolled .stored i")) > 8
    alone.goto(f"{server}/step?position=9")
    alone.locator(".equations .now").first.wait_for()
    settle(alone)
    assert colours(".equations .now", "outlineStyle") == {"solid"}
    assert colours(".equations li:not(.now)", "outlineStyle") == {"none"}
    alone.goto(f"{server}/halting")
    alone.locator(".exits .badge").wait_for()
    settle(alone)
    assert colours(".exits [aria-pressed=true]", "outlineStyle") == {"solid"}
    assert colours(".exits [aria-pressed=false]", "outlineStyle") == {"none"}
