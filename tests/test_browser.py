"""The app in a real browser: headless Chromium, driven by Playwright. Needs Chromium on the PATH."""

import base64
import contextlib
import io
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect, sync_playwright

expect.set_options(timeout=60_000)  # a busy machine is slow, not wrong
ROOT = Path(__file__).resolve().parents[1]
WIDTHS = (360, 1440)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",  # a camera that shows a green clock
    "--use-fake-ui-for-media-stream",
]


@contextmanager
def running_server(port=None, **options):
    """A real server on a free port; yields its address and its process. `options` go to the process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = port or probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app/Home.py", "--server.port", str(port)]
    command += ["--server.address", "127.0.0.1", "--server.fileWatcherType", "none"]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT} | options
    process = subprocess.Popen(command, cwd=ROOT, **options)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(120):
            try:
                urllib.request.urlopen(f"{address}/_stcore/health", timeout=2).close()
                break
            except OSError:
                assert process.poll() is None, process.stdout and process.stdout.read().decode()
                time.sleep(0.5)
        yield address, process
    finally:
        process.terminate()
        process.wait(timeout=20)
        if process.stdout:
            process.stdout.close()


@pytest.fixture(scope="module")
def server():
    """The server that the tests share; its address."""
    with running_server() as (address, _):
        yield address


@pytest.fixture(scope="module")
def chromium():
    path = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
    assert path, "Chromium is needed for the browser tests: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium):
    """A new page that notes console errors, requests that leave the machine and websocket messages to the server."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.problems, page.outside, page.sent = [], [], []
    page.on("console", lambda message: page.problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on("request", lambda request: note_outside(page, request.url))
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: page.sent.append(frame)))  # noqa: PLW0108
    page.set_default_timeout(60_000)
    yield page
    context.close()


def note_outside(page, url):
    if url.startswith("http") and not url.startswith("http://127.0.0.1:"):
        page.outside.append(url)


def sentence(page):
    return page.locator(".sentence")


def open_home(page, server, query=""):
    page.goto(f"{server}/{query}")
    expect(sentence(page)).to_contain_text("Supervision step 1 of 6")
    settle(page)


def settle(page):
    """Until the script has finished and no message is on its way."""
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
    page.wait_for_timeout(700)


def test_the_page_is_filled_on_arrival_changes_with_the_image_and_stays_on_this_machine(page, server):
    open_home(page, server)
    first = page.locator(".bars").inner_text()
    page.locator(".player").press("End")
    expect(sentence(page)).to_contain_text("Supervision step 6 of 6")
    answer = sentence(page).locator("b").inner_text()
    group = page.get_by_role("radiogroup", name="Pick an image by its true class")
    wanted = "3" if answer != "3" else "4"
    group.get_by_text(wanted, exact=True).click()
    expect(page.locator(".bars small")).to_have_text("true class")
    expect(page.locator(".bars li", has=page.locator("small"))).to_contain_text(wanted)
    settle(page)
    assert page.locator(".bars").inner_text() != first
    page.locator(".player").press("End")
    expect(sentence(page)).not_to_contain_text(f"answers {answer} ")
    assert page.problems == []
    assert page.outside == []


def test_playing_and_scrubbing_send_nothing_and_resting_reports_once(page, server):
    open_home(page, server)
    page.sent.clear()
    page.locator("button.play").click()
    page.locator(".sentence", has_text="Supervision step 5 of 6").wait_for()
    assert page.sent == []
    expect(sentence(page)).to_contain_text("Supervision step 6 of 6")
    settle(page)
    assert len(page.sent) == 1  # the position at which it came to rest
    page.sent.clear()
    page.mouse.wheel(0, -5000)  # pressing Play may have scrolled the curves away
    page.wait_for_timeout(300)
    box = page.locator("svg.chart").bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    for k in range(12):
        page.mouse.move(box["x"] + 60 + 20 * k, box["y"] + 60)
    assert page.sent == []
    page.mouse.up()
    settle(page)
    assert len(page.sent) == 1
    assert page.problems == []


