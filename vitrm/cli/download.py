"""`vitrm download`: fetch a data set now, to train on it later without a network."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from vitrm.cli.arguments import add_data_root, no_settings
from vitrm.config.data import ALIASES
from vitrm.data.fetching import KINDS, Fetched


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The data set, and where to."""
    parser.add_argument("data", choices=(*KINDS, *ALIASES))
    add_data_root(parser)


def execute(arguments: argparse.Namespace, settings: dict[str, str]) -> int:
    """Download it, unless it is there."""
    from vitrm.data.fetching import fetching
    from vitrm.data.sources import load_dataset

    no_settings(settings, "download takes no settings")
    _watch(fetching(arguments.data, Path(arguments.data_root), say=lambda line: print(line, file=sys.stderr)))
    grey = ALIASES.get(arguments.data, arguments.data) == "fashion"
    dataset = load_dataset(arguments.data, 28 if grey else 32, 1 if grey else 3, root=arguments.data_root)
    print(f"{arguments.data} is in '{arguments.data_root}': {len(dataset.train) + len(dataset.val):,} training images")
    return 0


def _watch(steps: Iterator[Fetched]) -> None:
    """A bar on a screen."""
    from tqdm import tqdm

    with tqdm(unit="B", unit_scale=True, disable=not sys.stderr.isatty(), dynamic_ncols=True) as bar:
        for step in steps:
            bar.total = step.total
            bar.update(step.done - bar.n)
