"""Runs: a new one, those there are by name, and models: of a run, or untrained ones of a preset."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitrm.config import Config
from vitrm.config import preset as find_preset
from vitrm.errors import RunError
from vitrm.places import ROOT, home
from vitrm.runs.files import replace_text
from vitrm.runs.folder import CONFIG, STARTED, Run
from vitrm.runs.provenance import provenance
from vitrm.runs.state import Failure, State
from vitrm.runs.strays import stray

if TYPE_CHECKING:  # torch takes seconds to import, and whoever only reads JSON should not wait for it
    import torch

    from vitrm.model import ViTRM
    from vitrm.nets.base import OneStep


def create_run(path: str | Path, config: Config, command: str, device: torch.device | str) -> Run:
    """A new run folder with its configuration and origin written, locked for this process.

    Raises RunError if the folder already holds a run, OSError if it cannot be written.
    """
    run = Run(Path(path))
    if run.has_config:
        way = f"continue it with --resume {run.path} or "
        if run.is_complete:
            way = "it is complete; "
        elif not run.resumable and not run.is_running:
            way = "it ended before anything was saved, so remove the folder or "
        raise RunError(f"'{run.path}' already holds a run; {way}choose another --name")
    run.acquire()
    run.set_status(State.STARTING)
    try:
        replace_text(run.path / STARTED, json.dumps({"command": command} | provenance(device), indent=2))
        replace_text(run.path / CONFIG, json.dumps(config.to_dict(), indent=2))
    except OSError as error:
        run.set_status(State.FAILED, str(error), Failure.SYSTEM)
        run.release()
        raise
    run.set_status(State.RUNNING)  # last: whoever sees it running can read what it trains
    return run


def find_run(name: str | Path) -> Run:
    """A run by folder, or by name: the user's runs, the bundled checkpoints. Raises RunError listing all names."""
    if (Path(name) / CONFIG).is_file():
        return Run(Path(name))
    for path in (home() / "runs" / name, ROOT / "checkpoints" / name):
        if (path / CONFIG).is_file() and _is_own(Run(path)):
            return Run(path)
    known = ", ".join(run.name for run in list_runs()) or "none"
    raise RunError(f"no run or checkpoint '{name}'; there are: {known}")


def list_runs(runs_folder: str | Path | None = None) -> list[Run]:
    """All bundled checkpoints, then all runs (default: the user's), each by name.

    Folders that are hidden, or hold links, are left out.
    """
    folders = [ROOT / "checkpoints", Path(runs_folder or home() / "runs")]
    found = (Run(file.parent) for folder in folders for file in sorted(folder.glob(f"*/{CONFIG}")))
    return [run for run in found if _is_own(run)]


def _is_own(run: Run) -> bool:
    """Whether a folder among the runs is one, and does not lead elsewhere."""
    return not (run.name.startswith(".") or run.path.is_symlink() or stray(run.path))


def build(preset: str, num_classes: int | None = None, **overrides: Any) -> ViTRM | OneStep:
    """An untrained model of a preset; overrides are fields of its model, as in `build("paper", dropout=0.0)`.

    Raises ConfigError for an unknown preset or field, or a value that makes no model.
    """
    from vitrm.families import equip, make_model

    if num_classes is not None:
        overrides["num_classes"] = num_classes
    config = find_preset(preset).with_fields({f"model.{name}": value for name, value in overrides.items()})
    return equip(make_model(config.model), Config(model=config.model))


def load(name: str | Path, device: torch.device | str = "cpu") -> ViTRM | OneStep:
    """A trained model by checkpoint name or run folder, in evaluation mode, with `.class_names` and `.transform`."""
    return find_run(name).load_model(device)
