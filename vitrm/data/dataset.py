"""What a data set is: three splits of images and labels, class names, and how pixels become what a model takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vitrm.data.images import fit_image
from vitrm.data.stored import StoredImages
from vitrm.errors import DataError

TEST_SEED = 20_260_319  # carves a test split where a source has none; fixed, so that no setting can move it
_TEST_FRACTION = 0.2
_MOST_MEASURED = 20_000


@dataclass(frozen=True)
class Split:
    """Images (n, C, H, W) uint8 and labels (n,) int64, both of them where the images are."""

    images: Tensor | StoredImages
    labels: Tensor
    difficulty: Tensor | None = None  # (n,) int64, where the source knows it: see `Dataset.difficulty`

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, index: Tensor) -> Split:
        return self._each(lambda part: part.only(index) if isinstance(part, StoredImages) else part[index])

    def to(self, device: torch.device | str) -> Split:
        """All of it on the device; images that are stored, or more than half of what a GPU has free, stay there."""
        if isinstance(self.images, StoredImages):
            return self
        if torch.device(device).type == "cuda" and self.images.numel() > torch.cuda.mem_get_info(device)[0] / 2:
            return replace(self, images=StoredImages(self.images, torch.arange(len(self.images))))
        return self._each(lambda part: part.to(device))

    def _each(self, change: Callable[[Tensor], Tensor]) -> Split:
        difficulty = None if self.difficulty is None else change(self.difficulty)
        return Split(change(self.images), change(self.labels), difficulty)

    def few(self, count: int) -> Tensor:
        """Indices (count,) of a few images, or of all: the first of each class, then the second of each, ..."""
        seen: dict[int, int] = {}
        turns = []  # (how many of its class came before, class, index)
        for index, label in enumerate(self.labels.tolist()):
            turns.append((seen.get(label, 0), label, index))
            seen[label] = seen.get(label, 0) + 1
        return torch.tensor([index for *_, index in sorted(turns)[:count]])


@dataclass(frozen=True)
class Preprocess:
    """PIL image -> model input: square centre crop, resize, grey or colour, normalise by mean and std (0..1 scale)."""

    image_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def channels(self) -> int:
        return len(self.mean)

    def pixels(self, image: Image.Image) -> np.ndarray:
        """(C, H, W) uint8: exactly the pixels the model is given, before normalisation."""
        return fit_image(image, self.image_size, self.channels)

    def normalize(self, pixels: Tensor) -> Tensor:
        """(..., C, H, W) uint8 -> float32."""
        mean, std = _per_channel(self.mean, pixels.device), _per_channel(self.std, pixels.device)
        return (pixels.to(torch.float32) / 255 - mean) / std

    def __call__(self, image: Image.Image) -> Tensor:
        """(C, H, W) float32."""
        return self.normalize(torch.from_numpy(self.pixels(image)))


@lru_cache(maxsize=32)
def _per_channel(values: tuple[float, ...], device: torch.device) -> Tensor:
    """(C, 1, 1), kept: to bring numbers to a device anew for each batch would make the host wait for it."""
    with torch.inference_mode(False):
        return torch.tensor(values, device=device)[:, None, None]


@dataclass(frozen=True)
class Dataset:
    """A data set ready to train on: uint8 splits, class names, and how to turn pixels into model input."""

    source: str
    classes: tuple[str, ...]
    train: Split
    val: Split
    test: Split
    preprocess: Preprocess
    skipped: tuple[str, ...] = field(default=())  # "NAME: why" for each image that could not be read
    difficulty: str = ""  # what the numbers in `Split.difficulty` are, in words
    guesses: dict[str, Callable[[Split], Tensor]] = field(default_factory=dict)  # labels (n,) without a model, by name
    draw: Callable[[int], Split] | None = None  # the training split of an epoch, from 0, where each gets one of its own
    fingerprint: str = ""  # "500 images 1a2b...": of the files read; empty where nothing read can change
    others: tuple[Dataset, ...] = ()  # images of other sizes, of the same classes, for the same training

    @property
    def sizes(self) -> dict[str, int]:
        """How many images a training learns from and is chosen by, of all sizes, and how many the test is."""
        every = (self, *self.others)
        return {
            "train": sum(len(each.train) for each in every),
            "val": sum(len(each.val) for each in every),
            "test": len(self.test),
        }

    @property
    def unlearnable(self) -> tuple[str, ...]:
        """The classes that no training image is of."""
        seen = set(self.train.labels.unique().tolist())
        return tuple(name for label, name in enumerate(self.classes) if label not in seen)

    def split(self, name: str) -> Split:
        """The split called "train", "val" or "test"."""
        if name not in ("train", "val", "test"):
            raise DataError(f"unknown split '{name}': expected train, val or test")
        return getattr(self, name)


def carve_test(everything: Split) -> tuple[Split, Split]:
    """Training and test images of a source that does not say which are which: the same for every setting."""
    order = torch.randperm(len(everything), generator=torch.Generator().manual_seed(TEST_SEED))
    held_out = max(1, round(len(everything) * _TEST_FRACTION))
    return everything.subset(order[held_out:]), everything.subset(order[:held_out])


def check_shape(source: str, found: tuple[int, ...], expected: tuple[int, ...]) -> None:
    """Raises DataError if images of a source (C, H, W) are not those that the model takes."""
    if found != expected:
        raise DataError(
            f"{source} has images of shape {_shape(found)}, the model expects {_shape(expected)}; "
            f"to train on these add --model.image_size {found[1]} --model.channels {found[0]} and a patch_size that "
            "divides it, or choose another preset or model"
        )


def _shape(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape)) + " (channels x height x width)"


def mean_std(images: Tensor | StoredImages) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Per channel, 0..1 scale, rounded so that a config prints them; a constant channel gets std 1.

    The first 20,000 count, in the order that the split seed has put them in: of images that are stored it would take
    long to read all, and what memory has room for must not decide how a run is normalised.
    """
    few = slice(0, _MOST_MEASURED)
    images = images.only(few) if isinstance(images, StoredImages) else images[few]
    counts = torch.zeros(images.shape[1], 256, dtype=torch.float64)
    for start in range(0, len(images), 1024):  # bincount needs eight bytes a pixel
        part = images[start : start + 1024]
        counts += torch.stack([torch.bincount(c.reshape(-1).to(torch.int64), minlength=256) for c in part.unbind(1)])
    levels = torch.arange(256, dtype=torch.float64) / 255
    weights = counts / counts.sum(dim=1, keepdim=True)
    mean = weights @ levels
    std = ((weights @ levels.square()) - mean.square()).clamp_min(0).sqrt()
    return _rounded(mean), tuple(value or 1.0 for value in _rounded(std))


def _rounded(values: Tensor | Sequence[float]) -> tuple[float, ...]:
    return tuple(round(float(value), 5) for value in values)