def test_the_keyboard_moves_through_every_level(page, server):
    open_home(page, server)
    player = page.locator(".player")
    player.press("ArrowRight")
    expect(sentence(page)).to_contain_text("Supervision step 2 of 6, answer update")
    page.locator("select.level").select_option("single update")
    player.press("ArrowRight")
    expect(sentence(page)).to_contain_text("Supervision step 3 of 6, memory iteration 1 of 2")
    player.press("Home")
    expect(sentence(page)).to_contain_text("Supervision step 1 of 6, memory iteration 1 of 2")
    player.press("End")
    expect(sentence(page)).to_contain_text("Supervision step 6 of 6, answer update")
    player.press("ArrowLeft")
    expect(sentence(page)).to_contain_text("Supervision step 6 of 6, memory iteration 2 of 2")


def test_a_link_restores_the_image_and_a_position_beyond_the_end_is_the_last_one(page, server):
    page.goto(f"{server}/?image=test-17&glimpse_seed=2&position=9999")
    expect(page.get_by_text("test split, number 17, glimpse seed 2")).to_be_visible()
    expect(sentence(page)).to_contain_text("Supervision step 6 of 6, answer update")
    settle(page)
    assert "position=17" in page.url


def at_each_width(page):
    """The widths of a telephone and of a desk, on the page that is open; begin with the first."""
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        settle(page)
        yield width


def test_nothing_hangs_over_the_edge(page, server):
    page.set_viewport_size({"width": WIDTHS[0], "height": 900})
    open_home(page, server)
    for width in at_each_width(page):
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        over = page.locator(".player").evaluate("node => node.scrollWidth - node.clientWidth")
        assert over <= 0


def test_a_click_on_a_patch_says_who_reads_it_and_an_edit_says_what_it_was_worth(page, server):
    page.goto(f"{server}/attention?position=17")
    expect(sentence(page)).to_contain_text("Supervision step 6 of 6, answer update")
    expect(page.locator("select.choose-layer")).to_have_value("1")  # the last of two, unless a link says otherwise
    page.locator("svg.heat rect.cell").first.click()
    expect(page.locator(".inverse")).to_contain_text("Who reads the patch in row 1, column 1")
    page.get_by_role("button", name="Memory token 1: as it is").click()
    expect(page.locator(".panel-edits")).to_contain_text("At this point the edit moves the probability")
    expect(page.get_by_role("button", name="Memory token 1: zero")).to_be_visible()
    expect(sentence(page)).to_contain_text("Supervision step 6 of 6, answer update")  # the place is kept
    settle(page)
    assert "edit=z0" in page.url
    assert "position=17" in page.url
    page.get_by_role("button", name="Undo all").click()
    expect(page.locator(".panel-edits")).to_contain_text("Nothing is changed yet")


def views(page):
    return page.locator(".panel-attention select").evaluate_all("boxes => boxes.map((box) => box.value)")


def focused(page):
    return page.evaluate("""() => {
        let at = document.activeElement;
        while (at.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
        return at.getAttribute("aria-label");
    }""")


def test_an_edit_and_another_image_keep_view_focus_and_scroll(page, server):
    page.goto(f"{server}/attention?view=0.1.2.-1")
    page.locator(".player").wait_for()
    settle(page)
    page.locator("svg.heat text").first.click(force=True)  # on the number, which lies over its patch
    expect(page.locator(".inverse")).to_contain_text("Who reads the patch")
    chosen = views(page)
    assert chosen[:3] == ["0", "1", "2"]
    assert chosen[3] != "-1"
    button = page.get_by_role("button", name="Memory token 2: as it is")
    button.scroll_into_view_if_needed()
    button.focus()
    main = page.get_by_test_id("stMain")
    height = main.evaluate("node => node.scrollTop")
    page.keyboard.press("Enter")
    expect(page.locator(".panel-edits")).to_contain_text("At this point the edit moves the probability")
    settle(page)
    assert focused(page) == "Memory token 2: zero"
    assert main.evaluate("node => node.scrollTop") == height
    assert views(page) == chosen
    page.get_by_role("button", name="Random image").click()
    settle(page)
    assert views(page) == chosen
    assert [text for text in page.problems if "404" not in text] == []  # Streamlit asks twice for a sub-page


def test_a_patch_can_be_chosen_with_the_keyboard_alone(page, server):
    page.goto(f"{server}/attention?view=1.2.3.9999")  # no such patch: none
    box = page.locator("select.choose-patch")
    expect(box).to_have_value("-1")
    box.focus()
    page.keyboard.type("row 2, column 3")
    expect(page.locator(".inverse")).to_contain_text("Who reads the patch in row 2, column 3")
    settle(page)
    assert "view=1.2.3.6" in page.url


