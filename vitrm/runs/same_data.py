"""Whether the data found now are those that a run was trained on.

Where pictures are added or removed, all splits are drawn anew: what is called the test would mostly be images that the
run has learned from.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from vitrm.config import Config, DataConfig
from vitrm.errors import DataError
from vitrm.runs.summary import Summary

if TYPE_CHECKING:  # torch takes seconds to import, and whoever only reads JSON should not wait for it
    from vitrm.data.dataset import Dataset

_APART = 0.005  # of two means or deviations, 0..1 scale: versions before measured all images, not the first 20,000


def check_data(name: str, config: Config, summary: Summary | None, dataset: Dataset) -> None:
    """Raises DataError, saying what was found and expected, unless `dataset` is what the run `name` was trained on.

    Runs of before remember no fingerprint: of these the sizes of the splits are compared, where a `summary` has them,
    and mean and deviation. What cannot change (`Dataset.fingerprint` is empty) passes.
    """
    if not dataset.fingerprint:
        return
    for expected, found in _compared(config.data, summary, dataset):
        if expected != found:
            break
    else:
        return
    skipped = f" ({len(dataset.skipped):,} more cannot be read)" if dataset.skipped else ""
    raise DataError(
        f"{dataset.source} is not what {name} was trained on: expected {expected}, found {found}{skipped}; images that "
        "it has learned from may be in the test now. Put the files back as they were, train a new run on these, or "
        f"judge it on them as on other data: vitrm evaluate {name} --data {dataset.source}"
    )


def _compared(known: DataConfig, summary: Summary | None, dataset: Dataset) -> Iterator[tuple[str, str]]:
    """What was expected and what was found, in words that are equal where they agree."""
    if known.fingerprint:
        yield known.fingerprint, dataset.fingerprint
        return
    if summary is not None:
        yield _counted(summary.split_sizes), _counted(dataset.sizes)
    then, now = (*known.mean, *known.std), (*dataset.preprocess.mean, *dataset.preprocess.std)
    if any(abs(one - other) > _APART for one, other in zip(then, now, strict=False)):  # a run may know none
        yield _measured(then), _measured(now)


def _measured(values: tuple[float, ...]) -> str:
    return f"mean and deviation {', '.join(f'{value:g}' for value in values)}"


def _counted(sizes: dict[str, int]) -> str:
    return ", ".join(f"{sizes[split]:,} {split}" for split in ("train", "val", "test")) + " images"
