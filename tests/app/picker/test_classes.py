"""Images of a class: each class by its word, and all of its images a few at a time."""

import numpy as np
import torch

from app.picker import classes
from vitrm.data.bundled import Shown
from vitrm.data.dataset import Split


def shown(labels, numbers):
    pixels = torch.arange(len(labels), dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 2, 2)
    return Shown(Split(pixels, torch.tensor(labels)), torch.tensor(numbers), 100)


def test_a_class_is_shown_by_its_first_image_and_one_without_images_is_not():
    found = classes.first_of_each(shown([2, 0, 2], [4, 7, 9]), ("bag", "boot", "coat"))
    assert {word: (label, int(pixels.max())) for word, (label, pixels) in found.items()} == {
        "bag": (0, 1),
        "coat": (2, 0),
    }
    assert list(classes.first_of_each(shown([2, 0], [4, 7]), ())) == ["0", "2"]


def test_turn_by_turn_every_image_of_a_class_is_there_once_under_its_own_number():
    some = shown([1, 0, 1, 1, 0, 1, 1], [10, 11, 12, 13, 14, 15, 16])
    turns = [classes.some_of(some, 1, turn, 2) for turn in range(4)]
    assert [list(turn) for turn in turns] == [
        ["test-10", "test-12"],
        ["test-13", "test-15"],
        ["test-16"],
        ["test-10", "test-12"],
    ]
    np.testing.assert_array_equal(turns[1]["test-15"], some.images.images[5])
