"""`vitrm ask`: pause, continue or stop a training that another process is running."""

from __future__ import annotations

import argparse

from vitrm.cli.arguments import no_settings
from vitrm.errors import RunError
from vitrm.runs.checkpoints import find_run
from vitrm.runs.folder import ORDERS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run, and what to do with it."""
    parser.add_argument("name")
    parser.add_argument("order", choices=ORDERS, help="step: one single update, then wait")


def execute(arguments: argparse.Namespace, settings: dict[str, str]) -> int:
    """Leave the order in the run folder, where the training finds it."""
    no_settings(settings, "ask takes no settings")
    asked = find_run(arguments.name)
    if not asked.is_running:
        raise RunError(f"no process is training into '{asked.path}'")
    asked.ask(arguments.order)
    return 0
