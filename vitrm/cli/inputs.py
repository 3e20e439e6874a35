"""What a command works on: a device and data."""

from __future__ import annotations

import argparse
import sys

from vitrm.config import Config
from vitrm.errors import ConfigError


def find_device(arguments: argparse.Namespace) -> str:
    """The device to use; also sets the number of CPU threads. Raises ConfigError if it is not there."""
    import torch

    torch.set_num_threads(arguments.threads)
    here = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if arguments.device == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if here[name])
    try:
        torch.empty(1, device=arguments.device)
    except (RuntimeError, AssertionError):  # no such device, not built for it, or not so many of it
        usable = ", ".join(name for name, found in here.items() if found)
        raise ConfigError(f"device '{arguments.device}' is not available here; usable: {usable}") from None
    if arguments.device.startswith("cuda:"):
        torch.cuda.set_device(arguments.device)  # streams and events belong to the current one
    return arguments.device


def load_data(config: Config, root: str):
    from vitrm.data.dataset import load_dataset

    model, data = config.model, config.data
    dataset = load_dataset(
        data.source,
        model.image_size,
        model.channels,
        val_fraction=data.val_fraction,
        split_seed=data.split_seed,
        train_images=data.train_images,
        root=root,
        memory_gb=data.memory_gb,
        say=lambda line: print(line, file=sys.stderr, flush=True),
    )
    if dataset.skipped:
        print(f"{len(dataset.skipped)} unreadable images skipped:", file=sys.stderr)
        for line in dataset.skipped[:20]:
            print(f"  {line}", file=sys.stderr)
        if len(dataset.skipped) > 20:
            print(f"  and {len(dataset.skipped) - 20} more", file=sys.stderr)
    return dataset
