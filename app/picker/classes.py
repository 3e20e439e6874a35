"""Which test images are of a class, by its word: one to stand beside the word, and a few at a time. No streamlit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # torch takes seconds to import
    from vitrm.data.bundled import Shown

AT_ONCE = 12


def first_of_each(shown: Shown, words: Sequence[str]) -> dict[str, tuple[int, np.ndarray]]:
    """The label and the first image (C, H, W) uint8 of each class that has one, by its word; a number without words."""
    labels = shown.images.labels.numpy()
    found, places = np.unique(labels, return_index=True)
    return {
        words[label] if words else str(label): (int(label), shown.images.images[int(place)].numpy())
        for label, place in zip(found, places, strict=True)
    }


def some_of(shown: Shown, label: int, turn: int, count: int = AT_ONCE) -> dict[str, np.ndarray]:
    """At most `count` images (C, H, W) uint8 of a class, by name ("test-17"); each turn others, until all have been."""
    places = np.flatnonzero(shown.images.labels.numpy() == label)
    first = turn % -(-len(places) // count) * count
    return {
        f"test-{int(shown.numbers[place])}": shown.images.images[int(place)].numpy()
        for place in places[first : first + count]
    }
