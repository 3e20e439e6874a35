"""Grids of trainings: the paper's tables and its ablation. Every cell is a run folder of its own, trained by a process
of its own, so that one that fails (out of memory, say) takes no other with it; what is complete is never trained again.

    RUNS/NAME/sweep.json        what the grid is: a folder holds one grid
    RUNS/NAME/CELL-seed0/       a run folder; CELL-seed0.log beside it is what its training said
    RUNS/NAME/table.csv, .md    the results, rewritten whenever a cell has ended; see `table`
"""

from __future__ import annotations

import contextlib
import json
import queue
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from pathlib import Path

from vitrm.errors import RunError
from vitrm.process import start_vitrm
from vitrm.runs.files import read_json, replace_text
from vitrm.sweep.grid import Cell
from vitrm.sweep.sweep import Sweep, accuracy
from vitrm.sweep.table import write_table


def prepare(sweep: Sweep) -> None:
    """Make the folder, or find it with the same grid in it. Raises RunError if it holds another one."""
    asked = {
        "kind": sweep.kind,
        "data": sweep.data,
        "budget_minutes": sweep.budget_minutes,
        "cells": {cell.name: {"preset": cell.preset, "settings": cell.settings} for cell in sweep.cells},
    }
    file = sweep.folder / "sweep.json"
    try:
        there = read_json(file)
    except RunError as error:
        raise RunError(f"{error}; choose another --name") from None
    if there is not None:
        if there != asked:
            odd = next(name for name in asked if there.get(name) != asked[name])
            raise RunError(f"'{sweep.folder}' holds another sweep (its {odd} differs); choose another --name")
        return
    sweep.folder.mkdir(parents=True, exist_ok=True)
    replace_text(file, json.dumps(asked, indent=2))


def train_cells(
    sweep: Sweep, launch: Callable[[list[str], Path], int] | None = None, report: Callable[[str], object] = print
) -> bool:
    """Train what is not complete yet, as many cells at a time as there are devices; whether all are complete then.

    `launch` runs a `vitrm` command with its output in a file and returns the exit status; by default in a process of
    its own. KeyboardInterrupt ends the trainings after the batch in progress; the next call goes on with them.
    """
    prepare(sweep)
    children = Children()
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
    run = sweep.run_of(cell)
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
        return f"{what}: {sweep.failure(cell) or f'ended with status {status}'}"
    return f"{what}: {100 * accuracy(run.config(), summary):.2f} % test, {summary.seconds / 60:.1f} min on {device}"


class Children:
    """The processes that train at the moment."""

    def __init__(self) -> None:
        self.running: set[subprocess.Popen] = set()
        self.stopping = False

    def launch(self, words: list[str], log: Path) -> int:
        """Run a `vitrm` command with its output in a file; returns its exit status."""
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
        """End them all, and start no more."""
        self.stopping = True
        for child in list(self.running):
            with contextlib.suppress(ProcessLookupError):
                child.terminate()