def test_the_arrows_work_before_the_player_is_touched_but_not_inside_another_control(page, server):
    open_home(page, server)
    page.keyboard.press("ArrowRight")
    expect(sentence(page)).to_contain_text("Supervision step 2 of 6")
    page.get_by_role("radiogroup", name="Pick an image by its true class").get_by_text("5", exact=True).click()
    settle(page)
    page.keyboard.press("ArrowRight")
    settle(page)
    expect(sentence(page)).to_contain_text("Supervision step 2 of 6")
    page.get_by_role("button", name="Random image").click()
    settle(page)
    page.keyboard.press("ArrowRight")
    expect(sentence(page)).to_contain_text("Supervision step 3 of 6")


def test_a_page_without_a_player_keeps_its_address(page, server):
    page.goto(f"{server}/halting?checkpoint=digits")
    page.get_by_role("heading", name="When has it seen enough?").wait_for()
    settle(page)
    page.get_by_role("radiogroup", name="Pick an image by its true class").get_by_text("5", exact=True).click()
    settle(page)
    assert "checkpoint=digits" in page.url
    assert "image=test-5" in page.url
    page.reload()
    page.get_by_role("heading", name="When has it seen enough?").wait_for()
    expect(page.get_by_text("test split, number 5,")).to_be_visible()


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


def test_the_threshold_moves_in_the_browser_alone_and_reports_once_at_rest(page, server):
    open_halting(page, server, "?image=test-9")
    badge, exits = page.locator(".exits .badge"), page.locator(".exits thead .exit")
    expect(badge).to_have_text("stopped at 4 of 6")
    expect(exits).to_have_text("4")
    verdict = page.locator(".exits .verdict")
    expect(verdict).to_contain_text("Saves 2 of 6 steps and 33 % of the multiply-adds")
    expect(verdict).to_contain_text("which is wrong. Running every step would have ended with 3, which is right")
    page.sent.clear()
    slider = move_threshold(page, 0.05)
    expect(badge).to_have_text("stopped at 1 of 6")
    move_threshold(page, 0.99)
    expect(badge).to_have_text("ran all 6 steps")
    expect(verdict).to_contain_text("never passed, so nothing is saved")
    assert page.sent == []
    slider.dispatch_event("change")
    settle(page)
    assert len(page.sent) == 1
    assert "threshold=0.99" in page.url
    assert [text for text in page.problems if "404" not in text] == []


def test_the_threshold_is_kept_by_the_link_and_adds_nothing_to_the_history(page, server):
    open_home(page, server)
    page.get_by_role("link", name="Halting").first.click()
    page.locator(".exits .badge").wait_for()
    settle(page)
    for value in (0.3, 0.95):
        move_threshold(page, value).dispatch_event("change")
        settle(page)
    page.get_by_role("button", name="Random image").click()
    settle(page)
    page.get_by_text("12, twice that").click()
    expect(page.locator(".exits thead th")).to_have_count(13)
    expect(page.locator(".exits thead .beyond")).to_have_count(6)
    settle(page)
    address = page.url
    assert "threshold=0.95" in address
    assert "depth=2" in address
    page.go_back()
    expect(page.get_by_role("heading", name="Watch a tiny vision model")).to_be_visible()
    settle(page)
    assert "threshold=0.95" in page.url  # the player has the same
    page.goto(address)
    expect(page.locator(".exits .name output")).to_have_text("0.95")
    expect(page.locator(".exits thead th")).to_have_count(13)


def test_the_threshold_can_be_chosen_with_a_button_and_dragged_in_the_figure(page, server):
    open_halting(page, server, "?image=test-9&threshold=0.2")
    expect(page.locator(".exits .badge")).to_have_text("stopped at 1 of 6")
    own = page.get_by_role("button", name="0.50 as in training")
    own.click()
    expect(own).to_have_attribute("aria-pressed", "true")
    settle(page)
    assert "threshold" not in page.url  # the checkpoint's own
    box = page.locator(".exits .grip").bounding_box()
    page.mouse.move(box["x"] + 200, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + box["height"] / 2 - 32, steps=4)
    page.mouse.up()
    expect(page.locator(".exits .badge")).to_have_text("stopped at 5 of 6")
    settle(page)
    assert "threshold=0.7" in page.url


