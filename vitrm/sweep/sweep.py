"""A grid of trainings, where it lies, and how its cells are trained."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vitrm.config import Config
from vitrm.runs.folder import Run
from vitrm.runs.summary import Summary
from vitrm.sweep.grid import Cell, Kind

if TYPE_CHECKING:
    from vitrm.judge.glimpses import GlimpseReport

OTHERS = {"fixed": "centre outwards", "learned": "memory's attention"}  # orders that a training with glimpses is not in


@dataclass(frozen=True)
class Sweep:
    """A grid, where it lies, and how its cells are trained."""

    kind: Kind
    folder: Path
    cells: tuple[Cell, ...]
    data: str | None = None  # another source than the presets'
    budget_minutes: float | None = None  # for the whole grid; None: the full recipe
    devices: tuple[str, ...] = ("cpu",)
    threads: int = 1
    data_root: str = "data"

    @property
    def minutes_per_cell(self) -> float | None:
        """What a cell may take of the budget, the devices working side by side."""
        return self.budget_minutes and self.budget_minutes * len(self.devices) / len(self.cells)

    def run_of(self, cell: Cell) -> Run:
        """The run folder of a cell."""
        return Run(self.folder / cell.name)

    def is_done(self, cell: Cell) -> bool:
        """Whether a cell is trained, and measured where there is more to measure than its training does."""
        run = self.run_of(cell)
        return run.is_complete and not (self.kind == "glimpses" and _has_glimpses(run) and policies_of(run) is None)

    def command(self, cell: Cell, device: str) -> list[str]:
        """The `vitrm` command that trains a cell, goes on with it, or measures what has been trained."""
        run, where = (
            self.run_of(cell),
            ["--device", device, "--threads", str(self.threads), "--data-root", self.data_root],
        )
        if run.is_complete:
            return ["evaluate", str(run.path), "--policies", "--save", *where]
        if run.resumable:
            return ["train", "--resume", str(run.path), *where]
        words = ["train", cell.preset, "--runs", str(self.folder), "--name", cell.name, *where]
        words += ["--data", self.data] if self.data else []
        words += ["--budget-minutes", f"{self.minutes_per_cell:g}"] if self.minutes_per_cell else []
        settings = cell.settings | {"train.seed": str(cell.seed)}
        return words + [word for name, value in settings.items() for word in (f"--{name}", value)]

    def failure(self, cell: Cell) -> str | None:
        """Why a cell has no result: failed, with the cause; None if it has not been trained, or not to its end."""
        run = self.run_of(cell)
        status = run.status()
        if status["status"] == "failed":
            return f"failed: {status['cause']}"
        log = self.folder / f"{cell.name}.log"
        if not run.path.exists() and log.exists():  # refused before there was a run
            lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
            return f"failed: {lines[-1].removeprefix('vitrm: ')}" if lines else None
        return None


def accuracy(config: Config, summary: Summary) -> float:
    """Test accuracy after the supervision steps it was trained with."""
    return summary.test.accuracy[config.model.supervision_steps - 1]


def policies_of(run: Run) -> GlimpseReport | None:
    """What was measured of a run's glimpses, chosen in the other orders too; None if that is absent, or not of all."""
    report = run.report("glimpses")
    return report if report is not None and report.policies.keys() >= OTHERS.keys() else None


def _has_glimpses(run: Run) -> bool:
    return getattr(run.config().model, "glimpse_patches", None) is not None
