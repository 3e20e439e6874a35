"""Is this the kind of picture the model was trained on? A warning with a measured rate of false alarms.

A model must answer one of its classes whatever it is shown, and is often sure of it. `domain_report(...)` tries three
scores and pairs of them, takes what catches most of what is foreign, sets its threshold so that 5 % of the validation
images raise a false alarm, and then measures on test what that is worth. `domain_score(...)` needs no torch.

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

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from vitrm.data.dataset import Dataset, Split
    from vitrm.model import ViTRM

FALSE_ALARMS = 0.05  # of the validation images
CANDIDATES = (("softmax",), ("energy",), ("statistics",), ("statistics", "softmax"), ("statistics", "energy"))
_MOST_TRAINING_IMAGES = 20_000  # for the mean and spread of the statistics
_FLOOR = 1e-5  # of a mean square whose logarithm is taken; pixels are 0..1 in steps of 0.004


@dataclass(frozen=True)
class ForeignSet:
    """Images of another kind, and the share of them that raises the warning."""

    name: str
    n: int
    detected: float  # 0..1, on images that took no part in choosing the score


@dataclass(frozen=True)
class Part:
    """One score, and what puts it on the common scale."""

    score: str
    median: float  # of the validation images
    spread: float  # from there down to their 2.5 % quantile


@dataclass(frozen=True)
class DomainReport:
    """A score, its threshold, and what it was measured to be worth. All shares 0..1."""

    parts: tuple[Part, ...]  # the lowest of them counts
    threshold: float  # the warning is raised below it
    val_false_alarms: float
    test_false_alarms: float
    split_sizes: dict[str, int]
    seed: int  # of the glimpses
    candidates: dict[str, float]  # per score: mean share of the foreign validation images it would have caught
    sets: tuple[ForeignSet, ...]
    mean: tuple[float, ...]  # (F,) of the training images' statistics; empty where these are not used
    precision: tuple[tuple[float, ...], ...]  # (F, F)


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


def domain_score(report: DomainReport | Mapping[str, Any], pixels: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """(n,) how familiar images are, by a report's own score: pixels (n, C, H, W) uint8, logits (n, classes)."""
    values = report if isinstance(report, Mapping) else asdict(report)
    scaled = [
        (_raw_score(part["score"], values, pixels, logits) - part["median"]) / part["spread"]
        for part in values["parts"]
    ]
    return np.min(scaled, axis=0)


def is_foreign(report: DomainReport | Mapping[str, Any], pixels: np.ndarray, logits: np.ndarray) -> bool:
    """Whether the warning is raised for one image: pixels (C, H, W) uint8 and its last logits (classes,)."""
    threshold = report["threshold"] if isinstance(report, Mapping) else report.threshold
    return bool(domain_score(report, pixels[None], logits[None])[0] < threshold)


def _raw_score(name: str, gaussian: Mapping[str, Any], pixels: np.ndarray, logits: np.ndarray) -> np.ndarray:
    if name == "statistics":
        distance = image_statistics(pixels) - np.array(gaussian["mean"])
        return -np.einsum("nf,fg,ng->n", distance, np.array(gaussian["precision"]), distance)
    top = logits.max(axis=-1, keepdims=True)
    total = np.exp(logits - top).sum(axis=-1, dtype=np.float64)
    return 1 / total if name == "softmax" else np.log(total) + top[:, 0]


def domain_report(
    model: ViTRM, dataset: Dataset, foreign: Mapping[str, tuple[Split, Split]], seed: int = 0
) -> DomainReport:
    """Choose a score for a model that has a `.transform`, and measure it.

    `foreign` names sets of other images, each as a part to choose by and a part to measure on, made for the model's
    input. Four that need no data are added: noise, single colours, and its own images upside down and as negatives.
    """
    import torch

    from vitrm.data.dataset import Split
    from vitrm.judge.evaluation import predict_steps

    def split(images: torch.Tensor) -> Split:
        return Split(images.contiguous(), torch.zeros(len(images), dtype=torch.int64))

    def drawn(*shape: int) -> Split:
        generator = torch.Generator().manual_seed(seed + shape[0])
        return split(torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8))

    train, val, test = dataset.train, dataset.val, dataset.test
    channels, size = val.images.shape[1:3]

    def plain(n: int) -> Split:
        return split(drawn(n, channels, 1, 1).images.expand(-1, -1, size, size))

    sets = dict(foreign) | {
        "noise": (drawn(500, channels, size, size), drawn(501, channels, size, size)),
        "single colours": (plain(500), plain(501)),
        "its own images upside down": tuple(split(part.images[:].flip(2)) for part in (val, test)),
        "its own images as negatives": tuple(split(255 - part.images[:]) for part in (val, test)),
    }

    def outputs(part: Split) -> tuple[np.ndarray, np.ndarray]:
        return part.images[:].numpy(), predict_steps(model, model.transform, part, seed=seed).logits[-1].numpy()

    known = image_statistics(train.images[:_MOST_TRAINING_IMAGES].numpy())
    spread = np.cov(known.T) + 1e-6 * np.eye(known.shape[1])
    gaussian = {"mean": known.mean(axis=0), "precision": np.linalg.inv(spread)}
    on_val, on_test = outputs(val), outputs(test)
    chosen_by = [outputs(parts[0]) for parts in sets.values()]
    trials = {}
    for names in CANDIDATES:
        trial = {"parts": [_part(name, _raw_score(name, gaussian, *on_val)) for name in names]} | gaussian
        trial["threshold"] = float(np.quantile(domain_score(trial, *on_val), FALSE_ALARMS))
        trials[" and ".join(names)] = trial

    def warned(trial: Mapping[str, Any], part: tuple[np.ndarray, np.ndarray]) -> float:
        return float((domain_score(trial, *part) < trial["threshold"]).mean())

    candidates = {name: float(np.mean([warned(trial, part) for part in chosen_by])) for name, trial in trials.items()}
    best = trials[max(candidates, key=candidates.__getitem__)]
    asks_pixels = any(part["score"] == "statistics" for part in best["parts"])
    return DomainReport(
        parts=tuple(Part(**part) for part in best["parts"]),
        threshold=best["threshold"],
        val_false_alarms=warned(best, on_val),
        test_false_alarms=warned(best, on_test),
        split_sizes={"train": len(train), "val": len(val), "test": len(test)},
        seed=seed,
        candidates=candidates,
        sets=tuple(ForeignSet(name, len(parts[1]), warned(best, outputs(parts[1]))) for name, parts in sets.items()),
        mean=tuple(map(float, gaussian["mean"])) if asks_pixels else (),
        precision=tuple(tuple(map(float, row)) for row in gaussian["precision"]) if asks_pixels else (),
    )


def _part(name: str, on_val: np.ndarray) -> dict[str, Any]:
    median, low = (float(np.quantile(on_val, share)) for share in (0.5, FALSE_ALARMS / 2))
    return {"score": name, "median": median, "spread": (median - low) or 1.0}


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
