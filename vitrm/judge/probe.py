"""A linear probe: can it be read off a cell's memory token whether that cell can be reached from the start?

One probe for each supervision step, a logistic regression of the token's D numbers, fitted on validation mazes and
measured on test mazes. It says what is there to be read, not that the model reads it. The same probe on an untrained
model is the measure: mixing tokens by chance tells a cell a little of its surroundings, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vitrm.data.mazes import START, WALL, cells_of, distances

if TYPE_CHECKING:  # torch takes seconds to import, and whoever applies a probe should not wait for it
    from vitrm.data.dataset import Split
    from vitrm.model import ViTRM

CUT_OFF = -1  # stands for the distance of a free cell that cannot be reached
FIT, TEST = 500, 1000  # mazes at most


@dataclass(frozen=True, eq=False)
class Probe:
    """Probes of N supervision steps. Walls and the start are left out of everything."""

    weights: np.ndarray  # (N, D) float32
    bias: np.ndarray  # (N,) float32
    accuracy: np.ndarray  # (N,) balanced: the mean of the shares right among reachable and among cut-off cells
    untrained: np.ndarray  # (N,) the same for a model of the same shape with its first, random weights
    groups: np.ndarray  # (G,) distances from the start that came up, CUT_OFF last
    called: np.ndarray  # (N, G) share of the test cells at that distance that are called reachable
    counts: np.ndarray  # (G,) how many cells these are
    mazes: tuple[int, int]  # how many it was fitted on, and measured on

    def reachable(self, memory: np.ndarray) -> np.ndarray:
        """(N', T, M, K) the estimate, 0..1, that each cell can be reached, of the memory (N', T, M, K, D) of a trace.

        Steps beyond the last one that was fitted are read with its probe.
        """
        step = np.minimum(np.arange(len(memory)), len(self.weights) - 1)
        scores = np.einsum("ntmkd,nd->ntmk", memory, self.weights[step]) + self.bias[step, None, None, None]
        return np.exp(-np.logaddexp(0, -scores))


def fits(model: ViTRM, size: int) -> bool:
    """Whether a model has a memory token for each cell of mazes of size x size."""
    return model.config.recurrent and model.config.memory_size == model.config.num_patches == size**2


def fit_probe(model: ViTRM, val: Split, test: Split, size: int) -> Probe:
    """Fit a probe of mazes of size x size on at most FIT mazes of `val`, and measure it on at most TEST of `test`."""
    import torch

    from vitrm.families import make_model

    weights, bias, right, untrained, called = [], [], [], [], []
    fit_cells, test_cells = (_cells(split, count, size) for split, count in ((val, FIT), (test, TEST)))
    groups, place, counts = np.unique(test_cells.distance, return_inverse=True, return_counts=True)
    order = np.argsort(np.where(groups == CUT_OFF, np.iinfo(np.int64).max, groups))  # CUT_OFF last
    seen = zip(_memory(model, val, fit_cells), _memory(model, test, test_cells), strict=True)
    for for_fit, for_test in seen:
        regression = _fit(for_fit, fit_cells.distance != CUT_OFF)
        says = regression.predict(for_test)
        weights.append(regression.coef_[0])
        bias.append(regression.intercept_[0])
        right.append(_balanced(says, test_cells.distance != CUT_OFF))
        called.append((np.bincount(place, weights=says, minlength=len(groups)) / counts)[order])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        blank = make_model(model.config).eval()
    blank.transform = model.transform
    for for_fit, for_test in zip(_memory(blank, val, fit_cells), _memory(blank, test, test_cells), strict=True):
        regression = _fit(for_fit, fit_cells.distance != CUT_OFF)
        untrained.append(_balanced(regression.predict(for_test), test_cells.distance != CUT_OFF))
    return Probe(
        weights=np.array(weights, np.float32),
        bias=np.array(bias, np.float32),
        accuracy=np.array(right),
        untrained=np.array(untrained),
        groups=groups[order],
        called=np.array(called),
        counts=counts[order],
        mazes=(fit_cells.mazes, test_cells.mazes),
    )


@dataclass(frozen=True, eq=False)
class _Cells:
    mazes: int
    which: np.ndarray  # (mazes, L) bool, the cells that are asked about
    distance: np.ndarray  # (cells,) of those


def _cells(split: Split, count: int, size: int) -> _Cells:
    mazes = cells_of(split.images[:count].cpu().numpy(), size)
    found = distances(mazes).reshape(len(mazes), -1).astype(np.int64)
    flat = mazes.reshape(len(mazes), -1)
    which = (flat != WALL) & (flat != START)
    return _Cells(len(mazes), which, found[which])


def _memory(model: ViTRM, split: Split, asked: _Cells) -> list[np.ndarray]:
    """Per supervision step, the memory tokens (cells, D) of the cells that are asked about."""
    import torch

    device = next(model.parameters()).device
    parts = []
    with torch.inference_mode():
        for start in range(0, asked.mazes, 64):
            part = slice(start, min(start + 64, asked.mazes))
            images = model.transform.normalize(split.images[part].to(device))
            which = torch.from_numpy(asked.which[part]).to(device)
            parts.append([step.memory[which].float().cpu().numpy() for step in model.steps(images)])
    return [np.concatenate(of_step) for of_step in zip(*parts, strict=True)]


def _fit(tokens: np.ndarray, reachable: np.ndarray):
    """A logistic regression that takes tokens as they are: it is fitted on scaled ones, and scaled back."""
    from sklearn.linear_model import LogisticRegression

    mean, spread = tokens.mean(axis=0), tokens.std(axis=0) + 1e-6
    regression = LogisticRegression(class_weight="balanced", max_iter=5000, tol=1e-3)
    regression.fit((tokens - mean) / spread, reachable)
    regression.coef_ = regression.coef_ / spread
    regression.intercept_ = regression.intercept_ - regression.coef_ @ mean
    return regression


def _balanced(says: np.ndarray, truth: np.ndarray) -> float:
    return float((says[truth].mean() + (~says[~truth]).mean()) / 2)
