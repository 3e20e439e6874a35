"""The learner's own pictures."""

import base64
import contextlib
import io
import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import TimeoutError, expect

from tests.browser.driving import WIDTHS, at_each_width, own_problems, sentence, settle


def noise_png(side=64):
    """A picture that does not compress: 3 bytes a pixel."""
    content = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()


def open_your_image(page, server):
    page.goto(f"{server}/your_image")
    page.get_by_role("heading", name="Watch it on your own picture").wait_for()
    page.get_by_role("button", name="Paste a picture").wait_for()  # shown by the script that also listens for pasting
    settle(page)


def upload(page, *files):
    payload = [{"name": name, "mimeType": "image/png", "buffer": content} for name, content in files]
    page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(payload)


def stroke(page, *points):
    """Draw on the canvas; points in shares of its side."""
    canvas = page.locator(".sketch canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=8)
    page.mouse.up()


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


def turn_and_crop(page):
    """Each of which is another answer."""
    bars = page.locator(".bars")
    first = bars.inner_text()
    page.get_by_text("Crop and rotate").click()
    page.get_by_role("button", name="Right", exact=True).click()
    expect(bars).not_to_have_text(first, use_inner_text=True)
    settle(page)
    turned = bars.inner_text()
    zoom = page.get_by_role("slider", name="Zoom")
    zoom.focus()
    for _ in range(3):
        zoom.press("ArrowRight")
    expect(bars).not_to_have_text(turned, use_inner_text=True)
    settle(page)


def test_an_example_a_pasted_and_an_uploaded_picture_are_played_side_by_side_and_leave_no_trace_in_the_page(
    page, server
):
    open_your_image(page, server)
    page.get_by_role("radio", name="Sneaker").check(force=True)  # one click, no upload
    expect(page.get_by_role("heading", name="How the answer to Sneaker evolves")).to_be_visible()
    settle(page)
    paste(page, b"PK\x03\x04 and so on")  # what is no picture is refused in one sentence
    refused = page.get_by_test_id("stAlert").filter(
        has_text="“Pasted picture” cannot be used: not an image file but a zip"
    )
    expect(refused).to_be_visible()
    paste(page, noise_png())
    expect(page.get_by_role("heading", name="How the answer to Pasted picture evolves")).to_be_visible()
    expect(page.get_by_role("radio", name="Sneaker")).not_to_be_checked()
    expect(page.get_by_test_id("stAlert").get_by_text("cannot be used")).to_have_count(0)
    settle(page)

    upload(page, ("holiday-secret <b>[x](#away).png", noise_png(50)))
    expect(page.get_by_role("heading", name="How the answer to holiday-secret")).to_be_visible()
    expect(sentence(page)).to_contain_text("Supervision step 1 of 2")
    expect(page.get_by_test_id("stFileUploaderFile")).to_have_count(0)  # handed over: no chip that could go stale
    settle(page)
    turn_and_crop(page)

    page.get_by_role("radio", name="another picture").click()
    expect(page.locator(".player")).to_have_count(2)
    settle(page)
    page.locator(".player").nth(0).press("ArrowRight")
    page.locator(".player").nth(0).press("ArrowRight")
    for n in (0, 1):  # moving one moves the other
        expect(page.locator(".sentence").nth(n)).to_contain_text("Supervision step 2 of 2")
    settle(page)
    assert page.locator("a[href='#away']").count() == 0
    assert page.url == f"{server}/your_image"
    assert own_problems(page) == []
    assert page.outside == []


def take_photograph(page):
    """Press the button once the camera shows something."""
    page.wait_for_function("document.querySelector('[data-testid=stCameraInput] video')?.videoWidth > 0")
    take = page.get_by_test_id("stCameraInputButton")
    expect(take).to_be_enabled()
    take.click()


def test_a_digit_is_drawn_undone_with_the_keyboard_kept_and_cleared_and_the_camera_takes_one_after_the_other(
    page, server
):
    page.context.grant_permissions(["camera"])
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

    page.get_by_role("radio", name="Camera").click()
    take_photograph(page)
    expect(page.get_by_role("heading", name="Your 2 pictures")).to_be_visible()
    expect(sentence(page)).to_contain_text("of 2")
    settle(page)
    third = page.get_by_role("heading", name="Your 3 pictures")
    for _ in range(4):  # a camera that is only just on again may miss a press, as people find too
        page.talk.sent.clear()
        take_photograph(page)
        with contextlib.suppress(TimeoutError):
            if not page.talk.sent:  # a press that is not missed asks at once where the photograph may go
                page.talk.socket.wait_for_event("framesent", timeout=10_000)
            break
    expect(third).to_be_visible()
    assert own_problems(page) == []


@pytest.mark.slow
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
