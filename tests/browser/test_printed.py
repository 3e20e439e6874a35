"""A figure of a page, taken away for a paper."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.driving import open_home, own_problems, settle


def test_a_figure_is_saved_in_the_width_asked_for_and_the_dialog_stays_open_meanwhile(page, server):
    open_home(page, server)
    page.get_by_role("button", name="Figures for a paper").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("84 × ")).to_be_visible()
    width = dialog.get_by_role("spinbutton", name="Width, mm")
    width.fill("174")
    width.press("Enter")
    expect(dialog.get_by_text("174 × ")).to_be_visible()
    expect(dialog.locator("code").last).to_contain_text("figsize=(174 / 25.4")
    settle(page)
    with page.expect_download() as saved:
        dialog.get_by_role("button", name="SVG").first.click()
    text = saved.value.path().read_text(encoding="utf-8")
    points = float(re.search(r'<svg [^>]*?width="([\d.]+)pt"', text, re.S)[1])
    assert points / 72 * 25.4 == pytest.approx(174, abs=0.01)
    assert saved.value.suggested_filename.startswith("digits-glimpse-test-9-0-answer")
    assert page.outside == []
    assert own_problems(page) == []
