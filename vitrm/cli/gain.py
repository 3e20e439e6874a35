"""`vitrm gain`: what a class gained between the same questions before and after."""

from __future__ import annotations

import argparse
from pathlib import Path

from vitrm.cli.arguments import no_settings
from vitrm.gain import read_gain


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The table."""
    parser.add_argument("file", type=Path, help="the table that a class saves (CSV), or one of paper tests like it")


def execute(arguments: argparse.Namespace, settings: dict[str, str]) -> int:
    """Print the shares, the normalised gain and its interval."""
    no_settings(settings, "gain takes no settings")
    print("\n".join(read_gain(arguments.file).lines()))
    return 0