def test_the_halting_page_fits_and_every_figure_has_words(page, server):
    page.set_viewport_size({"width": WIDTHS[0], "height": 900})
    open_halting(page, server)
    expect(page.get_by_text("Images worth a look")).to_be_visible()
    charts = page.get_by_test_id("stPlotlyChart")
    expect(charts).to_have_count(4)
    for width in at_each_width(page):
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        over = page.locator(".exits .scroll").evaluate("node => node.scrollWidth - node.clientWidth")
        assert over <= 0
        tops = [charts.nth(k).bounding_box()["y"] for k in (1, 2, 3)]
        assert len(set(tops)) == (1 if width == 1440 else 3)
    said = charts.evaluate_all("all => all.map((node) => node.getAttribute('aria-label'))")
    starts = ("Accuracy against work", "Images by the step", "Halting probability against", "Answers that become")
    assert [text.startswith(start) for text, start in zip(said, starts, strict=True)] == [True] * 4


def test_the_mixture_of_a_patch_is_looked_at_without_a_message_and_kept_by_the_link(page, server):
    page.set_viewport_size({"width": WIDTHS[0], "height": 900})
    page.goto(f"{server}/mixture?image=test-9")
    weights, token = page.locator(".mixture .stack").first, page.get_by_label("Weights of one token")
    expect(page.locator(".mixture .heat")).to_have_count(2 * 6)  # 4 steps, mean step, entropy; not for the last stage
    settle(page)
    page.sent.clear()
    before, patch = weights.inner_text(), page.locator(".mixture .heat").first.locator(".hit").nth(5)
    patch.hover()
    expect(token).to_have_value("6")  # 0 is the class token
    assert weights.inner_text() != before
    assert page.sent == []
    patch.click()
    page.get_by_role("button", name="range of this image").click()
    settle(page)
    assert "mixture_view=-1.6.range" in page.url
    page.reload()
    expect(token).to_have_value("6")
    expect(page.get_by_test_id("stPlotlyChart")).to_have_count(3)
    for width in at_each_width(page):
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator(".mixture").evaluate("node => node.scrollWidth - node.clientWidth") <= 0
    assert [text for text in page.problems if "404" not in text] == []


def test_an_image_worth_a_look_leads_to_the_player_at_that_image(page, server):
    open_halting(page, server)
    with page.context.expect_page() as opened:
        page.locator(".st-key-examples_made_worse a").first.click()
    other = opened.value
    expect(other.locator(".player")).to_be_visible(timeout=60_000)
    index = other.url.partition("image=test-")[2].partition("&")[0]
    expect(other.get_by_text(f"test split, number {index},")).to_be_visible()


def test_one_press_of_back_leaves_the_page_and_the_place_is_kept(page, server):
    open_home(page, server)
    page.get_by_role("link", name="Step through").first.click()
    expect(page.get_by_role("heading", name="Step through the recursion")).to_be_visible()
    settle(page)
    for _ in range(3):
        page.locator(".player").press("ArrowRight")
        settle(page)
    assert "position=5" in page.url
    page.go_back()
    expect(page.get_by_role("heading", name="Watch a tiny vision model")).to_be_visible()
    expect(sentence(page)).to_contain_text("Supervision step 2 of 6, answer update")
    settle(page)
    assert "position=5" in page.url


def test_an_edit_that_changes_nothing_is_given_no_sign(page, server):
    page.goto(f"{server}/attention?position=2&edit=p5")  # patch 5 is not read before the second step
    expect(page.locator(".panel-edits")).to_contain_text("by 0.0 points and the halting probability by 0.000")


def test_the_threshold_can_be_moved_and_is_in_the_address(page, server):
    open_home(page, server)
    badge = page.locator(".badge")
    expect(badge).to_contain_text("With threshold 0.50")
    threshold = page.get_by_role("slider", name="Threshold for halting")
    threshold.focus()
    page.sent.clear()
    threshold.press("End")
    expect(badge).to_contain_text("With threshold 1.00 the model would never halt early")
    expect(page.get_by_role("button", name="never halts")).to_be_disabled()
    for _ in range(2):
        threshold.press("ArrowLeft")
    expect(badge).to_contain_text("With threshold 0.98")
    expect(sentence(page)).to_contain_text("Supervision step 1 of 6")  # not moved
    settle(page)
    assert "threshold=0.98" in page.url
    page.goto(page.url)
    expect(page.locator(".badge")).to_contain_text("With threshold 0.98")


