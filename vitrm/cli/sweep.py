"""`vitrm sweep`: train a grid and write one table."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path

from vitrm.cli.arguments import a_name, add_data_root, check_source, minutes, positive
from vitrm.config import SOURCES
from vitrm.places import home


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The grid, and how it is trained."""
    parser.epilog = "Settings like --train.epochs 100 apply to every cell."
    parser.add_argument("kind", choices=("batch-size", "ablation", "models", "glimpses", "mixture"))
    parser.add_argument(
        "--presets", nargs="+", default=[], help="default: the paper's models, `paper` (ablation), `tiny` (glimpses)"
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--batch-sizes", nargs="+", type=positive, help="default: 64 128 256 512 1024")
    parser.add_argument("--memory-steps", nargs="+", type=positive, help="M; default: 1 2 3 6 12")
    parser.add_argument("--supervision-steps", nargs="+", type=positive, help="N; default: 1 2 4 8 16")
    parser.add_argument("--recursion-depths", nargs="+", type=positive, help="R; default: 1 2 4")
    parser.add_argument("--data", help=f"{SOURCES}; default: each preset's")
    parser.add_argument("--name", type=a_name, help="of the sweep's folder; default: sweep-KIND")
    parser.add_argument("--runs", default=str(home() / "runs"), help="where that folder goes (default: %(default)s)")
    parser.add_argument(
        "--devices", nargs="+", default=["auto"], help="one training at a time on each; auto: every GPU"
    )
    parser.add_argument("--threads", type=positive, help="CPU threads of each training; default: shared out evenly")
    parser.add_argument(
        "--budget-minutes", type=minutes, help="scale the grid down to this time, and say so in its table"
    )
    parser.add_argument("--results", help="also copy the table into this folder, as NAME.csv and NAME.md")
    add_data_root(parser)


def execute(arguments: argparse.Namespace, settings: dict[str, str]) -> int:
    """Train what is missing; the table is printed when all has been tried."""
    from vitrm.sweep.grid import grid
    from vitrm.sweep.run import train_cells
    from vitrm.sweep.sweep import Sweep

    check_source(arguments.data, settings)
    lists = ("batch_sizes", "memory_steps", "supervision_steps", "recursion_depths")
    given = {name: getattr(arguments, name) for name in lists}
    cells = grid(
        arguments.kind,
        arguments.presets,
        arguments.seeds,
        settings,
        **{name: values for name, values in given.items() if values},
    )
    devices = _devices(arguments.devices)
    name = arguments.name or f"sweep-{arguments.kind}"
    whole = Sweep(
        kind=arguments.kind,
        folder=Path(arguments.runs) / name,
        cells=cells,
        data=arguments.data,
        budget_minutes=arguments.budget_minutes,
        devices=devices,
        threads=arguments.threads or max(1, min(os.cpu_count() or 1, 8) // len(devices)),
        data_root=arguments.data_root,
    )
    print(f"{len(cells)} trainings on {', '.join(devices)}, into {whole.folder}; stop with Ctrl-C, repeat to continue")
    terminate = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        complete = train_cells(whole, report=lambda line: print(line, flush=True))
    except KeyboardInterrupt:
        print("stopped and saved; the same command continues")
        return 130
    finally:
        signal.signal(signal.SIGTERM, terminate)
        for suffix in ("csv", "md") if arguments.results else ():
            if (whole.folder / f"table.{suffix}").exists():
                Path(arguments.results).mkdir(parents=True, exist_ok=True)
                shutil.copyfile(whole.folder / f"table.{suffix}", Path(arguments.results) / f"{name}.{suffix}")
    print((whole.folder / "table.md").read_text(encoding="utf-8"))
    return 0 if complete else 1


def _devices(names: Sequence[str]) -> tuple[str, ...]:
    """The devices that a sweep works on: every GPU there is, for "auto". Raises ConfigError for one that is not."""
    import torch

    from vitrm.training.device import find_device

    if list(names) == ["auto"]:
        gpus = tuple(f"cuda:{i}" for i in range(torch.cuda.device_count()))
        return gpus or (find_device(),)
    return tuple(map(find_device, names))
