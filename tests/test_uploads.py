"""The learner's own pictures: what is taken in, what is refused, and that the model gets the pixels that are shown."""

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from vitrm.images import fit_image

HOME = str(Path(__file__).resolve().parents[1] / "app" / "Home.py")


def encoded(image, kind="PNG", **options):
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def noise(width, height):
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.fixture
def page():
    app = AppTest.from_file(HOME, default_timeout=60)
    app.run()
    return app.switch_page("../pages/your_image.py").run()


def shown(app):
    """The pixels in the player."""
    data = [json.loads(block.proto.json) for block in app.get("bidi_component") if "probs" in block.proto.json]
    assert len(data) == 1
    size, channels = data[0]["imageSize"], data[0]["channels"]
    return np.frombuffer(base64.b64decode(data[0]["pixels"]), np.uint8).reshape(channels, size, size)


def test_before_there_is_a_picture_the_page_says_what_happens_to_it(page):
    assert not page.exception
    assert "never written to disk, never logged" in page.markdown[0].value
    assert not page.image


def test_an_upload_is_given_to_the_photo_model_pixel_by_pixel(page):
    image = noise(60, 40)
    page.file_uploader[0].upload("c.png", encoded(image)).run()
    assert not page.exception
    np.testing.assert_array_equal(shown(page), fit_image(image, 32, 3))
    assert page.selectbox[0].value == "cifar10-tiny"
    captions = " ".join(caption.value for caption in page.caption)
    assert "airplane, automobile, bird" in captions
    assert "3 × 32 × 32" in captions
    assert page.file_uploader[0].value == []  # handed over, and empty again


def test_rotating_and_cropping_change_what_the_model_gets(page):
    image = noise(60, 40)
    page.file_uploader[0].upload("c.png", encoded(image)).run()
    page.button(key="turn_Left").click().run()
    turned = image.transpose(Image.Transpose.ROTATE_90)
    np.testing.assert_array_equal(shown(page), fit_image(turned, 32, 3))
    page.slider(key="zoom_1").set_value(2.05).run()  # in steps of 0.07
    zoom = page.session_state["tray"].pictures[1].framing.zoom
    page.slider(key="y_1").set_value(1.0).run()
    assert zoom > 2
    left = (40 - 40 / zoom) / 2
    np.testing.assert_array_equal(shown(page), fit_image(turned, 32, 3, (left, 60 - 40 / zoom, left + 40 / zoom, 60)))


def test_another_model_gets_other_pixels_of_the_same_picture(page):
    image = noise(60, 40)
    page.file_uploader[0].upload("c.png", encoded(image)).run()
    page.selectbox[0].select("digits").run()
    assert not page.exception
    assert shown(page).shape == (1, 8, 8)


def test_ink_on_paper_is_swapped_for_a_model_of_light_on_dark_and_back_by_hand(page):
    image = Image.new("L", (40, 40), 250)
    image.paste(10, (15, 5, 25, 35))
    page.file_uploader[0].upload("one.png", encoded(image)).run()
    page.selectbox[0].select("digits").run()
    assert shown(page)[0, 0, 0] < 20
    page.button(key="swap").click().run()
    assert shown(page)[0, 0, 0] > 230