def test_the_view_is_saved_as_a_picture_and_the_player_as_a_page_that_needs_nothing(page, server, tmp_path):
    page.goto(f"{server}/step?position=8")
    expect(sentence(page)).to_contain_text("Supervision step 3 of 6, answer update")
    size = page.locator(".player").bounding_box()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save picture").click()
    assert download.value.suggested_filename == "digits-glimpse-test-9-9.png"
    with Image.open(download.value.path()) as picture:
        assert picture.size == (round(2 * size["width"]), round(2 * size["height"]))
        assert len(set(picture.convert("L").resize((50, 50)).tobytes())) > 20  # something is drawn
    with page.expect_download() as download:
        page.get_by_role("button", name="Player as HTML").click()
    file = tmp_path / "player.html"
    download.value.save_as(file)
    page.context.set_offline(True)
    page.outside.clear()
    page.goto(file.as_uri())
    expect(sentence(page)).to_contain_text("Supervision step 1 of 6")
    page.keyboard.press("ArrowRight")
    expect(sentence(page)).to_contain_text("Supervision step 2 of 6, answer update")
    page.locator(".panel-memory summary").first.click()
    expect(page.locator("details.numbers[open] tr")).to_have_count(9)  # a heading and eight memory tokens
    page.locator(".curves summary").click()
    expect(page.locator(".curves tr")).to_have_count(13)  # a heading and 6 steps of 2 read-outs
    assert page.outside == []
    assert [text for text in page.problems if "404" not in text] == []


def test_attribution_is_computed_in_the_background_and_follows_the_position(page, server):
    page.goto(f"{server}/attention?image=test-21&position=2")
    expect(page.locator(".panel-attribution")).to_contain_text("Not computed yet")
    page.get_by_role("button", name="Compute what mattered").click()
    panel = page.locator(".panel-attribution")
    expect(panel).to_contain_text("Rank correlation with rollout")
    expect(panel).to_contain_text("after supervision step 1,")
    settle(page)
    page.sent.clear()
    before = panel.locator("svg.heat").nth(2).inner_html()
    page.locator(".player").press("End")
    expect(panel).to_contain_text("after supervision step 6,")
    assert panel.locator("svg.heat").nth(2).inner_html() != before


@pytest.mark.parametrize("path", ["step", "attention?view=1.-1.-1.5&edit=z0"])
def test_every_figure_has_words_and_a_table(page, server, path):
    page.goto(f"{server}/{path}")
    page.locator(".player").wait_for()
    settle(page)
    silent = page.locator(".player [role=img]:not([aria-hidden]):not([aria-label])")
    assert silent.evaluate_all("nodes => nodes.map((node) => node.className.baseVal ?? node.className)") == []
    figures = page.locator(".player figure:has([role=img]), .player .inverse:has([role=img])")
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
    group = page.get_by_role("radiogroup", name="Pick an image by its true class")
    group.get_by_text("7", exact=True).click()
    settle(page)
    expect(page.locator("figure.answer details[open] tr")).to_have_count(11)  # open as it was
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    assert [text for text in page.problems if "404" not in text] == []


def test_a_model_of_one_step_is_not_spoken_of_in_the_plural(page, server):
    page.goto(f"{server}/attention?checkpoint=digits")
    expect(page.locator(".badge")).to_contain_text("There is one step")
    expect(page.locator("svg.chart").first).to_have_attribute("aria-label", re.compile("over 1 supervision step:"))


def test_a_shorter_trace_on_the_way_does_not_lose_the_place(page, server):
    page.goto(f"{server}/step?position=17")
    expect(sentence(page)).to_contain_text("Supervision step 6 of 6, answer update")
    for name, there in (("digits", "Supervision step 1 of 1"), ("digits-glimpse", "Supervision step 6 of 6")):
        page.get_by_role("combobox", name="Model").fill(name)
        page.get_by_role("option", name=name, exact=True).click()
        expect(sentence(page)).to_contain_text(f"{there}, answer update")
        settle(page)
    assert "position=17" in page.url


