"""What may be laid side by side on the page that compares: pure functions of configurations and results.

A `Comparison` holds entries that were measured on the same test images of the same classes, and nothing else: numbers
of different data are never in one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vitrm.config import AnyModelConfig, Config
from vitrm.judge.mixture import MixtureReport
from vitrm.nets.cost import multiply_adds
from vitrm.runs.summary import Summary
from vitrm.sweep.row import Row

BYTES = 4  # of a weight in fp32, as the app and `vitrm evaluate` load it


@dataclass(frozen=True)
class Entry:
    """One model, or one cell of a grid over its seeds. Accuracies in percent, on the test split."""

    name: str
    config: AnyModelConfig
    parameters: int
    accuracy: float  # after the supervision steps it was trained with; mean over seeds
    spread: float | None  # standard deviation over seeds; None for one seed
    seeds: tuple[int, ...]
    accuracy_by_step: tuple[float, ...]  # one entry per supervision step, those beyond training too; () if not known
    training: str  # what it took
    recipe: Any = None  # equal for two that were trained alike; None in a grid, which has one recipe
    accuracy_by_recursion: tuple[
        float, ...
    ] = ()  # of an SR-ViT that ends after recursion step 1, .. R; () if not known

    @property
    def family(self) -> str:
        return self.config.family_title

    @property
    def weights_mb(self) -> float:
        return BYTES * self.parameters / 1e6

    @property
    def is_recursive(self) -> bool:
        """Whether it applies layers more than once."""
        return self.config.unrolled_layers > self.config.unique_layers

    def steps(self) -> list[Step]:
        """Its accuracy after each step that was measured, with what it has taken by then.

        These are supervision steps, or the recursion steps of an SR-ViT where they were measured.
        """
        if self.accuracy_by_recursion:
            depth = len(self.accuracy_by_recursion)
            return [
                Step(
                    number=r,
                    accuracy=accuracy,
                    layers=self.config.unrolled_layers * r // depth,
                    multiply_adds=multiply_adds(self.config, recursion_steps=r),
                    beyond=False,
                )
                for r, accuracy in enumerate(self.accuracy_by_recursion, start=1)
            ]
        trained = self.config.supervision_steps
        known = self.accuracy_by_step or (None,) * (trained - 1) + (self.accuracy,)
        return [
            Step(
                number=n,
                accuracy=accuracy,
                layers=self.config.unrolled_layers * n // trained,
                multiply_adds=multiply_adds(self.config, n),
                beyond=n > trained,
            )
            for n, accuracy in enumerate(known, start=1)
            if accuracy is not None
        ]


@dataclass(frozen=True)
class Step:
    """A supervision step of an entry, or a recursion step."""

    number: int
    accuracy: float
    layers: int  # applied one after the other by then
    multiply_adds: int  # for one image, by then
    beyond: bool  # the training


@dataclass(frozen=True)
class Comparison:
    """Entries that may be compared."""

    key: str  # in a link
    title: str
    data: str
    classes: tuple[str, ...]  # () where only their number is known
    num_classes: int
    test_images: int
    entries: tuple[Entry, ...]
    scale: str  # what the trainings had in common, or that they had not
    is_grid: bool  # one recipe and budget, from a table of a sweep; otherwise finished models, however trained

    @property
    def chance(self) -> float:
        """Percent."""
        return 100 / self.num_classes

    @property
    def trainings(self) -> int:
        return sum(len(entry.seeds) for entry in self.entries)


def data_title(config: Config) -> str:
    """What to call the data in a few words: a name may go on to explain itself after a colon."""
    return config.data.name.partition(":")[0] or config.data.title


def of_models(
    facts: Mapping[str, tuple[Config, Summary]], mixtures: Mapping[str, MixtureReport] | None = None
) -> list[Comparison]:
    """Finished models (configuration, summary) by the test images they were measured on, the largest group first.

    `mixtures` has what is known of an SR-ViT by recursion step (the report "mixture").

    Two belong together if they read the same source, know the same classes and were tested on as many images.
    """
    groups: dict[tuple, list[str]] = {}
    for name, (config, summary) in facts.items():
        classes = config.data.classes or tuple(str(k) for k in range(config.model.num_classes))
        groups.setdefault((config.data.source, classes, summary.test.n), []).append(name)
    made = []
    for (_, classes, n), names in groups.items():
        data = min((data_title(facts[name][0]) for name in names), key=len)
        made.append(
            Comparison(
                key=_slug(data),
                title=f"{data}: finished models",
                data=data,
                classes=classes,
                num_classes=len(classes),
                test_images=n,
                entries=tuple(_of_model(name, *facts[name], (mixtures or {}).get(name)) for name in names),
                scale="each trained in its own way, see the table",
                is_grid=False,
            )
        )
    return _distinct(sorted(made, key=lambda group: -len(group.entries)))


def _of_model(name: str, config: Config, summary: Summary, mixture: MixtureReport | None) -> Entry:
    test = [100 * value for value in summary.test.accuracy]
    return Entry(
        name=name,
        config=config.model,
        parameters=summary.parameters,
        accuracy=test[config.model.supervision_steps - 1],
        spread=None,
        seeds=(summary.seed,),
        accuracy_by_step=tuple(test),
        recipe=(replace(config.train, seed=0), summary.split_sizes["train"]),
        accuracy_by_recursion=tuple(100 * value for value in mixture.own) if mixture else (),
        training=", ".join((_epochs(str(summary.epochs)), minutes(summary.seconds / 60), _hardware(summary.hardware))),
    )


def of_tables(tables: Mapping[str, Iterable[Row]]) -> list[Comparison]:
    """Results of sweeps by data and budget, the most trainings first: tables of one and the same budget are one.

    Rows about the weights of another row are left out: they are the same trainings again.
    """
    groups: dict[tuple, list[Row]] = {}
    names: dict[tuple, list[str]] = {}
    for name, rows in tables.items():
        for row in rows:
            if row.weights_of:
                continue
            budget = f"{minutes(row.minutes)} each" if row.minutes else f"{row.epoch_images:,} images an epoch"
            alike = row.data, row.test_images, row.model.num_classes, budget, row.hardware
            groups.setdefault(alike, []).append(row)
            if name not in names.setdefault(alike, []):
                names[alike].append(name)
    made = []
    for alike, rows in groups.items():
        data, n, classes, scale, hardware = alike
        short = data.partition(":")[0]
        made.append(
            Comparison(
                key=_slug(names[alike][0]),
                title=f"{short}: grid, {scale}",
                data=short,
                classes=(),
                num_classes=classes,
                test_images=n,
                entries=tuple(map(_of_row, rows)),
                scale=f"{scale}, {_hardware(hardware)}",
                is_grid=True,
            )
        )
    return _distinct(sorted(made, key=lambda group: -group.trainings))


def _of_row(row: Row) -> Entry:
    return Entry(
        name=f"{row.row}, {row.column}" if row.column else row.row,
        config=row.model,
        parameters=row.parameters,
        accuracy=row.accuracy,
        spread=row.spread,
        seeds=row.seeds,
        accuracy_by_step=row.accuracy_by_step,
        training=_epochs("/".join(map(str, dict.fromkeys(row.epochs)))),
    )


def _hardware(text: str) -> str:
    return re.sub(r"\b1 threads\b", "1 thread", text)


def _epochs(number: str) -> str:
    return f"{number} epoch{'s' * (number != '1')}"


def minutes(count: float) -> str:
    """A time in words."""
    if count < 1:
        return f"{60 * count:.0f} seconds"
    return f"{count:.0f} minute{'s' * (round(count) != 1)}" if count < 120 else f"{count / 60:.1f} hours"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60] or "data"


def _distinct(comparisons: list[Comparison]) -> list[Comparison]:
    """The same with keys and titles that differ."""
    seen: dict[str, int] = {}
    made = []
    for each in comparisons:
        seen[each.key] = number = seen.get(each.key, 0) + 1
        if number > 1:
            title = f"{each.title} ({each.num_classes} classes, {each.test_images:,} test images)"
            each = replace(each, key=f"{each.key}-{number}", title=title)  # noqa: PLW2901
        made.append(each)
    return made


def only(comparison: Comparison, entries: Sequence[Entry]) -> Comparison:
    """The same with some of its entries."""
    return replace(comparison, entries=tuple(entries))


def chosen(comparisons: list[Comparison], key: str) -> Comparison | None:
    """The comparison that a link names; the first for "", None for one that is not there."""
    return next((each for each in comparisons if key in ("", each.key)), None)


def others(comparisons: list[Comparison], shown: Comparison) -> str:
    """What else there is that may not be laid beside it, and why; "" where there is nothing."""
    elsewhere = [each for each in comparisons if not each.is_grid and each.key != shown.key]
    if not elsewhere or shown.is_grid:
        return ""
    parts = []
    for each in elsewhere:
        why = "other data"
        if each.data == shown.data:
            mine, theirs = len(shown.classes), len(each.classes)
            why = f"{theirs} classes, not {mine}" if mine != theirs else "other classes or test images"
        names = ", ".join(entry.name for entry in each.entries[:6])
        parts.append(f"{names} ({each.data}: {why})")
    return f"Not shown beside them, as accuracies on different data cannot be compared: {'; '.join(parts)}."
