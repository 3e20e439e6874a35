"""`vitrm site FOLDER`: the lessons as pages that need no server."""

from __future__ import annotations

import argparse
import runpy
import sys

from vitrm.cli.arguments import no_settings
from vitrm.places import ROOT


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where it is written."""
    parser.add_argument("folder", metavar="FOLDER", help="new, empty, or one that this command wrote before")


def execute(arguments: argparse.Namespace, settings: dict[str, str]) -> int:
    """Write it; like the app, the files that do so stand beside the pages and are run from there."""
    no_settings(settings, "site takes no settings")
    sys.argv = ["vitrm site", arguments.folder]
    runpy.run_path(str(ROOT / "app" / "web" / "__main__.py"), run_name="__main__")
    return 0