def test_more_steps_than_trained_are_compared_at_the_same_step(page, server):
    page.goto(f"{server}/attention?position=17")
    page.get_by_label("Supervision steps, N").select_option("12")
    expect(page.locator(".panel-edits")).to_contain_text("At this point the edit moves the probability")
    expect(page.locator(".panel-edits")).to_contain_text("by 0.0 points")  # six more steps change nothing at the sixth
    settle(page)
    assert "edit=n12" in page.url
    page.get_by_label("Supervision steps, N").select_option("2")
    expect(page.locator(".panel-edits")).to_contain_text("The edited run ends after supervision step 2")


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
        expect(page.get_by_role("button", name=pressed)).to_be_visible()
        settle(page)
        assert ("edit=" in page.url) == (model == "digits-glimpse")


# The learner's own pictures


def noise_png(side=64):
    """A picture that does not compress: 3 bytes a pixel."""
    content = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()


def open_your_image(page, server):
    page.goto(f"{server}/your_image")
    page.get_by_role("heading", name="Watch it on your own picture").wait_for()
    settle(page)


def upload(page, *files):
    payload = [{"name": name, "mimeType": "image/png", "buffer": content} for name, content in files]
    page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(payload)


def own_problems(page):
    return [text for text in page.problems if "404" not in text]  # Streamlit asks twice for a sub-page


def stroke(page, *points):
    """Draw on the canvas; points in shares of its side."""
    box = page.locator(".sketch canvas").bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=8)
    page.mouse.up()


def test_an_upload_is_turned_cropped_and_played_and_leaves_no_trace_in_the_page(page, server):
    open_your_image(page, server)
    upload(page, ("holiday-secret.png", noise_png()))
    expect(sentence(page)).to_contain_text("Supervision step 1 of 4")
    expect(page.get_by_test_id("stFileUploaderFile")).to_have_count(0)  # handed over: no chip that could go stale
    settle(page)
    first = page.locator(".bars").inner_text()
    page.get_by_role("button", name="Right", exact=True).click()
    expect(page.locator(".bars")).not_to_have_text(first, use_inner_text=True)
    settle(page)
    turned = page.locator(".bars").inner_text()
    zoom = page.get_by_role("slider", name="Zoom")
    zoom.focus()
    for _ in range(3):
        zoom.press("ArrowRight")
    expect(page.locator(".bars")).not_to_have_text(turned, use_inner_text=True)
    settle(page)
    page.locator(".player").press("End")
    expect(sentence(page)).to_contain_text("Supervision step 4 of 4")
    settle(page)
    assert page.url == f"{server}/your_image"
    assert own_problems(page) == []
    assert page.outside == []


def test_a_digit_is_drawn_undone_with_the_keyboard_kept_and_cleared(page, server):
    open_your_image(page, server)
    page.get_by_role("radio", name="Draw").click()
    canvas = page.locator(".sketch canvas")
    canvas.wait_for()
    stroke(page, (0.5, 0.1), (0.5, 0.9))
    expect(sentence(page)).to_contain_text("Supervision step 1 of 6")
    settle(page)
    one = page.locator(".bars").inner_text()
    stroke(page, (0.5, 0.5), (0.9, 0.5))
    expect(page.locator(".bars")).not_to_have_text(one, use_inner_text=True)
    settle(page)
    canvas.press("Control+z")
    expect(page.locator(".bars")).to_have_text(one, use_inner_text=True)
    expect(canvas).to_have_attribute("aria-label", re.compile("Sheet with 1 stroke"))
    settle(page)
    page.get_by_role("button", name="Keep, next").click()
    stroke(page, (0.2, 0.1), (0.8, 0.1), (0.4, 0.9))
    expect(page.get_by_role("heading", name="Your 2 pictures")).to_be_visible()
    settle(page)
    canvas.press("Delete")
    expect(page.get_by_role("heading", name="Your 2 pictures")).to_have_count(0)
    expect(sentence(page)).to_contain_text("of 6")  # the first drawing is still there
    assert own_problems(page) == []


def take_photograph(page):
    """Press the button once the camera shows something."""
    page.wait_for_function("document.querySelector('[data-testid=stCameraInput] video')?.videoWidth > 0")
    take = page.get_by_test_id("stCameraInputButton")
    expect(take).to_be_enabled()
    take.click()


def test_the_camera_takes_one_picture_after_the_other(page, server):
    page.context.grant_permissions(["camera"])
    open_your_image(page, server)
    page.get_by_role("radio", name="Camera").click()
    take_photograph(page)
    expect(sentence(page)).to_contain_text("Supervision step 1 of 4")
    settle(page)
    both = page.get_by_role("heading", name="Your 2 pictures")
    for _ in range(4):  # a camera that is only just on again may miss a press, as people find too
        take_photograph(page)
        with contextlib.suppress(AssertionError):
            expect(both).to_be_visible(timeout=10_000)
            break
    expect(both).to_be_visible()
    assert own_problems(page) == []


