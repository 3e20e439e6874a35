"""Means over the test images, with an interval that says how far other images of the same kind could move them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vitrm.reading import Gap

if TYPE_CHECKING:
    from torch import Tensor

DRAWS = 1000  # of the bootstrap


@dataclass(frozen=True)
class Estimate:
    """A mean over the test images, of a share or a difference, and the middle 95 % of its bootstrap over images."""

    mean: Gap
    low: Gap
    high: Gap


def estimates(values: Tensor, seed: int = 0) -> list[Estimate]:
    """Of each row of (R, n), the images drawn together for all rows."""
    rows = values.numpy()
    low, high = np.quantile(drawn_means(rows, seed), (0.025, 0.975), axis=0)
    return [Estimate(*map(float, each)) for each in zip(rows.T.copy().mean(axis=0), low, high, strict=True)]


def drawn_means(values: np.ndarray, seed: int = 0) -> np.ndarray:
    """The means (DRAWS, R) of R rows of n values, of which n are drawn each time with repeats, the same of all rows."""
    rows, generator = values.T.copy(), np.random.default_rng(seed)  # (n, R)
    return np.stack([rows[generator.integers(0, len(rows), len(rows))].mean(axis=0) for _ in range(DRAWS)])
