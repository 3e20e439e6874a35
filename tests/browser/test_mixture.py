"""The soft mixture."""

import pytest
from playwright.sync_api import expect

from tests.browser.driving import WIDTHS, at_each_width, own_problems, settle


def test_the_mixture_of_a_patch_is_looked_at_without_a_message_and_kept_by_the_link(page, server):
    page.set_viewport_size({"width": WIDTHS[0], "height": 900})
    page.goto(f"{server}/mixture?image=test-9")
    weights, token = page.locator(".mixture .stack").first, page.get_by_label("Weights of one token")
    expect(page.locator(".mixture .heat")).to_have_count(2 * 6)  # 4 steps, mean step, entropy; not for the last stage
    settle(page)
    page.talk.sent.clear()
    before, patch = weights.inner_text(), page.locator(".mixture .heat").first.locator(".hit").nth(5)
    for _ in range(600):  # a busy machine moves the figure below the pointer, by styles that come late
        patch.hover()
        if token.input_value() == "6":
            break
        page.wait_for_timeout(100)
    expect(token).to_have_value("6")  # 0 is the class token
    assert weights.inner_text() != before
    assert page.talk.sent == []
    patch.click()
    page.get_by_role("button", name="range of this image").click()
    settle(page)
    assert "mixture_view=0.6.range" in page.url
    page.get_by_text("All test images: which steps are used?").click()
    expect(page.get_by_test_id("stPlotlyChart")).to_have_count(2)
    settle(page)
    assert "open=steps" in page.url
    expect(token).to_have_value("6")
    page.reload()
    expect(page.get_by_test_id("stPlotlyChart")).to_have_count(2)
    expect(token).to_have_value("6")
    for width in at_each_width(page):
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator(".mixture").evaluate("node => node.scrollWidth - node.clientWidth") <= 0
    assert own_problems(page) == []


@pytest.mark.slow
def test_tables_of_results_fit_a_telephone(page, server):
    page.set_viewport_size({"width": WIDTHS[0], "height": 900})
    for path, column in (("mixture?open=worth", "became right"), ("compare?open=mixture", "last step alone")):
        page.goto(f"{server}/{path}")
        table = page.get_by_test_id("stTable").filter(has_text=column)
        expect(table).to_be_visible()
        settle(page)
        over = "all => all.map((node) => node.scrollWidth - node.clientWidth)"
        assert max(table.locator("div:has(table)").evaluate_all(over)) <= 0
