"""What is learned from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from vitrm.config.fields import check, setting
from vitrm.config.mazes import MazeSettings
from vitrm.errors import DataError

SOURCES = "digits, cifar10, cifar100, fashion, mazes:6x6,gems=2,..., folder:PATH, parquet:PATH"
_DATA_TITLES = {
    "digits": "handwritten digits (scikit-learn, 8 × 8 pixels)",
    "cifar10": "CIFAR-10",
    "cifar100": "CIFAR-100",
    "fashion": "Fashion-MNIST",
}
UPLOADS = ".own"  # the folder in data/ with pictures that visitors of the app have uploaded, each under a secret name
ALIASES = {"fashion_mnist": "fashion"}  # what a source was called before, and still may be
BUNDLED = "fashion"  # of which 1,000 test images come with the project (vitrm/data/bundled.py)
CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
FASHION_CLASSES = ("T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot")


@dataclass(frozen=True)
class DataConfig:
    """What is learned from, and what it turned out to be: the run folder's memory of its data.

    `source` is "digits", "cifar10", "cifar100", "fashion", "folder:PATH", "parquet:PATH" or a string of
    `MazeSettings`.
    `classes`, `mean`, `std` and `fingerprint` are filled in when the data is read (mean and std per channel, of the
    training split, on the 0..1 scale) and travel with the checkpoint, so that it can be used without the data, and
    never with others in their place. `fingerprint` is `Dataset.fingerprint`.
    """

    source: str = setting("digits", "Data", f"What is learned from: {SOURCES}.")
    name: str = setting(
        "", "Name of the data", "What people call it, on cards and in captions; empty means the source itself."
    )
    val_fraction: float = setting(
        0.1,
        "Validation share",
        "Share of the training images kept aside to choose the weights on, where there are no validation images.",
        paper="none, it chose the weights on the test split",
    )
    split_seed: int = setting(0, "Split seed", "Which images these are.")
    memory_gb: float = setting(
        0.0, "Memory for images, GB", "Decoded images beyond it are read from a file; 0 means a third of what is free."
    )
    train_images: int = setting(
        0, "Training images", "Learn from so many of them only, a random choice; 0 means from all."
    )
    classes: tuple[str, ...] = ()
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    fingerprint: str = ""

    @property
    def title(self) -> str:
        """What to call the data wherever a number stands beside it."""
        if not self.name and self.source.startswith("folder:") and Path(self.source).parent.name == UPLOADS:
            return "own pictures"
        if self.name or self.mazes is None:
            return self.name or _DATA_TITLES.get(self.source, self.source)
        return self.mazes.title

    @property
    def mazes(self) -> MazeSettings | None:
        """What mazes the source asks for; None if it asks for none, or for what cannot be."""
        try:
            return MazeSettings.parse(self.source)
        except DataError:
            return None

    def __post_init__(self) -> None:
        if self.source in ALIASES:
            object.__setattr__(self, "source", ALIASES[self.source])
            if len(self.classes) == len(FASHION_CLASSES):  # in other words then
                object.__setattr__(self, "classes", FASHION_CLASSES)
        check(0 < self.val_fraction < 1, f"val_fraction={self.val_fraction}: expected between 0 and 1")
        check(0 <= self.split_seed < 2**63, f"split_seed={self.split_seed}: expected 0 to 2^63 - 1")
        check(0 <= self.memory_gb < math.inf, f"memory_gb={self.memory_gb}: expected 0 or more")
        check(self.train_images >= 0, f"train_images={self.train_images}: expected 0 (all of them) or more")
        check(all(0 < value < math.inf for value in self.std), f"std={self.std}: expected values above 0")
        check(all(map(math.isfinite, self.mean)), f"mean={self.mean}: expected finite values")
