"""Is this the kind of picture the model was trained on? A warning with a measured rate of false alarms.

A model must answer one of its classes whatever it is shown, and is often sure of it. The report tries three scores and
pairs of them, takes what catches most of what is foreign, sets its threshold so that 5 % of the validation images raise
a false alarm, and then measures on test what that is worth. `DomainReport.score` needs no torch.

============ ============================================================================= ======================
score        what it is                                                                    source
============ ============================================================================= ======================
"softmax"    the largest class probability                                                 arXiv 1610.02136
"energy"     logsumexp of the logits                                                       arXiv 2010.03759
"statistics" minus the squared Mahalanobis distance of the pixels' statistics (`image_statistics`) from the training
             images'; it does not ask the model, so it cannot be fooled by the model's own certainty
============ ============================================================================= ======================

High means familiar. Each is taken after the last supervision step the model was trained with, and put on one scale:
0 is the median of the validation images, -1 their 2.5 % quantile. Of a pair, the lower one counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

import numpy as np

from vitrm.config import Config
from vitrm.judge.report import Progress, Report, Tally
from vitrm.reading import Positive, Seed, Share, entries, expect

if TYPE_CHECKING:  # torch takes seconds to import, and whoever reads a report should not wait for it
    import torch

    from vitrm.data.dataset import Dataset, Split
    from vitrm.model import ViTRM

Name = Literal["softmax", "energy", "statistics"]
FALSE_ALARMS = 0.05  # of the validation images
CANDIDATES: tuple[tuple[Name, ...], ...] = (
    ("softmax",),
    ("energy",),
    ("statistics",),
    ("statistics", "softmax"),
    ("statistics", "energy"),
)
_MOST_TRAINING_IMAGES = 20_000  # for the mean and spread of the statistics
_FLOOR = 1e-5  # of a mean square whose logarithm is taken; pixels are 0..1 in steps of 0.004


@dataclass(frozen=True)
class ForeignSet:
    """Images of another kind, and the share of them that raises the warning."""

    name: str
    n: Positive
    detected: Share  # on images that took no part in choosing the score


@dataclass(frozen=True)
class Part:
    """One score, and what puts it on the common scale."""

    score: Name
    median: float  # of the validation images
    spread: float  # from there down to their 2.5 % quantile


@dataclass(frozen=True)
class DomainReport(Report):
    """A score, its threshold, and what it was measured to be worth."""

    kind: ClassVar[str] = "domain"
    file: ClassVar[str] = "domain.json"
    format: ClassVar[int] = 1

    parts: tuple[Part, ...]  # the lowest of them counts
    threshold: float  # the warning is raised below it
    val_false_alarms: Share
    test_false_alarms: Share
    split_sizes: dict[str, Positive]
    seed: Seed  # of the glimpses
    candidates: dict[str, Share]  # per score: mean share of the foreign validation images it would have caught
    sets: tuple[ForeignSet, ...]
    mean: tuple[float, ...]  # (F,) of the training images' statistics; empty where these are not used
    precision: tuple[tuple[float, ...], ...]  # (F, F)

    def score(self, pixels: np.ndarray, logits: np.ndarray) -> np.ndarray:
        """(n,) how familiar images are: pixels (n, C, H, W) uint8, their last logits (n, classes)."""
        return familiarity(self.parts, Gaussian(np.array(self.mean), np.array(self.precision)), pixels, logits)

    def at_most(self, pixels: np.ndarray) -> np.ndarray:
        """(n,) what `score` can be at most, without the model: by the statistics of the pixels, where they count."""
        parts = [part for part in self.parts if part.score == "statistics"]
        if not parts:
            return np.full(len(pixels), np.inf)
        return familiarity(parts, Gaussian(np.array(self.mean), np.array(self.precision)), pixels, np.empty((0, 0)))

    def is_foreign(self, pixels: np.ndarray, logits: np.ndarray) -> bool:
        """Whether the warning is raised for one image: pixels (C, H, W) uint8 and its last logits (classes,)."""
        return bool(self.score(pixels[None], logits[None])[0] < self.threshold)

    def lines(self) -> Iterator[str]:
        sizes = self.split_sizes
        by_threshold = f"{100 * self.val_false_alarms:.1f} % (n = {sizes['val']:,}; by its threshold)"
        yield ""
        yield f"warning about foreign images, by {' and '.join(part.score for part in self.parts)}"
        yield f"  false alarms on validation: {by_threshold}"
        yield f"  false alarms on test: {100 * self.test_false_alarms:.1f} % (n = {sizes['test']:,})"
        yield f"  caught while choosing: {', '.join(f'{k} {100 * v:.1f} %' for k, v in self.candidates.items())}"
        for foreign in self.sets:
            yield f"  caught of {foreign.name} (n = {foreign.n:,}): {100 * foreign.detected:.1f} %"

    def check(self, config: Config) -> None:
        expect(bool(self.parts), "parts has no entries")
        expect({"val", "test"} <= self.split_sizes.keys(), "split_sizes: expected val and test")
        for k, part in enumerate(self.parts):
            expect(part.spread > 0, f"parts[{k}].spread={part.spread:g}: expected more than 0")
        if any(part.score == "statistics" for part in self.parts):
            model = config.model
            blank = np.zeros((1, model.channels, model.image_size, model.image_size), np.uint8)
            size = image_statistics(blank).shape[1]
            entries(size, mean=self.mean, precision=self.precision)
            entries(size, **{f"precision[{k}]": row for k, row in enumerate(self.precision)})


class Gaussian(NamedTuple):
    """Of the training images' statistics."""

    mean: np.ndarray  # (F,)
    precision: np.ndarray  # (F, F)


