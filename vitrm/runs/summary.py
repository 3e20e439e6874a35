"""The last word of a run, summary.json: what was measured on test, and where it comes from."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vitrm.config import Config
from vitrm.errors import RunError
from vitrm.reading import Count, Positive, Seed, Share, entries, expect, read
from vitrm.runs.files import read_json

_SPLITS = {"train", "val", "test"}


@dataclass(frozen=True)
class Scores:
    """What `vitrm.judge.evaluation.evaluate` found on the test split, one entry per supervision step that was run.

    A model without supervision steps has one, and no entry about halting.
    """

    n: Positive
    loss: tuple[float, ...]  # cross-entropy, nats
    accuracy: tuple[Share, ...]
    halt_prob: tuple[Share, ...]
    halt_auroc: tuple[Share | None, ...]
    policy: str
    seed: Seed  # of the glimpses


@dataclass(frozen=True)
class Summary:
    """What a finished run came to."""

    data: str  # its source
    split_sizes: dict[str, Positive]  # images of "train", "val" and "test"
    skipped: Count  # images that could not be read
    parameters: Positive
    reason: str  # why it ended
    epochs: Count
    best_epoch: Count
    best_val_accuracy: Share
    test: Scores
    seconds: float  # of training
    seed: Seed
    command: str = "unknown"  # from here on: where it comes from, as in started.json
    commit: str = "unknown"
    python: str = "unknown"
    torch: str = "unknown"
    device: str = "unknown"
    hardware: str = "unknown"
    notes: tuple[str, ...] = ()  # lines that somebody added since: what the numbers do not say of themselves

    def check(self, config: Config) -> None:
        """Raises RunError, naming the field, where it contradicts itself, or cannot be of a run so configured."""
        steps, test = config.model.supervision_steps, self.test
        expect(set(self.split_sizes) == _SPLITS, f"split_sizes: expected {', '.join(sorted(_SPLITS))}")
        expect(self.seconds >= 0, f"seconds={self.seconds}: expected 0 or more")
        expect(len(test.accuracy) >= steps, f"test.accuracy has {len(test.accuracy)} entries, expected {steps} or more")
        entries(len(test.accuracy), **{"test.loss": test.loss})
        halting = len(test.accuracy) if config.model.recurrent else 0
        entries(halting, **{"test.halt_prob": test.halt_prob, "test.halt_auroc": test.halt_auroc})

    def text(self) -> str:
        """What summary.json holds."""
        return json.dumps({name: value for name, value in asdict(self).items() if name != "notes" or value}, indent=2)


@dataclass(frozen=True)
class _Origin:
    command: str = "unknown"
    commit: str = "unknown"
    python: str = "unknown"
    torch: str = "unknown"
    device: str = "unknown"
    hardware: str = "unknown"


def read_summary(file: Path, config: Config) -> Summary | None:
    """None where there is no such file. Raises RunError, saying which field is at fault, if it is damaged or odd."""
    values = read_json(file)
    if values is None:
        return None
    try:
        summary = read(Summary, values)
        summary.check(config)
    except RunError as error:
        raise RunError(f"'{file}' is damaged: {error}") from None
    return summary


def read_origin(file: Path) -> dict[str, Any]:
    """The command, commit, versions and hardware that started.json holds; "unknown" where it is absent or damaged."""
    try:
        return asdict(read(_Origin, read_json(file) or {}))
    except RunError:
        return asdict(_Origin())
