"""Test images that come with the project, so that a model can be shown where the full set is not.

They are 1,000 of the 10,000 of Fashion-MNIST (MIT licence, fashion.LICENSE), 100 of each class, drawn by seed by
scripts/bundle_fashion.py. An image keeps its number in the full test split: "test-1234" is the same image either way.
Nothing is measured on them; accuracies are of all test images, as the model card has them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vitrm.config.data import BUNDLED
from vitrm.data.dataset import Split, check_shape

FASHION = Path(__file__).parent / "fashion.npz"


@dataclass(frozen=True)
class Shown:
    """Test images to look at: all of a data set, or those that come with the project."""

    images: Split
    numbers: Tensor  # (n,) int64, ascending: which of the test images each is
    total: int  # test images that the data set has
    instead_of: str = ""  # what the model was tested on, if these are others of the same kind

    def __len__(self) -> int:
        return len(self.images)

    @property
    def whole(self) -> bool:
        """Whether these are all."""
        return len(self) == self.total

    @property
    def words(self) -> str:
        """What they are, to stand beside what is shown of them."""
        if self.whole:
            return f"all {self.total:,} test images"
        return f"{len(self):,} of the {self.total:,} test images, those that come with the project"

    def find(self, number: int) -> int | None:
        """Where test image `number` is among these, or None if it is not."""
        place = int(torch.searchsorted(self.numbers, number))
        return place if place < len(self) and self.numbers[place] == number else None


def every(test: Split) -> Shown:
    """A whole test split."""
    return Shown(test, torch.arange(len(test)), len(test))


def bundled(source: str, shape: tuple[int, ...]) -> Shown | None:
    """The test images of a data set (C, H, W) that come with the project; None if it has none of it.

    Raises DataError if the model takes images of another shape.
    """
    if source != BUNDLED:
        return None
    with np.load(FASHION, allow_pickle=False) as file:
        parts = (torch.from_numpy(file[name]) for name in ("images", "labels", "numbers", "total"))
        images, labels, numbers, total = parts
    check_shape(source, tuple(images.shape[1:]), shape)
    return Shown(Split(images, labels.to(torch.int64)), numbers.to(torch.int64), int(total))