def image_statistics(pixels: np.ndarray) -> np.ndarray:
    """(n, F) of uint8 pixels (n, C, H, W): log energies of edges at every scale, of contrast and of colour, the share
    of black and white, and the mean of each quarter and channel.
    """
    x = pixels.astype(np.float32) / 255
    grey = x.mean(axis=1)  # (n, H, W)

    def log_energy(values: np.ndarray) -> np.ndarray:
        return np.log(np.square(values).reshape(len(values), -1).mean(axis=1) + _FLOOR)

    columns, level = [], grey
    while level.shape[-1] >= 4:
        columns += [log_energy(np.diff(level, axis=2)), log_energy(np.diff(level, axis=1))]
        level = _halved(level)
    columns.append(log_energy(grey - grey.mean(axis=(1, 2), keepdims=True)))
    if x.shape[1] > 1:
        colour = x - grey[:, None]
        columns += [log_energy(colour), log_energy(colour - colour.mean(axis=(2, 3), keepdims=True))]
    columns.append(((grey < 0.02) | (grey > 0.98)).mean(axis=(1, 2)))
    quarters = x
    while quarters.shape[-1] > 3:
        quarters = _halved(quarters)
    return np.concatenate([np.stack(columns, axis=1), quarters.reshape(len(x), -1)], axis=1).astype(np.float64)


