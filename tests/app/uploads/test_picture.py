"""How a picture is framed, and what a model is given of it."""

import numpy as np
from PIL import Image

from app.cache import checkpoint
from app.uploads.picture import MAX_ZOOM, Framing, Given, Picture, fitted
from vitrm.data.images import fit_image


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
