"""Everything that defines a run, in one value: what `config.json` in a run folder holds."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

from vitrm.config.data import DataConfig
from vitrm.config.fields import check, coerce, hints_of, nearest, read
from vitrm.config.models import AnyModelConfig, ModelConfig, require_recursion
from vitrm.config.train import TrainConfig
from vitrm.errors import ConfigError


@dataclass(frozen=True)
class Config:
    """Everything that defines a run."""

    model: AnyModelConfig = field(default_factory=ModelConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    data: DataConfig = field(default_factory=DataConfig)

    def __post_init__(self) -> None:
        for name, expected in (("classes", self.model.num_classes), ("mean", self.model.channels),
                               ("std", self.model.channels)):  # fmt: skip
            found = len(getattr(self.data, name))
            check(found in (0, expected), f"data.{name} has {found} entries, but the model needs {expected}")
        if self.train.progress_steps:
            require_recursion(self.model, f"progress_steps={self.train.progress_steps}")
        for name in ("rewind_wrong", "memory_noise", "start_noise", "keep_right", "keep_wrong"):
            if value := getattr(self.train, name):
                require_recursion(self.model, f"{name}={value:g}")
        check(
            getattr(self.model, "readout", None) != "mixture" or not (self.train.progress_steps or self.train.keeps),
            "readout='mixture' mixes the answers of all steps, and images that go on from a state have none of those "
            "before it; set progress_steps, keep_right and keep_wrong to 0",
        )

    @property
    def deepest(self) -> int:
        """The last supervision step that validation runs, and goes by: as many as a training image makes at most in one
        batch, or on average over all the batches that it stays for.
        """
        steps = self.model.supervision_steps
        staying = max(self.train.keep_right, self.train.keep_wrong)
        before = self.train.progress_steps
        return max(steps + before, round((steps + before / 2) / (1 - staying)))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; `from_dict` is the inverse."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Read `to_dict`'s form. Raises ConfigError for an unknown key or a value of the wrong type."""
        return read(cls, values, "config")

    def differences(self, other: Config) -> dict[str, Any]:
        """Every setting that `other` has otherwise, by dotted name, with its value here."""
        mine, theirs = self._flat(), other._flat()
        return {name: value for name, value in mine.items() if name not in theirs or value != theirs[name]}

    def fingerprint(self) -> str:
        """The same for two configurations that ask for the same training."""
        read = Config.from_dict(self.to_dict())  # in which 3 for a number with decimals is 3.0
        return json.dumps({name: value for name, value in read._flat().items() if name not in FOUND})

    def _flat(self) -> dict[str, Any]:
        return {f"{section}.{name}": value for section, part in self.to_dict().items() for name, value in part.items()}

    def with_fields(self, changes: dict[str, Any]) -> Config:
        """A copy with fields changed by dotted name: `{"train.lr": "1e-3", "model.dim": 96}`.

        Strings are read as the field's type, so that command-line values can be passed as they are.
        """
        parts: dict[str, dict[str, Any]] = {section.name: {} for section in fields(Config)}
        for dotted, value in changes.items():
            section, _, name = dotted.partition(".")
            hints = hints_of(type(getattr(self, section))) if section in parts else {}
            if name not in hints:
                valid = [f"{s}.{f.name}" for s in parts for f in fields(getattr(self, s))]
                of = "" if section != "model" or self.model.recurrent else f" of a {self.model.title}"
                raise ConfigError(f"unknown setting '{dotted}'{of}{nearest(dotted, valid)}")
            if dotted == "model.family" and value != self.model.family:
                raise ConfigError(f"model.family={value!r}: the family comes with the preset; choose another preset")
            parts[section][name] = coerce(value, hints[name], dotted)
        return replace(self, **{section: replace(getattr(self, section), **new) for section, new in parts.items()})


FOUND = (  # by reading the data
    *("model.num_classes", "data.name", "data.classes", "data.mean", "data.std", "data.fingerprint"),
)
