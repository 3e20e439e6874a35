"""What every report on a model is: typed, made step by step, printed in one way, kept in one file of the run folder.

A report is a frozen dataclass in a module of its own, beside a function `measuring(model, data, **options)` that makes
it; a row in KINDS makes it known to the run folder, the command line and the app.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from vitrm.config import Config
from vitrm.errors import RunError, VitrmError
from vitrm.npz import read_arrays
from vitrm.reading import read

if TYPE_CHECKING:  # torch takes seconds to import, and whoever reads a report should not wait for it
    from vitrm.data.dataset import Dataset
    from vitrm.model import ViTRM
    from vitrm.nets.base import OneStep

BATCH = 64  # images; small enough that whoever shares the model with a judgement waits for tenths of a second
_LARGEST = 2**26  # bytes of a report, unpacked

KINDS: dict[str, str] = {  # where its dataclass is found, in the module that has its `measuring`
    "halting": "vitrm.judge.halting:HaltingReport",
    "glimpses": "vitrm.judge.glimpses:GlimpseReport",
    "mixture": "vitrm.judge.mixture:MixtureReport",
    "mazes": "vitrm.judge.mazes:MazeReport",
    "sizes": "vitrm.judge.sizes:SizeReport",
    "difficulty": "vitrm.judge.difficulty:DifficultyReport",
    "domain": "vitrm.judge.domain:DomainReport",
}


class Report:
    """What was measured of a model on held-out data. Each is a frozen dataclass that names its types and ranges."""

    kind: ClassVar[str]
    file: ClassVar[str]  # in the run folder; JSON, or NPZ where it holds arrays
    format: ClassVar[int]  # of that file; one of another format is as good as none

    def lines(self) -> Iterator[str]:
        """What the command line prints of it."""
        raise NotImplementedError

    def numbers(self) -> dict[str, Any]:
        """What the command line prints as JSON."""
        return _plain(self)

    def check(self, config: Config) -> None:
        """Raises RunError, naming the field, where it contradicts itself, or cannot be of a model so configured."""

    def packed(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """What its file holds: JSON values, and arrays by name (in NPZ only)."""
        return _plain(self), {}

    @classmethod
    def unpacked(cls, values: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        """The inverse of `packed`. Raises RunError, naming the field, for what cannot be."""
        return read(cls, values)


@dataclass(frozen=True)
class Progress:
    """How far a report has come. It uses the model only between the first one, of 0 images, and the complete one."""

    done: int  # images that have been run
    total: int

    @property
    def share(self) -> float:
        return self.done / self.total if self.total else 1.0

    @property
    def is_complete(self) -> bool:
        return self.done >= self.total


class Tally:
    """Counts the images that a report runs, over all the splits it takes."""

    def __init__(self, total: int) -> None:
        self.done, self.total = 0, total

    def add(self, images: int = 0) -> Progress:
        self.done += images
        return Progress(self.done, self.total)


def report_type(kind: str) -> type[Report]:
    """The dataclass of a kind of KINDS."""
    module, _, name = KINDS[kind].partition(":")
    return getattr(import_module(module), name)


def measuring(kind: str, model: ViTRM | OneStep, data: Dataset, **options: Any) -> Iterator[Progress | Report]:
    """A report in the making: Progress before the first batch and after each, the report last. Closing it is "stop".

    `model` has a `.transform`; `options` are those of the `measuring` in the module of that kind. Raises ConfigError or
    DataError for a model or data of which there can be no such report.
    """
    module, _, _ = KINDS[kind].partition(":")
    return import_module(module).measuring(model, data, **options)


def measured(kind: str, model: ViTRM | OneStep, data: Dataset, **options: Any) -> Report:
    """The report that `measuring` ends with."""
    *_, report = measuring(kind, model, data, **options)
    return report


def encode(report: Report, weights: str | None) -> bytes:
    """The content of the report's file, marked with its format and with the weights it is of."""
    values, arrays = report.packed()
    text = json.dumps(values | {"format": report.format, "weights": weights})
    if report.file.endswith(".json"):
        return f"{text}\n".encode()
    content = io.BytesIO()
    np.savez_compressed(content, meta=np.frombuffer(text.encode(), dtype=np.uint8), **arrays)
    return content.getvalue()


def decode(kind: type[Report], content: bytes, weights: str | None, config: Config) -> Report | None:
    """The report of `encode`'s content; None if it is in another format, or of other weights than those given.

    Raises RunError, naming the field where one is at fault, if it is damaged or cannot be of a model so configured.
    Never unpickles.
    """
    try:
        values, arrays = _json(content) if kind.file.endswith(".json") else _npz(content)
        if not isinstance(values, dict) or (values.pop("format", None), values.pop("weights", None)) != (
            kind.format,
            weights,
        ):
            return None
        report = kind.unpacked(values, arrays)
        report.check(config)
    except VitrmError as error:
        raise RunError(str(error)) from None
    return report


def _json(content: bytes) -> tuple[Any, dict[str, np.ndarray]]:
    if len(content) > _LARGEST:
        raise RunError(f"it is damaged (larger than {_LARGEST >> 20} MB)")
    try:
        return json.loads(content.decode("utf-8")), {}
    except (ValueError, RecursionError) as error:  # no JSON, no text, or nested without end
        raise RunError(f"it is damaged ({error})") from None


def _npz(content: bytes) -> tuple[Any, dict[str, np.ndarray]]:
    try:
        arrays = read_arrays(content, _LARGEST)
        return json.loads(arrays.pop("meta").tobytes()), arrays
    except Exception as error:  # numpy, zipfile, zlib and json each raise kinds of their own on damaged bytes
        raise RunError(f"it is damaged ({str(error)[:300]})") from None


def _plain(report: Report) -> dict[str, Any]:
    """JSON values of a report, with lists for tuples and base64 for bytes."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {str(name): plain(each) for name, each in value.items()}
        if isinstance(value, list | tuple):
            return [plain(each) for each in value]
        return base64.b64encode(value).decode() if isinstance(value, bytes) else value

    return plain(asdict(report))
