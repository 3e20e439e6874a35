"""Which other model knows a picture: a digit or a garment is not for a model of photographs. Pure, no streamlit.

The rule: of the models of other data, one for each data set, that whose own out-of-domain warning stays silent and to
which the picture is the most familiar, if it is more so than to the model that was chosen. How familiar is what
`vitrm.judge.domain` measures, on a scale that is the same for all models. How often that is right is measured by
scripts/measure_offers.py.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

MEASURED = Path(__file__).with_name("offers.csv")
COLUMNS = ("chosen", "images", "n", "offered", "share", "seed")


@dataclass(frozen=True)
class Familiarity:
    """How familiar a picture is to a model."""

    score: float  # 0: as its median validation image, -1: as the 2.5 % quantile
    threshold: float  # of its warning

    @property
    def is_foreign(self) -> bool:
        return self.score < self.threshold


def best(chosen: Familiarity, others: Mapping[str, Familiarity]) -> str | None:
    """Which of `others` should be offered; None for none."""
    known = {name: each.score for name, each in others.items() if not each.is_foreign and each.score > chosen.score}
    return max(known, key=known.__getitem__, default=None)


@dataclass(frozen=True)
class Rate:
    """How often a model was offered, in place of the chosen one, for images of a kind."""

    images: str
    n: int
    share: float  # 0..1


def rates(chosen: str, offered: str, file: Path = MEASURED) -> list[Rate]:
    """What was measured of offering a model in place of another; empty where nothing was."""
    if not file.is_file():
        return []
    with file.open(newline="", encoding="utf-8") as lines:
        return [
            Rate(row["images"], int(row["n"]), float(row["share"]))
            for row in csv.DictReader(lines)
            if (row["chosen"], row["offered"]) == (chosen, offered)
        ]


def words(found: Iterable[Rate]) -> str:
    """What the offer is worth, in a sentence."""
    said = [f"{100 * rate.share:.1f} % of {rate.images} (n = {rate.n:,})" for rate in found]
    return f"Measured on test images, it is offered for {', '.join(said)}." if said else ""
