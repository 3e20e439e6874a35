"""The player of a model of another make, as one file."""

import numpy as np
from playwright.sync_api import expect

from app.player.standalone import standalone
from tests.browser.driving import sentence
from vitrm.traces.adapter import Moment, trace_of


class Counting:
    """Is surer of the second class at each moment."""

    class_names, patch_size, halt_threshold, steps = ("even", "odd"), 4, 0.5, (3, 1, 2)

    def start(self):
        return np.zeros(4), np.zeros((3, 4))

    def moments(self, pixels):
        steps, recursions, memory = self.steps
        for k in range(steps * recursions * memory):
            yield Moment([0.0, k], k - 3.5, np.full(4, k), np.full((3, 4), k))


class CountingTwice(Counting):
    steps = (2, 1, 1)


def test_a_curve_of_one_point_is_seen(page, tmp_path):
    pixels = np.zeros((1, 8, 8), np.uint8)
    file = tmp_path / "short.html"
    file.write_bytes(standalone(trace_of(CountingTwice(), pixels, label=1), "Counting", "Of no training."))
    page.goto(file.as_uri())
    expect(sentence(page)).to_contain_text("Supervision step 1 of 2")
    drawn = page.locator(".chart .future .curve").evaluate_all("all => all.map((each) => each.getBBox().width)")
    assert len(drawn) == 6  # two classes, halting, two changes, and the KL, which begins with the second step
    assert min(drawn) >= 5


def test_it_plays_from_a_file_without_server(page, tmp_path):
    pixels = np.arange(64, dtype=np.uint8).reshape(1, 8, 8)
    file = tmp_path / "other.html"
    file.write_bytes(standalone(trace_of(Counting(), pixels, label=1), "Counting", "Of no training.", ["memory"]))
    page.goto(file.as_uri())
    expect(sentence(page)).to_contain_text("Supervision step 1 of 3")
    expect(page.get_by_role("button", name="Save picture")).to_be_visible()
    expect(page.get_by_role("button", name="Present")).to_be_hidden()  # there is nobody to tell
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    expect(sentence(page)).to_contain_text("Supervision step 3 of 3")
    expect(sentence(page)).to_contain_text("odd")
    page.locator(".panel-memory summary").first.click()
    expect(page.locator("details.numbers[open] tr")).to_have_count(4)  # a heading and three memory tokens
    assert page.outside == []
    assert page.problems == []