def familiarity(parts: Sequence[Part], gaussian: Gaussian, pixels: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """(n,) the lowest of some scores on their common scale, as in `DomainReport.score`."""
    scaled = [(_raw_score(part.score, gaussian, pixels, logits) - part.median) / part.spread for part in parts]
    return np.min(scaled, axis=0)


def _raw_score(name: Name, gaussian: Gaussian, pixels: np.ndarray, logits: np.ndarray) -> np.ndarray:
    if name == "statistics":
        distance = image_statistics(pixels) - gaussian.mean
        return -np.einsum("nf,fg,ng->n", distance, gaussian.precision, distance)
    top = logits.max(axis=-1, keepdims=True)
    total = np.exp(logits - top).sum(axis=-1, dtype=np.float64)
    return 1 / total if name == "softmax" else np.log(total) + top[:, 0]


class _Trial(NamedTuple):
    """A candidate with its threshold."""

    parts: tuple[Part, ...]
    gaussian: Gaussian
    threshold: float

    def warned(self, pixels: np.ndarray, logits: np.ndarray) -> float:
        """The share of some images that raises the warning."""
        return float((familiarity(self.parts, self.gaussian, pixels, logits) < self.threshold).mean())


def measuring(
    model: ViTRM, data: Dataset, *, foreign: Mapping[str, tuple[Split, Split]] | None = None, seed: int = 0
) -> Iterator[Progress | DomainReport]:
    """Choose a score, and measure it; see `report.measuring`.

    `foreign` names sets of other images, each as a part to choose by and a part to measure on, made for the model's
    input. Four that need no data are added: noise, single colours, and its own images upside down and as negatives.
    """
    from vitrm.judge.evaluation import predicting

    train, val, test = data.train, data.val, data.test
    sets = dict(foreign or {}) | _without_data(val, test, seed)
    known = image_statistics(train.images[:_MOST_TRAINING_IMAGES].numpy())
    spread = np.cov(known.T) + 1e-6 * np.eye(known.shape[1])
    gaussian = Gaussian(known.mean(axis=0), np.linalg.inv(spread))
    splits = {"val": val, "test": test}
    splits |= {(name, k): part for name, parts in sets.items() for k, part in enumerate(parts)}
    tally = Tally(sum(map(len, splits.values())))
    yield tally.add()
    outputs = {}
    for name, part in splits.items():
        steps = yield from predicting(model, part, tally, seed=seed)
        outputs[name] = part.images[:].numpy(), steps.logits[-1].numpy()
    trials = {}
    for names in CANDIDATES:
        parts = tuple(_part(name, _raw_score(name, gaussian, *outputs["val"])) for name in names)
        threshold = float(np.quantile(familiarity(parts, gaussian, *outputs["val"]), FALSE_ALARMS))
        trials[" and ".join(names)] = _Trial(parts, gaussian, threshold)
    candidates = {
        name: float(np.mean([trial.warned(*outputs[each, 0]) for each in sets])) for name, trial in trials.items()
    }
    best = trials[max(candidates, key=candidates.__getitem__)]
    asks_pixels = any(part.score == "statistics" for part in best.parts)
    yield DomainReport(
        parts=best.parts,
        threshold=best.threshold,
        val_false_alarms=best.warned(*outputs["val"]),
        test_false_alarms=best.warned(*outputs["test"]),
        split_sizes={"train": len(train), "val": len(val), "test": len(test)},
        seed=seed,
        candidates=candidates,
        sets=tuple(ForeignSet(name, len(parts[1]), best.warned(*outputs[name, 1])) for name, parts in sets.items()),
        mean=tuple(gaussian.mean.tolist()) if asks_pixels else (),
        precision=tuple(map(tuple, gaussian.precision.tolist())) if asks_pixels else (),
    )


def _without_data(val: Split, test: Split, seed: int) -> dict[str, tuple[Split, Split]]:
    """Foreign images that can always be had."""
    import torch

    from vitrm.data.dataset import Split

    channels, size = val.images.shape[1:3]

    def split(images: torch.Tensor) -> Split:
        return Split(images.contiguous(), torch.zeros(len(images), dtype=torch.int64))

    def drawn(*shape: int) -> Split:
        generator = torch.Generator().manual_seed(seed + shape[0])
        return split(torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8))

    def plain(n: int) -> Split:
        return split(drawn(n, channels, 1, 1).images.expand(-1, -1, size, size))

    return {
        "noise": (drawn(500, channels, size, size), drawn(501, channels, size, size)),
        "single colours": (plain(500), plain(501)),
        "its own images upside down": tuple(split(part.images[:].flip(2)) for part in (val, test)),
        "its own images as negatives": tuple(split(255 - part.images[:]) for part in (val, test)),
    }


def _part(name: Name, on_val: np.ndarray) -> Part:
    median, low = (float(np.quantile(on_val, share)) for share in (0.5, FALSE_ALARMS / 2))
    return Part(name, median, (median - low) or 1.0)


def fitted(split: Split, channels: int, size: int, most: int = 2_000) -> Split:
    """The first `most` images of a split of any shape, as a model of another input shape is given them."""
    import torch
    from PIL import Image

    from vitrm.data.dataset import Split
    from vitrm.data.images import fit_image

    images = [
        fit_image(Image.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0)), size, channels)
        for image in split.images[:most].numpy()
    ]
    return Split(torch.from_numpy(np.stack(images)), split.labels[:most])


def _halved(values: np.ndarray) -> np.ndarray:
    """Means of 2 x 2 blocks over the last two axes; an odd last row or column is left out."""
    height, width = (length // 2 * 2 for length in values.shape[-2:])
    blocks = values[..., :height, :width].reshape(*values.shape[:-2], height // 2, 2, width // 2, 2)
    return blocks.mean(axis=(-3, -1))
