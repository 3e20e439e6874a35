"""The examples: free, small, and what they are said to be."""

import io

import numpy as np
from PIL import Image

from app.uploads.examples.examples import EXAMPLES, FOLDER, SIDE, find, small
from vitrm.data.bundled import bundled
from vitrm.data.sources import load_dataset


def test_every_picture_has_a_source_and_together_they_are_small():
    files = {file.name: file.stat().st_size for file in FOLDER.iterdir() if file.suffix in (".webp", ".png")}
    assert files.keys() == {example.file for example in EXAMPLES}
    assert sum(files.values()) < 400_000
    licence = (FOLDER / "pictures.LICENSE").read_text(encoding="utf-8")
    assert all(name in licence for name in files)
    assert all(example.credit for example in EXAMPLES)


def test_no_photograph_is_longer_than_640_pixels_or_says_more_than_its_pixels():
    for example in EXAMPLES:
        image = Image.open(io.BytesIO(example.content))
        assert max(image.size) <= 640
        assert not image.getexif()


def test_the_test_images_are_those_that_their_credits_name():
    for name, split, place in (
        ("Digit", load_dataset("digits", 8, 1).test, 14),
        ("Sneaker", (few := bundled("fashion", (1, 28, 28))).images, few.find(717)),
        ("T-shirt", few.images, few.find(284)),
    ):
        pixels = np.asarray(Image.open(io.BytesIO(find(name).content)))
        np.testing.assert_array_equal(pixels, split.images[place, 0].numpy())


def test_small_pictures_have_whole_pixels():
    made = small()
    assert list(made) == [example.name for example in EXAMPLES]
    assert {pixels.shape[1:] for name, pixels in made.items() if name != "Digit"} == {(SIDE, SIDE)}
    digit = made["Digit"]
    np.testing.assert_array_equal(digit[:, ::10, ::10], digit[:, 9::10, 9::10])
