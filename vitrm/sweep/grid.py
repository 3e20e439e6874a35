"""Which trainings a sweep is made of: the paper's tables, its ablation, and what is laid beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from vitrm.config import preset
from vitrm.config.words import option
from vitrm.errors import ConfigError
from vitrm.nets.cost import all_at_once

Kind = Literal["batch-size", "ablation", "models", "glimpses", "mixture"]
PAPER_MODELS = ("paper", "vit-small", "vit-base", "vit-large", "resnet18", "resnet34", "resnet50")
CONTROLS = ("vit-same-size", "vit-same-block")
BATCH_SIZES = (64, 128, 256, 512, 1024)
MEMORY_STEPS = (1, 2, 3, 6, 12)
SUPERVISION_STEPS = (1, 2, 4, 8, 16)
MIXTURE_MODELS = ("sr-vit-tiny", "vit-tiny-deep", "tiny")
RECURSION_DEPTHS = (1, 2, 4)
LAST, SOFT = "last step", "soft mixture"
MIXTURES, READOUTS = {LAST: "last", SOFT: "token"}, {LAST: "last", SOFT: "mixture"}


@dataclass(frozen=True)
class Cell:
    """One training of the grid."""

    row: str
    column: str
    preset: str
    seed: int
    settings: dict[str, str] = field(hash=False)  # by dotted name, on top of the preset

    @property
    def name(self) -> str:
        """Of its run folder."""
        words = f"{self.row} {self.column} seed{self.seed}"
        return "-".join("".join(c if c.isalnum() or c in "-." else " " for c in words).split())


@dataclass(frozen=True)
class Ranges:
    """What the kinds of grids vary."""

    batch_sizes: Sequence[int] = BATCH_SIZES
    memory_steps: Sequence[int] = MEMORY_STEPS
    supervision_steps: Sequence[int] = SUPERVISION_STEPS
    recursion_depths: Sequence[int] = RECURSION_DEPTHS


Place = tuple[str, str, dict[str, str]]  # row, column, and the settings that make it


def grid(
    kind: Kind,
    presets: Sequence[str] = (),
    seeds: Sequence[int] = (0,),
    settings: dict[str, str] | None = None,
    **ranges: Sequence[int],
) -> tuple[Cell, ...]:
    """The cells of a sweep, seed by seed, so that an interrupted one has the whole grid of the first seed early.

    =============== ================================= =========================================
    kind            rows                              columns
    =============== ================================= =========================================
    "batch-size"    the paper's seven models          batch sizes (Tables 1 and 2)
    "ablation"      memory steps M of one preset      supervision steps N
    "models"        those seven and the two controls  one: the preset's own batch size
    "glimpses"      a preset with glimpses, `tiny`    as it is, and all patches at once for about
                                                      as many multiply-adds (`cost.all_at_once`)
    "mixture"       recursion depths R of an SR-ViT,  what is read: the last step alone or the soft
                    and models to lay beside it       mixture of all, where there are several
    =============== ================================= =========================================

    `ranges` are fields of `Ranges`. Raises ConfigError for a preset or setting that does not exist, a cell that makes
    no model, a range or setting that would be lost on this kind, or a value that is given twice.
    """
    settings = settings or {}
    kind_of = _KINDS[kind]
    names, varied = tuple(presets) or kind_of.presets, replace(Ranges(), **ranges)
    _check(kind, settings, ranges, {"presets": names, "seeds": seeds} | ranges)
    cells = []
    for seed in seeds:
        for name in names:
            for row, column, how in kind_of.places(name, settings, varied):
                several = f"{name}, " if kind == "ablation" and len(names) > 1 else ""
                cells.append(Cell(several + row, column, name, seed, settings | how))
    for cell in cells:
        preset(cell.preset).with_fields(cell.settings | {"train.seed": str(cell.seed)})
    return tuple(cells)


def _check(kind: Kind, settings: Iterable[str], ranges: Iterable[str], lists: dict[str, Sequence[str | int]]) -> None:
    """Raises ConfigError for what `kind` would pass over, and for a value that is given twice."""
    varies = {"train.seed": "seeds"} | _KINDS[kind].varies
    for name in settings:
        if name in varies:
            instead = f"give {option(varies[name])}" if varies[name] else "leave it out"
            raise ConfigError(f"--{name} cannot be used here: the sweep '{kind}' varies it; {instead}")
    for name in ranges:
        if name not in varies.values():
            whose = next(other for other, each in _KINDS.items() if name in each.varies.values())
            raise ConfigError(f"{option(name)} cannot be used here: the sweep '{whose}' varies them, '{kind}' does not")
    for name, values in lists.items():
        if twice := [value for k, value in enumerate(values) if value in values[:k]]:
            raise ConfigError(f"{option(name)} names {twice[0]} twice: expected different ones")


def _models(name: str, _settings: dict[str, str], _ranges: Ranges) -> Iterator[Place]:
    """A preset as it is."""
    yield name, "", {}


def _batch_sizes(name: str, _settings: dict[str, str], ranges: Ranges) -> Iterator[Place]:
    for size in ranges.batch_sizes:
        yield name, f"batch {size}", {"train.batch_size": str(size)}


def _ablation(_name: str, _settings: dict[str, str], ranges: Ranges) -> Iterator[Place]:
    for m in ranges.memory_steps:
        for n in ranges.supervision_steps:
            yield f"M = {m}", f"N = {n}", {"model.memory_steps": str(m), "model.supervision_steps": str(n)}


def _glimpses(name: str, settings: dict[str, str], _ranges: Ranges) -> Iterator[Place]:
    """A preset with glimpses, and its control that sees everything at once."""
    model = preset(name).with_fields(settings).model
    if getattr(model, "glimpse_patches", None) is None:
        raise ConfigError(f"'{name}' has no glimpses to compare with; choose tiny, or give --model.glimpse_patches")
    whole = all_at_once(model)
    changes = {
        "model.glimpse_patches": "none",
        "model.memory_steps": str(whole.memory_steps),
        "model.supervision_steps": str(whole.supervision_steps),
    }
    steps = f"N = {model.supervision_steps}, M = {model.memory_steps}"
    yield name, f"glimpses of {model.glimpse_patches} patches, {steps}", {}
    yield name, f"all at once, N = {whole.supervision_steps}, M = {whole.memory_steps}", changes


def _mixtures(name: str, settings: dict[str, str], ranges: Ranges) -> Iterator[Place]:
    """Each way to read out a preset: with and without a soft mixture, if it has steps."""
    model = preset(name).with_fields(settings).model
    if model.family == "sr-vit":
        for depth in ranges.recursion_depths:
            for column, mixture in MIXTURES.items():
                if depth > 1 or column == LAST:
                    how = {"model.recursion_depth": str(depth), "model.mixture": mixture}
                    yield f"{name}, R = {depth}", column, how
    elif model.supervision_steps > 1:
        for column, readout in READOUTS.items():
            yield name, column, {"model.readout": readout}
    else:
        yield name, LAST, {}


@dataclass(frozen=True)
class _Kind:
    """The presets that a kind of grid is usually made of, and what becomes of each of them."""

    presets: tuple[str, ...]
    places: Callable[[str, dict[str, str], Ranges], Iterator[Place]]
    varies: dict[str, str | None] = field(default_factory=dict)  # settings, and which of `Ranges` has their values


_STEPS = {"model.memory_steps": "memory_steps", "model.supervision_steps": "supervision_steps"}
_MIXED = {"model.recursion_depth": "recursion_depths", "model.mixture": None, "model.readout": None}
_KINDS: dict[Kind, _Kind] = {
    "batch-size": _Kind(PAPER_MODELS, _batch_sizes, {"train.batch_size": "batch_sizes"}),
    "ablation": _Kind(("paper",), _ablation, _STEPS),
    "models": _Kind((*PAPER_MODELS, *CONTROLS), _models),
    "glimpses": _Kind(("tiny",), _glimpses),
    "mixture": _Kind(MIXTURE_MODELS, _mixtures, _MIXED),
}
