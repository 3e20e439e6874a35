"""`vitrm download`: fetch a data set now, to train on it later without a network."""

from __future__ import annotations

import argparse

from vitrm.cli.arguments import add_data_root, no_settings
from vitrm.config.data import ALIASES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The data set, and where to."""
    parser.add_argument("data", choices=("cifar10", "cifar100", "fashion", "fashion_mnist"))
    add_data_root(parser)


def execute(arguments: argparse.Namespace, settings: dict[str, str]) -> int:
    """Download it, unless it is there."""
    from vitrm.data.sources import load_dataset

    no_settings(settings, "download takes no settings")
    grey = ALIASES.get(arguments.data, arguments.data) == "fashion"
    dataset = load_dataset(arguments.data, 28 if grey else 32, 1 if grey else 3, root=arguments.data_root)
    print(f"{arguments.data} is in '{arguments.data_root}': {len(dataset.train) + len(dataset.val):,} training images")
    return 0
