"""What a session takes in of own pictures, what it refuses and forgets; and what a model is given of one."""

import numpy as np
import pytest
from PIL import Image

from app.cache import checkpoint
from app.uploads.examples.examples import find
from app.uploads.tray import INK_MARGIN, MAX_ZOOM, Framing, Given, Picture, Tray, fitted
from vitrm.data.images import fit_image


def test_a_picture_is_kept_no_larger_than_it_must_be(encoded):
    tray = Tray()
    picture = tray.add("large", "photo", encoded(Image.new("RGB", (3000, 1500)), "JPEG"))
    assert picture.image.size == (768, 384)


def test_a_drawing_follows_its_sheet_and_is_framed_by_its_ink(encoded):
    tray, sheet = Tray(), Image.new("L", (280, 280), 0)
    sheet.paste(255, (150, 40, 180, 200))
    tray.take_sheet(7, encoded(sheet))
    (picture,) = tray.pictures.values()
    assert picture.kind == "drawing"
    left, top, right, bottom = picture.box
    assert (left + right) / 2 == pytest.approx(165)
    assert (top + bottom) / 2 == pytest.approx(120)
    assert right - left == pytest.approx(160 * INK_MARGIN)
    sheet.paste(255, (20, 20, 50, 250))
    tray.take_sheet(7, encoded(sheet))
    assert list(tray.pictures) == [1]
    assert tray.pictures[1].version != picture.version
    tray.take_sheet(7, b"")
    assert not tray.pictures
    tray.take_sheet(8, b"no picture")
    assert "cannot be used" in tray.refused[0]


def test_a_drawing_framed_by_hand_keeps_its_framing(encoded):
    tray, sheet = Tray(), Image.new("L", (280, 280), 0)
    sheet.paste(255, (150, 40, 180, 200))
    tray.take_sheet(7, encoded(sheet))
    tray.frame(1, zoom=2.0)
    framing = tray.pictures[1].framing
    sheet.paste(255, (20, 20, 50, 250))
    tray.take_sheet(7, encoded(sheet))
    assert tray.pictures[1].framing == framing


def test_an_example_is_taken_once_and_is_no_upload_that_could_be_lost():
    tray = Tray()
    tray.take_example(find("Cat"))
    tray.take_example(find("Digit"))
    tray.take_example(find("Cat"))
    assert [picture.example for picture in tray.pictures.values()] == ["Cat", "Digit"]
    assert tray.pictures[tray.opened].name == "Cat"


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_a_file_of_several_frames_says_so_and_one_of_one_does_not(encoded, kind):
    tray, frames = Tray(), [Image.new("RGB", (16, 8), colour) for colour in ("red", "blue")]
    moving = tray.add("moving", "photo", encoded(frames[0], kind, save_all=True, append_images=frames[1:]))
    assert moving.has_several_frames
    assert moving.image.getpixel((0, 0))[0] > 200
    assert not tray.add("still", "photo", encoded(frames[0], kind)).has_several_frames


def test_a_second_frame_that_is_cut_off_is_none(encoded):
    whole = encoded(Image.new("L", (64, 64)), "GIF", save_all=True, append_images=[Image.linear_gradient("L")])
    assert not Tray().add("cut", "photo", whole[:400]).has_several_frames


def test_only_the_latest_traces_are_kept_and_none_of_a_picture_that_is_removed():
    tray = Tray(most_traces=2)
    for number, trace in ((1, "a"), (2, "b"), (1, "c")):
        tray.keep((number, trace), trace)
    assert list(tray.traces.values()) == ["b", "c"]
    tray.keep((2, "b"), "b")  # shown again
    assert list(tray.traces.values()) == ["c", "b"]
    tray.remove(2)
    assert list(tray.traces.values()) == ["c"]


# What a model is given


def test_the_ink_of_a_dot_or_a_full_sheet_gives_a_square_inside():
    for ink in ((0, 0, 2, 2), (278, 278, 280, 280), (0, 0, 280, 280), (0, 130, 280, 150)):
        sheet = Image.new("L", (280, 280), 0)
        sheet.paste(255, ink)
        framing = fitted(sheet)
        assert 1 <= framing.zoom <= MAX_ZOOM
        assert 0 <= framing.x <= 1
        assert 0 <= framing.y <= 1
    assert fitted(Image.new("L", (280, 280), 0)) == Framing()


def test_the_box_is_that_of_the_turned_picture(noise):
    picture = Picture(1, 1, "c", "photo", noise(60, 40), Framing(turns=1, zoom=2.0, y=1.0))
    assert picture.size == picture.turned().size == (40, 60)
    assert picture.box == (10, 40, 30, 60)
    assert picture.cut().tobytes() == picture.turned().crop((10, 40, 30, 60)).tobytes()


@pytest.mark.parametrize("size", [(8, 8), (1, 1), (2, 700)])
def test_as_little_of_a_tiny_picture_as_one_can_choose_is_a_pixel_of_it(noise, size):
    for place in (0.0, 0.5, 1.0):
        picture = Picture(1, 1, "tiny", "photo", noise(*size), Framing(zoom=MAX_ZOOM, x=place, y=place))
        assert picture.cut().size == (1, 1)
        digits = checkpoint("digits")
        assert Given(picture, digits, digits.run.config()).pixels.shape == (1, 8, 8)


def test_pixels_are_made_once_and_only_a_model_of_dark_images_has_paper_swapped():
    image = Image.new("L", (40, 40), 250)
    image.paste(10, (15, 5, 25, 35))
    picture = Picture(1, 1, "one", "photo", image)
    known = {name: checkpoint(name) for name in ("digits", "cifar10-tiny")}
    dark, other = (Given(picture, each, each.run.config()) for each in known.values())
    assert dark.pixels is dark.pixels
    assert (dark.is_swapped, other.is_swapped) == (True, False)
    assert dark.pixels[0, 0, 0] == 5
    np.testing.assert_array_equal(other.pixels, fit_image(image, 32, 3))
    assert dark.key != other.key
    assert dark.key == Given(picture, dark.checkpoint, dark.config).key
