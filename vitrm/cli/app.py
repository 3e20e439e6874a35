"""`vitrm app`: the app in a browser."""

from __future__ import annotations

import argparse
import runpy
import sys

from vitrm.cli.arguments import no_settings, positive
from vitrm.places import ROOT, home


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where it is served, and whether a browser is opened there."""
    parser.add_argument("--port", type=positive, default=8501, help="default: 8501")
    parser.add_argument("--host", help="the address to listen at; default: all of this machine's, for a class")
    parser.add_argument("--no-browser", action="store_true", help="open no browser")


def execute(arguments: argparse.Namespace, settings: dict[str, str]) -> int:
    """Serve it, with Streamlit in this process, until Ctrl-C."""
    no_settings(settings, "app takes no settings")
    home().mkdir(parents=True, exist_ok=True)
    print(f"Runs and data are kept in {home().resolve()} (elsewhere: set VITRM_HOME).", flush=True)
    sys.argv = ["streamlit", "run", str(ROOT / "app" / "Home.py"), *_flags(arguments)]
    runpy.run_module("streamlit", run_name="__main__")
    return 0


def _flags(arguments: argparse.Namespace) -> list[str]:
    flags = ["--server.port", str(arguments.port), "--server.headless", str(arguments.no_browser).lower()]
    flags += ["--server.showEmailPrompt", "false"]
    return flags + (["--server.address", arguments.host] if arguments.host else [])