def paste(page, content, kind="image/png"):
    page.evaluate(
        """([text, kind]) => {
            const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
            const clipboardData = new DataTransfer();
            clipboardData.items.add(new File([bytes], "image.png", { type: kind }));
            document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true }));
        }""",
        [base64.b64encode(content).decode(), kind],
    )


def test_a_picture_is_pasted_and_what_is_none_is_refused_in_one_sentence(page, server):
    open_your_image(page, server)
    paste(page, b"PK\x03\x04 and so on")
    expect(page.get_by_test_id("stAlert")).to_contain_text(
        "“Pasted picture” cannot be used: not an image file but a zip"
    )
    paste(page, noise_png())
    expect(sentence(page)).to_contain_text("Supervision step 1 of 4")
    expect(page.get_by_test_id("stAlert").get_by_text("cannot be used")).to_have_count(0)
    assert own_problems(page) == []


def test_side_by_side_moving_one_moves_the_other(page, server):
    open_your_image(page, server)
    upload(page, ("a.png", noise_png(40)), ("<b>[x](http://127.0.0.1).png", noise_png(50)))
    expect(page.get_by_role("heading", name="Your 2 pictures")).to_be_visible()
    settle(page)
    page.get_by_role("radio", name="another picture").click()
    expect(page.locator(".player")).to_have_count(2)
    settle(page)
    page.locator(".player").nth(0).press("ArrowRight")
    page.locator(".player").nth(0).press("ArrowRight")
    for n in (0, 1):
        expect(page.locator(".sentence").nth(n)).to_contain_text("Supervision step 3 of 4")
    assert page.locator("a[href='http://127.0.0.1']").count() == 0
    assert own_problems(page) == []


def test_your_image_does_not_hang_over_the_edge(page, server):
    page.set_viewport_size({"width": WIDTHS[0], "height": 900})
    open_your_image(page, server)
    page.get_by_role("radio", name="Draw").click()
    page.locator(".sketch canvas").wait_for()
    stroke(page, (0.5, 0.1), (0.5, 0.9))
    page.locator(".player").wait_for()
    for width in at_each_width(page):
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        main = page.get_by_test_id("stMain")
        assert main.evaluate("node => node.scrollWidth - node.clientWidth") <= 0


