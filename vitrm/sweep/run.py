"""Grids of trainings: the paper's tables and its ablation. Every cell is a run folder of its own, trained by a process
of its own, so that one that fails (out of memory, say) takes no other with it; what is complete is never trained again.

    RUNS/NAME/sweep.json        what the grid is: a folder holds one grid
    RUNS/NAME/CELL-seed0/       a run folder; CELL-seed0.log beside it is what its training said
    RUNS/NAME/table.csv, .md    the results, rewritten whenever a cell has ended; `read_table` reads the former
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import queue
import shutil
import statistics
import subprocess
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from vitrm.config import AnyModelConfig, Config, preset
from vitrm.errors import ConfigError, RunError
from vitrm.nets.cost import all_at_once, multiply_adds
from vitrm.process import ROOT, start_vitrm
from vitrm.runs.folder import Run

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

    def run(self, cell: Cell) -> Run:
        return Run(self.folder / cell.name)

    def is_done(self, cell: Cell) -> bool:
        """Whether a cell is trained, and measured where there is more to measure than its training does."""
        run = self.run(cell)
        return run.is_complete and not (self.kind == "glimpses" and _glimpses(run) and run.report("glimpses") is None)

    def command(self, cell: Cell, device: str) -> list[str]:
        """The `vitrm` command that trains a cell, goes on with it, or measures what has been trained."""
        run, where = self.run(cell), ["--device", device, "--threads", str(self.threads), "--data-root", self.data_root]
        if run.is_complete:
            return ["evaluate", str(run.path), "--policies", "--save", *where]
        if run.resumable:
            return ["train", "--resume", str(run.path), *where]
        words = ["train", cell.preset, "--runs", str(self.folder), "--name", cell.name, *where]
        words += ["--data", self.data] if self.data else []
        words += ["--budget-minutes", f"{self.minutes_per_cell:g}"] if self.minutes_per_cell else []
        settings = cell.settings | {"train.seed": str(cell.seed)}
        return words + [word for name, value in settings.items() for word in (f"--{name}", value)]


def grid(
    kind: Kind,
    presets: Sequence[str] = (),
    seeds: Sequence[int] = (0,),
    settings: dict[str, str] | None = None,
    *,
    batch_sizes: Sequence[int] = BATCH_SIZES,
    memory_steps: Sequence[int] = MEMORY_STEPS,
    supervision_steps: Sequence[int] = SUPERVISION_STEPS,
    recursion_depths: Sequence[int] = RECURSION_DEPTHS,
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

    Raises ConfigError for a preset or setting that does not exist, or a cell that makes no model.
    """
    settings = settings or {}
    usual = {
        "batch-size": PAPER_MODELS,
        "ablation": ("paper",),
        "models": (*PAPER_MODELS, *CONTROLS),
        "glimpses": ("tiny",),
        "mixture": MIXTURE_MODELS,
    }[kind]
    names = tuple(presets) or usual
    cells = []
    for seed in seeds:
        for name in names:
            if kind == "models":
                cells.append(Cell(name, "", name, seed, settings))
            elif kind == "batch-size":
                for size in batch_sizes:
                    cells.append(Cell(name, f"batch {size}", name, seed, settings | {"train.batch_size": str(size)}))
            elif kind == "glimpses":
                cells += [
                    Cell(name, column, name, seed, settings | changes) for column, changes in _both(name, settings)
                ]
            elif kind == "mixture":
                cells += [
                    Cell(row, column, name, seed, settings | how)
                    for row, column, how in _mixtures(name, settings, recursion_depths)
                ]
            else:
                several = f"{name}, " if len(names) > 1 else ""
                for m in memory_steps:
                    for n in supervision_steps:
                        steps = {"model.memory_steps": str(m), "model.supervision_steps": str(n)}
                        cells.append(Cell(f"{several}M = {m}", f"N = {n}", name, seed, settings | steps))
    for cell in cells:
        preset(cell.preset).with_fields(cell.settings)
    return tuple(cells)


def _both(name: str, settings: dict[str, str]) -> list[tuple[str, dict[str, str]]]:
    """A preset with glimpses, and its control that sees everything at once: what each is called, and its settings."""
    model = preset(name).with_fields(settings).model
    if getattr(model, "glimpse_patches", None) is None:
        raise ConfigError(f"'{name}' has no glimpses to compare with; choose tiny, or give --model.glimpse_patches")
    whole = all_at_once(model)
    changes = {
        "model.glimpse_patches": "none",
        "model.memory_steps": str(whole.memory_steps),
        "model.supervision_steps": str(whole.supervision_steps),
    }
    return [
        (f"glimpses of {model.glimpse_patches} patches, N = {model.supervision_steps}, M = {model.memory_steps}", {}),
        (f"all at once, N = {whole.supervision_steps}, M = {whole.memory_steps}", changes),
    ]


