"""TensorBoard logging, for those who have it: `vitrm train PRESET --tensorboard`, then `tensorboard --logdir runs`."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from vitrm.errors import ConfigError

_CURVES = {
    "Progress": ("loss", "halt_loss", "accuracy", "halt_prob", "answer_norm", "memory_norm", "lr", "images_per_s"),
    "EpochEnd": ("val_loss", "val_accuracy", "val_halt_prob", "val_halt_auroc"),
}


class Board:
    """Writes the numbers of a training's events into PATH/tensorboard. One curve for each supervision step."""

    def __init__(self, path: Path) -> None:
        self.check()
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(path / "tensorboard")
        self.batch = 0  # trained so far: where the curves are

    @staticmethod
    def check() -> None:
        """Raises ConfigError if TensorBoard is not installed."""
        if importlib.util.find_spec("tensorboard") is None:
            raise ConfigError("--tensorboard needs the package tensorboard: pip install tensorboard")

    def record(self, event: Any) -> None:
        """Add what there is to draw of an event, at its batch, or at the end of its epoch."""
        kind = type(event).__name__
        if kind == "Progress":
            self.batch = (event.epoch - 1) * event.batches + event.batch
        for name in _CURVES.get(kind, ()):
            value = getattr(event, name)
            if not isinstance(value, tuple):
                self._add(name, value)
                continue
            for n, each in enumerate(value, start=1):
                self._add(f"{name}/step {n}", each)

    def _add(self, name: str, value: float | None) -> None:
        if value is not None:
            self.writer.add_scalar(name, value, self.batch)

    def close(self) -> None:
        self.writer.close()
