"""Pictures to pick from: as they are, and without a word of what they are of."""

import base64

import numpy as np

from app.picker.picker import content


def test_the_row_holds_the_pixels_of_every_picture_and_no_class():
    rng = np.random.default_rng(0)
    images = {f"test-{k}": rng.integers(0, 256, (channels, 6, 6), np.uint8) for k, channels in enumerate((1, 3))}
    sent = content(images, "test-1")
    assert sent["chosen"] == "test-1"
    assert [picture.keys() for picture in sent["images"]] == [{"name", "channels", "imageSize", "pixels"}] * 2
    for picture, pixels in zip(sent["images"], images.values(), strict=True):
        back = np.frombuffer(base64.b64decode(picture["pixels"]), np.uint8)
        np.testing.assert_array_equal(back.reshape(picture["channels"], 6, 6), pixels)


def test_names_are_sent_to_be_shown_only_where_they_are_asked_for():
    images = {"Cat": np.zeros((3, 4, 4), np.uint8)}
    assert content(images, "Cat")["look"] == "pictures"
    assert content(images, "Cat", "Or one of these", look="captioned")["title"] == "Or one of these"


def test_a_picture_that_is_not_in_the_row_is_none_of_it():
    assert content({"test-0": np.zeros((1, 4, 4), np.uint8)}, "test-9")["chosen"] is None