def files_below(*folders):
    """Every file with its size and time, but for what Python and git keep for themselves."""
    return {
        str(file): (file.stat().st_size, file.stat().st_mtime_ns)
        for folder in folders
        for file in folder.rglob("*")
        if file.is_file() and not {"__pycache__", ".git", ".venv", "data", ".pytest_cache"} & set(file.parts)
    }


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="the limit on written files is POSIX")
def test_pictures_reach_neither_disk_nor_log_and_after_a_restart_must_be_chosen_again(page, tmp_path):
    import resource

    def write_next_to_nothing():
        """A file of more than 4 KB cannot be written, not even one without a name (torch tries out its folders)."""
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    temporary, home = tmp_path / "tmp", tmp_path / "home"
    temporary.mkdir()
    home.mkdir()
    places = {"TMPDIR": str(temporary), "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    options = {"env": os.environ | places, "preexec_fn": write_next_to_nothing}
    before = files_below(ROOT, temporary, home)
    with running_server(**options) as (address, process):
        open_your_image(page, address)
        large = noise_png(1000)  # 3 MB: what the web server would put into a temporary file
        upload(page, ("holiday-secret.png", large), ("broken-secret.png", large[:1000]))
        expect(sentence(page)).to_contain_text("Supervision step 1 of 4")
        expect(page.get_by_test_id("stAlert").get_by_text("broken-secret.png")).to_be_visible()
        paste(page, noise_png(200))
        expect(page.get_by_role("heading", name="Your 2 pictures")).to_be_visible()
        settle(page)
        page.get_by_role("radio", name="Draw").click()
        page.locator(".sketch canvas").wait_for()
        stroke(page, (0.5, 0.1), (0.5, 0.9))
        expect(page.get_by_role("heading", name="Your 3 pictures")).to_be_visible()
        settle(page)
        with urllib.request.urlopen(f"{address}/_stcore/metrics") as metrics:
            said = metrics.read()
        assert b"uploaded_file" not in said  # the server holds no upload longer than it takes to read it
        assert b"media_file" not in said  # and has no address at which anybody could see a picture
        process.kill()
        said = process.stdout.read().decode()
    port = int(address.rpartition(":")[2])
    with running_server(port, **options):
        lost = page.locator(".lost")
        expect(lost).to_contain_text("The 2 pictures you had here were kept in memory only")
        expect(lost).to_contain_text("Please choose them again")
        expect(
            page.get_by_role("heading", name="How the answer to Drawing 1 evolves")
        ).to_be_visible()  # from its sheet
        expect(page.get_by_role("heading", name="Your 3 pictures")).to_have_count(0)
        expect(lost).to_be_visible()
    assert files_below(ROOT, temporary, home) == before
    assert "secret" not in said
    assert "Traceback" not in said
    assert "File too large" not in said


def test_patches_are_chosen_by_pointer_and_keyboard_and_the_game_tells_nothing_early(page, server):
    page.goto(f"{server}/glimpses?part=choose")
    status = page.locator(".picks .status")
    expect(status).to_contain_text("4 to go")
    settle(page)
    pictures = page.locator(".grid").evaluate(
        "e => [...e.querySelectorAll('button')].map((b) => b.style.backgroundImage)"
    )
    assert pictures == ["none"] * 16
    for patch in (5, 6):
        page.locator(f".grid [data-patch='{patch}']").click()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Space")
    expect(status).to_contain_text("Now show them to the model")
    page.sent.clear()
    page.locator("[data-do=show]").click()
    expect(status).to_contain_text("Step 2 of 4")
    expect(page.locator(".picks tbody tr.own td")).to_have_count(1)
    expect(page.locator(".picks .verdict")).to_contain_text("With your patches the model answers")
    shown = [k for k in range(16) if page.locator(f".grid [data-patch='{k}'].last").count()]
    assert shown == [5, 6, 9, 10]

    page.get_by_role("radio", name="Guess first").click()
    game = page.locator(".game")
    expect(game.locator(".status")).to_contain_text("What is it?")
    settle(page)
    game.focus()
    page.sent.clear()
    page.keyboard.press("ArrowRight")
    expect(game.locator(".seen")).to_have_text("50 % of the image seen, 2 glimpses")
    assert game.locator(".truth, .said").count() == 0
    assert not re.search("said|right|wrong", game.locator(".status").inner_text())
    page.keyboard.press("7")
    expect(game.locator(".status")).to_contain_text("You said 7 after 2 glimpses")
    expect(game.locator(".seen")).to_contain_text("the whole image")
    assert page.sent == []
    assert [problem for problem in page.problems if "404" not in problem] == []  # Streamlit's own, on every sub-page


def test_a_maze_can_be_drawn_with_the_mouse_and_the_keyboard_and_its_answer_follows(page, server):
    maze = "s-1ww--" + "w" * 35 + "2-wwwww"  # 7 x 7; the first gem can be reached, in two steps
    page.goto(f"{server}/mazes?maze={maze}")
    cell = lambda text: page.get_by_role("gridcell", name=text, exact=True)  # noqa: E731
    cell("row 1, column 1, start").wait_for()
    settle(page)
    page.get_by_text("Show the answer on the maze").click()
    expect(page.get_by_text("The orange gem can be reached, in 2 steps")).to_be_visible()
    expect(page.locator(".way polyline").last).to_have_attribute("points", "0.5,0.5 1.5,0.5 2.5,0.5")
    cell("row 1, column 2, free").click()  # the wall tool is the first one
    expect(page.get_by_text("No gem can be reached in this maze")).to_be_visible()
    expect(page.locator(".way polyline")).to_have_count(0)
    assert f"maze=sw{maze[2:]}" in page.url
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("No gem can be reached in this maze")).to_have_count(0)
    assert f"maze={maze}" in page.url
    cell("row 1, column 1, start").press("ArrowDown")
    cell("row 2, column 1, wall").press("2")  # beside the start: that gem has moved there, and two can be reached
    expect(page.get_by_text("2 gems can be reached (orange, sky blue) in this maze")).to_be_visible()
    expect(cell("row 7, column 1, free")).to_be_visible()
    assert [text for text in page.problems if "404" not in text] == []  # a page by its path: Streamlit asks for two
