"""Attention, edits and attribution."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.driving import own_problems, pick, sentence, settle


def test_what_is_read_is_above_the_fold_the_rest_opens_on_demand_and_an_edit_says_what_it_was_worth(page, server):
    page.set_viewport_size({"width": 1280, "height": 720})
    page.goto(f"{server}/attention?image=test-9")
    lead, edits = page.locator(".lead .heat"), page.locator(".panel-edits")
    expect(lead).to_be_in_viewport(ratio=0.9)
    expect(edits).to_have_count(0)
    expect(page.locator(".panel-attention .maps")).to_be_hidden()
    page.get_by_text("Change one thing: what was it worth?").click()
    expect(edits).to_be_visible()
    settle(page)
    assert "open=edits" in page.url
    page.get_by_text("Where else attention goes, in numbers").click()
    expect(page.locator(".panel-attention .maps")).to_be_visible()
    expect(page.locator(".lead")).to_have_count(1)
    settle(page)

    page.locator(".player").press("End")
    expect(sentence(page)).to_contain_text("Supervision step 6 of 6, answer update")
    expect(page.locator("select.choose-layer")).to_have_value("1")  # the last of two, unless a link says otherwise
    page.locator("svg.heat rect.cell").first.click()
    expect(page.locator(".inverse")).to_contain_text("Who reads the patch in row 1, column 1")
    steps = page.get_by_label("Supervision steps, N")  # more than trained are compared at the same step
    steps.select_option("2")
    expect(edits).to_contain_text("The edited run ends after supervision step 2")
    steps.select_option("12")
    expect(edits).to_contain_text("At this point the edit moves the probability")
    expect(edits).to_contain_text("by 0.0 points")  # six more steps change nothing at the sixth
    settle(page)
    assert "edit=n12" in page.url
    token = page.get_by_role("button", name="Memory token 1: as it is")
    assert token.evaluate("node => { node.click(); return node.textContent; }") == "1 zero"  # before the model has run
    expect(page.get_by_role("button", name="Memory token 1: zero")).to_be_visible()
    expect(edits).to_contain_text("At this point the edit moves the probability")
    expect(edits).not_to_contain_text("by 0.0 points")
    expect(sentence(page)).to_contain_text("Supervision step 6 of 6, answer update")  # the place is kept
    settle(page)
    assert "z0" in page.url.partition("edit=")[2]
    assert "position=18" in page.url
    page.get_by_role("button", name="Undo all").click()
    expect(edits).to_contain_text("Nothing is changed yet")


def views(page):
    return page.locator(".panel-attention select").evaluate_all("boxes => boxes.map((box) => box.value)")


def focused(page):
    return page.evaluate("""() => {
        let at = document.activeElement;
        while (at.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
        return at.getAttribute("aria-label");
    }""")


def test_a_patch_is_chosen_by_keyboard_an_edit_keeps_view_focus_and_scroll_and_attribution_follows_the_position(
    page, server
):
    # No such patch as in the link: none. Patch 5 is not read before the second step.
    page.goto(f"{server}/attention?image=test-21&position=3&edit=p5&view=0.1.2.9999&open=maps,edits,attribution")
    box = page.locator("select.choose-patch")
    expect(box).to_have_value("-1")
    edits, panel = page.locator(".panel-edits"), page.locator(".panel-attribution")
    expect(edits).to_contain_text("by 0.0 points and the halting probability by 0.000")
    expect(panel).to_contain_text("Not computed yet")
    settle(page)  # the panel may be made anew until then, with what has been typed
    box.focus()
    for _ in range(7):  # a whole name would have to be typed before the panel is made anew
        page.keyboard.press("r")  # the next row and column
    expect(page.locator(".inverse")).to_contain_text("Who reads the patch in row 2, column 3")
    settle(page)
    assert "view=0.1.2.6" in page.url
    page.locator("svg.heat text").first.click(force=True)  # on the number, which lies over its patch
    expect(page.locator(".inverse")).to_contain_text("Who reads the patch in row 1, column 1")
    settle(page)
    chosen = views(page)
    assert chosen == ["0", "1", "2", "0"]

    button = page.get_by_role("button", name="Memory token 2: as it is")
    button.scroll_into_view_if_needed()
    button.focus()
    main = page.get_by_test_id("stMain")
    height = main.evaluate("node => node.scrollTop")
    page.keyboard.press("Enter")
    expect(edits).not_to_contain_text("by 0.0 points")
    settle(page)
    assert focused(page) == "Memory token 2: zero"
    assert main.evaluate("node => node.scrollTop") == height
    assert views(page) == chosen
    page.locator(".lead summary").focus()
    page.get_by_role("button", name="Random image").evaluate("node => node.click()")  # the focus stays where it is
    settle(page)
    assert views(page) == chosen
    expect(page.locator(".lead summary")).to_be_focused()  # though its figure is another one

    page.get_by_role("button", name="Compute what mattered").click()
    expect(panel).to_contain_text("Rank correlation with rollout")
    expect(panel).to_contain_text("after supervision step 1,")
    settle(page)
    page.talk.sent.clear()
    before = panel.locator("svg.heat").nth(2).inner_html()
    page.locator(".player").press("End")
    expect(panel).to_contain_text("after supervision step 6,")
    assert panel.locator("svg.heat").nth(2).inner_html() != before
    assert own_problems(page) == []  # Streamlit asks twice for a sub-page


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", ["step?position=3&open=curves,memory", "attention?view=1.-1.-1.5&edit=z0&open=maps,edits"]
)
def test_every_figure_has_words_and_a_table(page, server, path):
    page.goto(f"{server}/{path}")
    page.locator(".player").wait_for()
    settle(page)
    silent = page.locator(".player [role=img]:not([aria-hidden]):not([aria-label])")
    assert silent.evaluate_all("nodes => nodes.map((node) => node.className.baseVal ?? node.className)") == []
    figures = page.locator(".player figure:visible:has([role=img]), .player .inverse:has([role=img])")
    assert figures.count() >= 4
    for figure in figures.all():
        figure.locator("summary").click()
        expect(figure.locator("tr").nth(1)).to_be_visible()
    page.locator("figure.answer summary").click()
    bars = page.locator("figure.answer tr")
    expect(bars).to_have_count(11)  # a heading and ten classes
    before = bars.last.inner_text()
    page.locator(".player").press("End")
    expect(bars.last).not_to_have_text(before)
    pick(page, 4)
    expect(page.locator("figure.answer details[open] tr")).to_have_count(11)  # open as it was
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    assert own_problems(page) == []


def test_an_edit_that_another_model_cannot_make_is_off_while_that_is_on_show(page, server):
    page.goto(f"{server}/attention?edit=n12;z0")
    panel = page.locator(".panel-edits")
    expect(panel).to_contain_text("At this point the edit moves the probability")
    choose = page.get_by_role("combobox", name="Model")
    for model, said, pressed in (
        ("digits", "Nothing is changed yet", "Memory token 1: as it is"),
        ("digits-glimpse", "At this point the edit moves the probability", "Memory token 1: zero"),
    ):
        choose.click()
        page.get_by_role("option", name=model, exact=True).click()
        expect(panel).to_contain_text(said)
        if model == "digits":  # a model of one step is not spoken of in the plural
            expect(page.locator(".badge")).to_contain_text("There is one step")
            charts = page.locator("svg.chart")
            expect(charts.first).to_have_attribute("aria-label", re.compile("over 1 supervision step:"))
        expect(page.get_by_role("button", name=pressed)).to_be_visible()
        settle(page)
        assert ("edit=" in page.url) == (model == "digits-glimpse")
