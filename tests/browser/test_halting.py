"""When has it seen enough?"""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.driving import WIDTHS, at_each_width, go_to, open_home, own_problems, pick, settle
from vitrm.runs.checkpoints import find_run


def open_halting(page, server, query=""):
    page.goto(f"{server}/halting{query}")
    page.locator(".exits .badge").wait_for()
    settle(page)


def move_threshold(page, value):
    """As a learner drags it: many values on the way, one at rest."""
    slider = page.get_by_label("Stop when the halting probability exceeds")
    slider.evaluate("""(node, value) => {
        for (const step of [0.2, 0.4, value]) {
            node.value = step;
            node.dispatchEvent(new Event("input", { bubbles: true }));
        }
    }""", value)  # fmt: skip
    return slider


def stop_by_every_control(page):
    """The threshold by slider, button and figure: what it does to one image; it is reported once, at rest."""
    move_threshold(page, 0.2).dispatch_event("change")
    badge, exits = page.locator(".exits .badge"), page.locator(".exits thead .exit")
    expect(badge).to_contain_text("stopped at 1 of 6")
    settle(page)
    assert "threshold=0.2" in page.url
    own = page.get_by_role("button", name="0.50 as in training")
    own.click()
    expect(own).to_have_attribute("aria-pressed", "true")
    settle(page)
    assert "threshold" not in page.url  # the checkpoint's own
    expect(badge).to_have_text("stopped at 4 of 6: wrong ✗")
    expect(exits).to_have_text("4")
    verdict = page.locator(".exits .verdict")
    expect(verdict).to_contain_text("Saves 2 of 6 steps and 33 % of the multiply-adds")
    expect(verdict).to_contain_text("which is wrong. Running every step would have ended with 3, which is right")
    page.talk.sent.clear()
    slider = move_threshold(page, 0.05)
    expect(badge).to_have_text("stopped at 1 of 6: right ✓")
    move_threshold(page, 0.999)
    expect(badge).to_have_text("ran all 6 steps: right ✓")
    expect(verdict).to_contain_text("never passed, so nothing is saved")
    assert page.talk.sent == []
    slider.dispatch_event("change")
    settle(page)
    assert len(page.talk.sent) == 1
    assert "threshold=0.999" in page.url
    own.click()
    box = page.locator(".exits .grip").bounding_box()
    page.mouse.move(box["x"] + 200, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + box["height"] / 2 - 32, steps=4)
    page.mouse.up()
    expect(badge).to_contain_text("stopped at 5 of 6")
    settle(page)
    assert "threshold=0.7" in page.url
    box = page.locator(".exits .grip").bounding_box()
    page.mouse.move(box["x"] + 200, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + box["height"] / 2 + 32, steps=4)
    page.locator(".exits .chart").dispatch_event("pointercancel")  # a finger's, when the page begins to scroll
    page.mouse.move(box["x"] + 200, box["y"] + box["height"] / 2 + 60)
    page.mouse.up()
    settle(page)
    assert "threshold" not in page.url  # back at the checkpoint's own, 0.5, and no farther
    expect(page.locator(".exits .name output")).to_have_text("0.50")


def test_the_threshold_moves_by_every_control_is_kept_by_the_link_and_adds_nothing_to_the_history(page, server):
    open_home(page, server)
    go_to(page, "When to stop", "Halting")
    page.locator(".exits .badge").wait_for()
    settle(page)
    stop_by_every_control(page)
    move_threshold(page, 0.999).dispatch_event("change")
    pick(page, 6)
    page.get_by_text("24, four times").click()
    expect(page.locator(".exits thead th")).to_have_count(25)
    expect(page.locator(".exits thead .beyond")).to_have_count(18)
    settle(page)
    address = page.url
    assert "threshold=0.999" in address
    assert "depth=4" in address
    assert "image=test-5" in address
    page.go_back()
    expect(page.get_by_role("heading", name="Watch a tiny vision model")).to_be_visible()
    expect(page.locator(".sentence")).not_to_be_empty()
    settle(page)
    assert "threshold=0.999" in page.url  # the player has the same
    page.goto(address)
    expect(page.locator(".exits .name output")).to_have_text("0.999")
    expect(page.get_by_text("test split, number 5,")).to_be_visible()
    # Of so many steps the exit is in view, and the figure says that it scrolls.
    expect(page.locator(".exits .more")).to_contain_text("24 steps: scroll the figure sideways")
    exits = page.locator(".exits thead .exit")
    expect(exits).to_be_in_viewport()
    move_threshold(page, 0.05)
    expect(exits).to_have_text("1")
    expect(exits).to_be_in_viewport()
    assert own_problems(page) == []


