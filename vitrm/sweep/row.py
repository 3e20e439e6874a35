"""One line of a sweep's table: a cell of its grid over the seeds that were trained, as values and as text."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, NamedTuple, Self

from vitrm.config import AnyModelConfig, Config


def percents(values: Iterable[float]) -> str:
    """Several numbers in one cell: "48.17 48.22"."""
    return " ".join(f"{value:.2f}" for value in values)


class _Form(NamedTuple):
    """How a value is written into a cell, and read again."""

    write: Callable[[Any], str]
    read: Callable[[str], Any]


_TEXT, _WHOLE, _NUMBER = _Form(str, str), _Form(str, int), _Form(str, float)
_WHOLES = _Form(lambda values: " ".join(map(str, values)), lambda text: tuple(map(int, text.split())))
_PERCENTS = _Form(percents, lambda text: tuple(map(float, text.split())))
_MODEL = _Form(
    lambda model: json.dumps(asdict(model)), lambda text: Config.from_dict({"model": json.loads(text)}).model
)


def _column(title: str, form: _Form, default: Any = None) -> Any:
    return field(default=default, metadata={"title": title, "form": form})


@dataclass(frozen=True)
class Row:
    """What is known of one cell of a grid. Accuracies in percent, on test; what no training has said yet is empty."""

    row: str = _column("row", _TEXT, "")
    column: str = _column("column", _TEXT, "")
    accuracy: float | None = _column("test accuracy, %", _NUMBER)  # mean over seeds, after the trained steps
    spread: float | None = _column("spread (standard deviation)", _NUMBER)  # over seeds; None for one seed
    seeds_done: int = _column("seeds done", _WHOLE, 0)
    seeds_asked: int = _column("seeds asked for", _WHOLE, 0)
    each_seed: tuple[float, ...] = _column("each seed, %", _PERCENTS, ())
    seeds: tuple[int, ...] = _column("seeds", _WHOLES, ())
    accuracy_by_step: tuple[float, ...] = _column("after each step, %", _PERCENTS, ())  # means, beyond the trained too
    parameters: int | None = _column("parameters", _WHOLE)
    multiply_adds: int | None = _column("multiply-adds", _WHOLE)  # per image
    epochs: tuple[int, ...] = _column("epochs", _WHOLES, ())  # of each seed
    epoch_images: int | None = _column("images an epoch", _WHOLE)
    hours: float | None = _column("hours", _NUMBER)  # of all seeds together
    hardware: str = _column("hardware", _TEXT, "")  # " / " between those of different trainings
    commit: str = _column("commit", _TEXT, "")
    failure: str = _column("failure", _TEXT, "")  # why there is not all that was asked for
    data: str = _column("data", _TEXT, "")
    test_images: int | None = _column("test images", _WHOLE)
    weights_of: str = _column("weights of", _TEXT, "")  # the column whose trainings these are, measured otherwise
    minutes: float | None = _column("minutes for each", _NUMBER)  # what each was given; None: all it wanted
    model: AnyModelConfig | None = _column("model", _MODEL)  # noqa: RUF009 (frozen)

    def cells(self) -> dict[str, str]:
        """One line of a CSV file, by column; None is an empty cell. `from_cells` is the inverse."""
        found = {}
        for each in fields(self):
            value = getattr(self, each.name)
            found[each.metadata["title"]] = "" if value is None else each.metadata["form"].write(value)
        return found

    @classmethod
    def from_cells(cls, cells: Mapping[str, str]) -> Self:
        """Read `cells`' form. Raises KeyError for an absent column; ValueError, TypeError, ConfigError for a value."""
        cells = {"weights of": ""} | dict(cells)  # which tables of before do not have
        texts = {each: cells[each.metadata["title"]] for each in fields(cls)}
        found = cls(**{each.name: each.metadata["form"].read(text) for each, text in texts.items() if text != ""})
        if len(found.seeds) != len(found.each_seed):
            raise ValueError(f"{len(found.each_seed)} results of {len(found.seeds)} seeds")
        if found.accuracy is not None:
            for name in ("parameters", "multiply_adds", "epoch_images", "hours", "test_images", "model"):
                if getattr(found, name) is None:
                    raise ValueError(f"{name} is missing beside a result")
        return found
