"""Whether arrays fit each other: each names its axes by letters, and a letter has one length everywhere."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from vitrm.reading import expect

MOST_MOMENTS = 65_536  # in which a trace is drawn, one after the other
LARGEST = 1e9  # far beyond any model's state, and its square can still be summed and decomposed


def check_axes(arrays: Mapping[str, np.ndarray], axes: Mapping[str, str]) -> dict[str, int]:
    """The length of each axis, by its letter; those beside a digit are that much longer, as in "K1".

    Raises RunError, naming the array, for other axes, an empty one, or one that has another length elsewhere.
    """
    found: dict[str, int] = {}
    for name, letters in axes.items():
        if name not in arrays:
            continue
        words = letters.split()
        shape = arrays[name].shape
        expect(len(shape) == len(words), f"{name} has {len(shape)} axes, expected {len(words)}")
        for word, length in zip(words, shape, strict=True):
            count = length - int(word[1:] or 0)
            expect(count > 0, f"{name} has an axis of {length}")
            known = found.setdefault(word[0], count)
            expect(known == count, f"{name} has an axis of {length}, expected {known + length - count}")
    return found


def check_numbers(name: str, values: np.ndarray, low: float = -LARGEST, high: float = LARGEST) -> None:
    """Raises RunError unless these are float32, finite, and within limits."""
    expect(values.dtype == np.float32, f"{name} holds {values.dtype}, expected float32")
    expect(bool((values >= low).all() and (values <= high).all()), f"{name}: expected {low:g} to {high:g}")