def all_images(page):
    """What the page says of all test images, and where its point stands on the curve."""
    here = page.locator(".exits .here")
    return [*page.locator(".exits dd").all_inner_texts(), here.get_attribute("cx"), here.get_attribute("cy")]


def test_an_arrow_is_a_hundredth_and_the_threshold_is_one_thing_on_the_whole_page(page, server):
    open_halting(page, server, "?open=leaving")
    bars = page.locator(".leaving .bars")
    expect(bars).to_have_attribute("aria-label", re.compile("at threshold 0.50"))
    report = find_run("digits-glimpse").report("halting")
    middle = next(out for out in reversed(report.leaving) if out.threshold <= 0.5)
    step, count, right = [last for last in zip(range(1, 7), middle.images, middle.right, strict=True) if last[1]][-1]
    assert count < 10  # of so few no percentage is told
    expect(page.get_by_text(f"after step {step}, {right} of {count} are right,")).to_be_visible()
    shown = page.locator(".exits .name output")
    slider = page.get_by_label("Stop when the halting probability exceeds")
    slider.focus()
    for key, value in (("ArrowRight", "0.51"), ("Shift+ArrowRight", "0.511"), ("ArrowLeft", "0.501"), ("End", "0.999")):
        slider.press(key)
        expect(shown).to_have_text(value)
    expect(page).to_have_url(re.compile("threshold=0.999"))
    settle(page)

    page.talk.sent.clear()
    seen = []
    for threshold in (0.2, 0.6, 0.995):
        move_threshold(page, threshold)
        left = next(out for out in reversed(report.leaving) if out.threshold <= threshold)
        expect(page.locator(".exits dd").first).to_have_text(f"{100 * sum(left.right) / 359:.1f}\u00a0%")
        steps = sum(n * count for n, count in enumerate(left.images, start=1)) / 359
        expect(page.locator(".exits dd").nth(1)).to_have_text(f"{steps:.2f}")
        said = "; ".join(
            f"{count} after step {n}, {count - right} of them wrong"
            for n, (count, right) in enumerate(zip(left.images, left.right, strict=True), start=1)
        )
        expect(bars).to_have_attribute("aria-label", re.compile(said))
        rows = page.locator(".leaving .step").evaluate_all(
            "rows => rows.map((row) => row.querySelectorAll('a').length)"
        )
        exits = [
            next((n for n, p in enumerate(one.halt_prob) if p > threshold), 5)
            for one in {one.index: one for one in report.examples}.values()
        ]
        assert rows == [exits.count(n) for n in range(6)]
        seen.append(all_images(page))
    assert seen[0] != seen[1] != seen[2]
    assert page.talk.sent == []

    image = page.locator(".leaving .image").first  # an image worth a look leads to the player at that image
    expect(image).to_have_attribute("target", "_blank")
    page.goto(image.evaluate("link => link.href"))
    expect(page.locator(".player")).to_be_visible()
    index = page.url.partition("image=test-")[2].partition("&")[0]
    expect(page.get_by_text(f"test split, number {index},")).to_be_visible()


@pytest.mark.slow
def test_the_halting_page_fits_and_every_figure_has_words(page, server):
    page.set_viewport_size({"width": WIDTHS[0], "height": 900})
    open_halting(page, server, "?open=leaving,rules,meaning,further")
    charts = page.get_by_test_id("stPlotlyChart")
    expect(charts).to_have_count(3)
    for width in at_each_width(page):
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        over = page.locator(".exits .scroll").evaluate("node => node.scrollWidth - node.clientWidth")
        assert over <= 0
    said = charts.evaluate_all("all => all.map((node) => node.getAttribute('aria-label'))")
    starts = ("Accuracy against work", "Halting probability against", "Answers that become")
    assert [text.startswith(start) for text, start in zip(said, starts, strict=True)] == [True] * 3