def _mixtures(
    name: str, settings: dict[str, str], recursion_depths: Sequence[int]
) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Row, column and settings of each way to read out a preset: with and without a soft mixture, if it has steps."""
    model = preset(name).with_fields(settings).model
    if model.family == "sr-vit":
        for depth in recursion_depths:
            for column, mixture in MIXTURES.items():
                if depth > 1 or column == LAST:
                    how = {"model.recursion_depth": str(depth), "model.mixture": mixture}
                    yield f"{name}, R = {depth}", column, how
    elif model.supervision_steps > 1:
        for column, readout in READOUTS.items():
            yield name, column, {"model.readout": readout}
    else:
        yield name, LAST, {}


def prepare(sweep: Sweep) -> None:
    """Make the folder, or find it with the same grid in it. Raises RunError if it holds another one."""
    asked = {
        "kind": sweep.kind,
        "data": sweep.data,
        "budget_minutes": sweep.budget_minutes,
        "cells": {cell.name: {"preset": cell.preset, "settings": cell.settings} for cell in sweep.cells},
    }
    file = sweep.folder / "sweep.json"
    if file.exists():
        try:
            there = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise RunError(f"'{file}' is damaged ({error}); choose another --name") from None
        if there != asked:
            odd = next(name for name in asked if there.get(name) != asked[name])
            raise RunError(f"'{sweep.folder}' holds another sweep (its {odd} differs); choose another --name")
        return
    sweep.folder.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(asked, indent=2) + "\n", encoding="utf-8")


def run(
    sweep: Sweep, launch: Callable[[list[str], Path], int] | None = None, report: Callable[[str], object] = print
) -> bool:
    """Train what is not complete yet, as many cells at a time as there are devices; whether all are complete then.

    `launch` runs a `vitrm` command with its output in a file and returns the exit status; by default in a process of
    its own. KeyboardInterrupt ends the trainings after the batch in progress; the next call goes on with them.
    """
    prepare(sweep)
    children = _Children()
    launch = launch or children.launch
    todo = [cell for cell in sweep.cells if not sweep.is_done(cell)]
    if len(todo) < len(sweep.cells):
        report(f"{len(sweep.cells) - len(todo)} of {len(sweep.cells)} cells are complete already")
    devices: queue.Queue[str] = queue.Queue()
    for device in sweep.devices:
        devices.put(device)

    def train(cell: Cell) -> str:
        device = devices.get()
        try:
            return _train(sweep, cell, device, launch)
        finally:
            devices.put(device)

    pool = ThreadPoolExecutor(len(sweep.devices))
    waiting = {pool.submit(train, cell) for cell in todo}
    try:
        while waiting:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for each in done:
                report(each.result())
            write_table(sweep)
    except BaseException:
        children.stop()
        pool.shutdown(cancel_futures=True)
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        write_table(sweep)
    return all(map(sweep.is_done, sweep.cells))


def _train(sweep: Sweep, cell: Cell, device: str, launch: Callable[[list[str], Path], int]) -> str:
    """Train one cell; what became of it, in a line."""
    run = sweep.run(cell)
    what = f"{cell.row}{', ' if cell.column else ''}{cell.column}, seed {cell.seed}"
    if run.is_running:
        return f"{what}: another process is training it; left alone"
    if run.path.exists() and not run.resumable and not run.is_complete:
        shutil.rmtree(run.path)  # it ended before its first state was saved
    status = launch(sweep.command(cell, device), sweep.folder / f"{cell.name}.log")
    if run.is_complete and not sweep.is_done(cell):
        launch(sweep.command(cell, device), sweep.folder / f"{cell.name}.log")
    summary = run.summary()
    if summary is None:
        return f"{what}: {_failure(sweep, cell) or f'ended with status {status}'}"
    return f"{what}: {100 * _accuracy(run.config(), summary):.2f} % test, {summary['seconds'] / 60:.1f} min on {device}"


class _Children:
    """The processes that train at the moment."""

    def __init__(self) -> None:
        self.running: set[subprocess.Popen] = set()
        self.stopping = False

    def launch(self, words: list[str], log: Path) -> int:
        if self.stopping:
            return 130
        with open(log, "ab") as out:  # a session of its own: a Ctrl-C reaches it once, through `stop`
            child = start_vitrm(words, stdout=out, stderr=out, start_new_session=True)
        self.running.add(child)
        try:
            return child.wait()
        finally:
            self.running.discard(child)

    def stop(self) -> None:
        self.stopping = True
        for child in list(self.running):
            with contextlib.suppress(ProcessLookupError):
                child.terminate()


# The table


def _accuracy(config: Config, summary: dict[str, Any]) -> float:
    """Test accuracy after the supervision steps it was trained with."""
    return summary["test"]["accuracy"][config.model.supervision_steps - 1]


def _failure(sweep: Sweep, cell: Cell) -> str | None:
    """Why a cell has no result: failed, with the cause; None if it has not been trained, or not to its end."""
    run = sweep.run(cell)
    status = run.status()
    if status["status"] == "failed":
        return f"failed: {status['cause']}"
    log = sweep.folder / f"{cell.name}.log"
    if not run.path.exists() and log.exists():  # refused before there was a run
        lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
        return f"failed: {lines[-1].removeprefix('vitrm: ')}" if lines else None
    return None


def rows(sweep: Sweep) -> Iterator[dict[str, Any]]:
    """One entry for each row and column of the grid, over its seeds; accuracies in percent."""
    places = dict.fromkeys((cell.row, cell.column) for cell in sweep.cells)
    for row, column in places:
        cells = [cell for cell in sweep.cells if (cell.row, cell.column) == (row, column)]
        runs = [sweep.run(cell) for cell in cells]
        done = [(run.config(), run.summary()) for run in runs if run.is_complete]
        values = [100 * _accuracy(config, summary) for config, summary in done]
        failures = [why for cell in cells if (why := _failure(sweep, cell))]
        config, summary = done[0] if done else (None, None)
        steps = zip(*(summary["test"]["accuracy"] for _, summary in done), strict=True)
        entry = {
            "row": row,
            "column": column,
            "test accuracy, %": round(statistics.mean(values), 3) if values else None,
            "spread (standard deviation)": round(statistics.stdev(values), 3) if len(values) > 1 else None,
            "seeds done": len(values),
            "seeds asked for": len(cells),
            "each seed, %": " ".join(f"{value:.2f}" for value in values),
            "seeds": " ".join(str(config.train.seed) for config, _ in done),
            "after each step, %": " ".join(f"{100 * statistics.mean(step):.2f}" for step in steps),
            "parameters": summary and summary["parameters"],
            "multiply-adds": config and multiply_adds(config.model),
            "epochs": " ".join(str(summary["epochs"]) for _, summary in done),
            "images an epoch": config and (config.train.epoch_images or summary["split_sizes"]["train"]),
            "hours": round(sum(summary["seconds"] for _, summary in done) / 3600, 4) if done else None,
            "hardware": " / ".join(sorted({summary["hardware"] for _, summary in done})),
            "commit": " / ".join(sorted({summary["commit"] for _, summary in done})),
            "failure": "; ".join(failures),
            "data": config and config.data.title,
            "test images": summary and summary["split_sizes"]["test"],
            "weights of": "",
            "minutes for each": sweep.minutes_per_cell,
            "model": config and json.dumps(config.to_dict()["model"]),
        }
        yield entry
        if sweep.kind == "glimpses":
            yield from _other_orders(entry, [run for run in runs if run.is_complete])


def _glimpses(run: Run) -> bool:
    return getattr(run.config().model, "glimpse_patches", None) is not None


def _other_orders(entry: dict[str, Any], runs: list[Run]) -> Iterator[dict[str, Any]]:
    """The same trained weights, their glimpses chosen otherwise: what `evaluate --policies` has measured of each."""
    reports = [report for run in runs if (report := run.report("glimpses"))]
    names = {"fixed": "centre outwards", "learned": "memory's attention"}
    for policy, name in names.items() if reports else ():
        scores = [report.policies[policy] for report in reports]
        steps = [[100 * each.mean for each in score.accuracy] for score in scores]
        values = [each[-1] for each in steps]
        yield entry | {
            "column": f"{entry['column']}: {name}",
            "test accuracy, %": round(statistics.mean(values), 3),
            "spread (standard deviation)": round(statistics.stdev(values), 3) if len(values) > 1 else None,
            "seeds done": len(values),
            "each seed, %": " ".join(f"{value:.2f}" for value in values),
            "after each step, %": " ".join(f"{statistics.mean(step):.2f}" for step in zip(*steps, strict=True)),
            "multiply-adds": scores[0].multiply_adds[-1],
            "hours": 0.0,
            "weights of": entry["column"],
        }


def against_first(found: Sequence[dict[str, Any]]) -> list[str]:
    """How each column of a one-row table differs from the first, paired over the training seeds, in words.

    The interval is Student's t over the differences: with few seeds it is wide, and says so by its width.
    """
    from scipy.stats import t

    first, *others = [(entry["column"], [float(v) for v in entry["each seed, %"].split()]) for entry in found]
    said = []
    for name, values in others:
        if len(values) != len(first[1]) or len(values) < 2:
            continue
        gaps = [one - other for one, other in zip(values, first[1], strict=True)]
        mean = statistics.mean(gaps)
        half = float(t.ppf(0.975, len(gaps) - 1)) * statistics.stdev(gaps) / len(gaps) ** 0.5
        judged = "no clear difference" if mean - half <= 0 <= mean + half else "better" if mean > 0 else "worse"
        said.append(
            f"{name} against {first[0]}: {mean:+.2f} points (95 % interval {mean - half:+.2f} to {mean + half:+.2f}, "
            f"paired over {len(gaps)} training seeds): {judged}."
        )
    return said


def write_table(sweep: Sweep) -> None:
    """Replace table.csv and table.md by what is known now."""
    found = list(rows(sweep))
    text = io.StringIO()
    writer = csv.DictWriter(text, list(found[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(found)
    (sweep.folder / "table.csv").write_text(text.getvalue(), encoding="utf-8")
    (sweep.folder / "table.md").write_text(markdown(sweep, found), encoding="utf-8")


@dataclass(frozen=True)
class Result:
    """What a table says of one cell of its grid, over the seeds that were trained. Accuracies in percent, on test."""

    row: str
    column: str
    accuracy: float  # mean over seeds, after the steps it was trained with
    spread: float | None  # standard deviation over seeds; None for one seed
    seeds: tuple[int, ...]
    accuracy_by_step: tuple[float, ...]  # mean over seeds, with steps beyond the trained ones; () where not noted down
    parameters: int
    data: str
    test_images: int
    minutes: float | None  # what each training was given; None: all it wanted
    epochs: str
    epoch_images: int
    hardware: str
    commit: str
    model: AnyModelConfig


def list_tables(runs_folder: str | Path = "runs") -> dict[str, Path]:
    """The tables that belong to the project, then those of the sweeps in a folder of runs, by name."""
    theirs = {file.parent.name: file for file in sorted(Path(runs_folder).glob("*/table.csv"))}
    return theirs | {file.stem: file for file in sorted((ROOT / "results").glob("*.csv"))}


def read_table(file: str | Path) -> list[Result]:
    """The cells of a table.csv that have a result. Raises RunError for what is no such table, or an earlier form."""
    try:
        with open(file, encoding="utf-8", newline="") as content:
            found = [row for row in csv.DictReader(content) if row["test accuracy, %"]]
        return [_result(row) for row in found if not row.get("weights of")]  # or they are the same trainings again
    except KeyError as error:
        raise RunError(f"'{file}' has no column {error}; run its sweep again, which rewrites the table") from None
    except (ValueError, TypeError, OSError, ConfigError, csv.Error) as error:
        raise RunError(f"'{file}' is no table of a sweep, or damaged ({error})") from None


def _result(row: dict[str, str]) -> Result:
    model = json.loads(row["model"])
    return Result(
        row=row["row"],
        column=row["column"],
        accuracy=float(row["test accuracy, %"]),
        spread=float(row["spread (standard deviation)"]) if row["spread (standard deviation)"] else None,
        seeds=tuple(map(int, row["seeds"].split())),
        accuracy_by_step=tuple(map(float, row["after each step, %"].split())),
        parameters=int(row["parameters"]),
        data=row["data"],
        test_images=int(row["test images"]),
        minutes=float(row["minutes for each"]) if row["minutes for each"] else None,
        epochs=row["epochs"],
        epoch_images=int(row["images an epoch"]),
        hardware=row["hardware"],
        commit=row["commit"],
        model=Config.from_dict({"model": model}).model,
    )


_TITLES = {
    "batch-size": "Accuracy by batch size",
    "ablation": "Ablation of M and N",
    "models": "Models compared",
    "glimpses": "Glimpses against seeing everything at once",
    "mixture": "Recursion with and without the soft mixture",
}


def markdown(sweep: Sweep, found: list[dict[str, Any]]) -> str:
    """The table for a reader."""
    finished = next((run for cell in sweep.cells if (run := sweep.run(cell)).is_complete), None)
    lines = [f"# {_TITLES[sweep.kind]}", ""]
    if sweep.budget_minutes:
        lines += [
            f"**Scaled down:** every cell was given {sweep.minutes_per_cell:.1f} minutes (its start, validation and "
            "test included) instead of the full recipe: it was shortened to what was estimated to fit when it began, "
            "and the hours below say what the training took. It compares what can be had in that time on this "
            "hardware; it says nothing about the full training and must not be set beside the paper's numbers.",
            "",
        ]
    if finished is not None:
        config, summary = finished.config(), finished.summary()
        sizes = {name: f"{count:,}" for name, count in summary["split_sizes"].items()}
        lines += [
            f"{config.data.title}, test split, n = {sizes['test']}; {sizes['train']} training and {sizes['val']} "
            "validation images. Weights were chosen on validation, test was used once for each cell. Test accuracy in "
            "percent, mean ± standard deviation over seeds, after all supervision steps the model was trained with; no "
            "halting.",
            "",
        ]
    columns = list(dict.fromkeys(entry["column"] for entry in found))
    cells = {(entry["row"], entry["column"]): entry for entry in found}
    lines.append("| | " + " | ".join(column or "test accuracy, %" for column in columns) + " |")
    lines.append("|" + " --- |" * (len(columns) + 1))
    for row in dict.fromkeys(entry["row"] for entry in found):
        lines.append(f"| {row} | " + " | ".join(_shown(cells.get((row, column))) for column in columns) + " |")
    lines += ["", "| cell | parameters | multiply-adds an image | epochs | images an epoch | hours |"]
    lines.append("|" + " --- |" * 6)
    for entry in found:
        if entry["seeds done"]:
            work = f"{entry['multiply-adds'] / 1e6:,.1f} M"
            lines.append(
                f"| {_label(entry)} | {entry['parameters']:,} | {work} | {entry['epochs']} | "
                f"{entry['images an epoch']:,} | {entry['hours']:.2f} |"
            )
    if sweep.kind == "glimpses":
        lines += ["", "Glimpses are random draws (glimpse seed 0) where nothing else is said.", *_after_steps(found)]
        for row in dict.fromkeys(entry["row"] for entry in found):
            lines += ["", *(f"- {line}" for line in against_first([e for e in found if e["row"] == row]))]
    found = [entry for entry in found if not entry["weights of"]]
    done, asked = (sum(entry[key] for entry in found) for key in ("seeds done", "seeds asked for"))
    hours = sum(entry["hours"] or 0 for entry in found)
    hardware, commits = (sorted({e[key] for e in found if e[key]}) for key in ("hardware", "commit"))
    lines += ["", f"{done} of {asked} trainings are complete, {hours:.2f} hours of training together."]
    if hardware:
        lines.append(f"Hardware: {'; '.join(hardware)}. Commit: {'; '.join(commits)}.")
    lines += [f"- {_label(entry)}: {entry['failure']}" for entry in found if entry["failure"]]
    return "\n".join(lines) + "\n"


def _after_steps(found: Sequence[dict[str, Any]]) -> list[str]:
    """A table of the accuracy after each supervision step, those beyond the trained ones included."""
    steps = [entry["after each step, %"].split() for entry in found]
    longest = max(map(len, steps))
    lines = ["", "| test accuracy after step, % | " + " | ".join(str(n + 1) for n in range(longest)) + " |"]
    lines.append("|" + " --- |" * (longest + 1))
    for entry, values in zip(found, steps, strict=True):
        lines.append(f"| {_label(entry)} | " + " | ".join(values + ["–"] * (longest - len(values))) + " |")
    return lines


def _label(entry: dict[str, Any]) -> str:
    return f"{entry['row']} {entry['column']}".strip()


def _shown(entry: dict[str, Any] | None) -> str:
    if entry is None or entry["test accuracy, %"] is None:
        return "failed" if entry and entry["failure"] else "–"
    spread, count = entry["spread (standard deviation)"], entry["seeds done"]
    return f"{entry['test accuracy, %']:.2f}" + (
        " (one seed)" if spread is None else f" ± {spread:.2f} ({count} seeds)"
    )
