"""What a command works on: a device and data."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from vitrm.config import Config

if TYPE_CHECKING:
    from vitrm.data.dataset import Dataset


def find_device(arguments: argparse.Namespace) -> str:
    """The device to use; also sets the number of CPU threads. Raises ConfigError if it is not there."""
    import torch

    from vitrm.training import device

    torch.set_num_threads(arguments.threads)
    return device.find_device(arguments.device)


def load_data(config: Config, root: str) -> Dataset:
    """What a configuration is trained on. Says what takes long, and what could not be read. Raises DataError."""
    from vitrm.training.fit import read_data

    dataset = read_data(config, root, say=lambda line: print(line, file=sys.stderr, flush=True))
    if dataset.skipped:
        print(f"{len(dataset.skipped)} unreadable images skipped:", file=sys.stderr)
        for line in dataset.skipped[:20]:
            print(f"  {line}", file=sys.stderr)
        if len(dataset.skipped) > 20:
            print(f"  and {len(dataset.skipped) - 20} more", file=sys.stderr)
    return dataset
