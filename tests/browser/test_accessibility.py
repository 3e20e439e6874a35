"""Every page as it stands on arrival: the rules of axe-core, the keyboard alone, and reduced motion.

axe runs at the widths of a telephone and a desk, light and dark. It comes with axe-playwright-python, so no network is
needed. What Streamlit's own markup does and cannot be mended here is in `STREAMLITS`; everything else is ours.
"""

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import expect

from app import Home
from tests.browser.driving import WIDTHS, own_problems, settle
from tests.browser.test_ways_of_use import MOVING

PATHS = ["", *sorted({file.stem for file in (Home.ROOT / "pages").glob("*.py")} - {"watch"}), "lessons?print=solutions"]
COLOUR = ["color-contrast", "link-in-text-block"]  # the rules of axe's that go by it, of those it asks by itself
STREAMLITS = {  # (rule, what the node's HTML begins with): why it stays
    ("presentation-role-conflict", '<section role="presentation"'): "the drop zone of st.file_uploader has a name that "
    "its role takes away; the button inside it is named and works with the keyboard",
    ("scrollable-region-focusable", "<pre"): "st.code scrolls sideways at 360 px; Chromium focuses it, axe asks for "
    "a tabindex for the sake of Safari",
    ("list", '<ul data-testid="stSidebarNavItems"'): "the sidebar of a telephone puts a div around a section's pages",
    ("listitem", '<li class="st-emotion-cache'): "the same: the pages of a section",
}

FOCUSED = """() => {
    let at = document.activeElement;
    while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
    const ours = at.getRootNode() !== document;
    const style = getComputedStyle(at.type === "radio" ? at.nextElementSibling : at); // a picture's
    const box = at.getBoundingClientRect();
    return { name: at.outerHTML.slice(0, 90), ours,
        end: at === document.body || at.textContent === "Words on this page",
        marked: style.outlineStyle !== "none" || style.boxShadow !== "none", there: box.width > 0 && box.height > 0 };
}"""
MOST = 140  # presses of Tab to the end of a page


def violations(page, theme="light"):
    """Every node that breaks a rule of axe, as (rule, what its HTML begins with, why), those of Streamlit left out.

    In the dark those of colour: the other theme changes nothing else of a page that is open.
    """
    high = page.get_by_test_id("stMain").evaluate("node => node.scrollHeight")
    page.set_viewport_size({"width": page.viewport_size["width"], "height": high + 100})  # axe sees what is in view
    settle(page)
    asked = {"resultTypes": ["violations"]} | ({} if theme == "light" else {"runOnly": COLOUR})
    found = page.evaluate("asked => axe.run(document, asked)", asked)
    nodes = [
        (rule["id"], node["html"], "; ".join(check["message"] for check in node["any"] + node["all"] + node["none"]))
        for rule in found["violations"]
        for node in rule["nodes"]
    ]
    return [
        (rule, html[:160], why)
        for rule, html, why in nodes
        if not any(rule == known and html.startswith(begins) for known, begins in STREAMLITS)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("path", PATHS)
def test_a_page_does_not_move_by_itself_breaks_no_rule_of_axe_and_is_walked_by_keyboard(page, server, path):
    page.emulate_media(reduced_motion="reduce")
    page.goto(f"{server}/{path}")
    page.get_by_role("heading", level=1).wait_for()
    settle(page)
    assert page.evaluate(MOVING) == 0
    page.emulate_media(reduced_motion="no-preference")
    page.evaluate(AXE_SCRIPT)
    found = {}
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        expect(page.get_by_test_id("stApp")).to_have_css("color-scheme", theme)  # the page follows without being loaded
        for width in reversed(WIDTHS):
            page.set_viewport_size({"width": width, "height": 900})
            settle(page)
            found[theme, width] = violations(page, theme)
    assert {place: nodes for place, nodes in found.items() if nodes} == {}

    page.set_viewport_size({"width": 1280, "height": 900})
    settle(page)
    passed = []
    while not passed or not passed[-1]["end"]:
        page.keyboard.press("Tab")
        passed.append(page.evaluate(FOCUSED))
        assert len(passed) < MOST, passed[-3:]
    assert [at["name"] for at in passed if at["ours"] and not (at["marked"] and at["there"])] == []
    if page.locator("details.words").is_visible():  # else no term stands on the page, and behind its end is the window
        page.keyboard.press("Enter")
        expect(page.locator("details.words")).to_have_attribute("open", "")
    assert own_problems(page) == []


@pytest.mark.slow
def test_axe_finds_what_is_wrong(page, server):
    """A check that could not fail would be none."""
    page.goto(f"{server}/train")
    page.get_by_role("heading", level=1).wait_for()
    settle(page)
    page.evaluate(AXE_SCRIPT)
    page.evaluate("""() => document.querySelector("[data-testid=stMain] h1").insertAdjacentHTML(
        "afterend", "<h4 style='color: #999; background: #fff'>too pale, too deep</h4>")""")
    assert {rule for rule, _, _ in violations(page)} == {"color-contrast", "heading-order"}
    page.emulate_media(color_scheme="dark")
    expect(page.get_by_test_id("stApp")).to_have_css("color-scheme", "dark")
    assert {rule for rule, _, _ in violations(page, "dark")} == {"color-contrast"}
