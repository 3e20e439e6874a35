"""`vitrm app`: the app in a browser."""

from __future__ import annotations

import argparse
import runpy
import sys
import tomllib
from collections.abc import Iterator
from typing import Any

from vitrm.cli.arguments import no_settings, port
from vitrm.places import ROOT, home


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where it is served, and whether a browser is opened there."""
    parser.add_argument("--port", type=port, default=8501, help="default: 8501")
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
    # Streamlit looks for these settings in the working folder, which is a clone's root but not a wheel's user's.
    with open(ROOT / ".streamlit" / "config.toml", "rb") as file:
        flags = [word for name, value in _flat(tomllib.load(file)) for word in (f"--{name}", value)]
    flags += ["--server.port", str(arguments.port), "--server.headless", str(arguments.no_browser).lower()]
    flags += ["--server.showEmailPrompt", "false"]
    return flags + (["--server.address", arguments.host] if arguments.host else [])


def _flat(settings: dict[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Every setting of nested tables by its dotted name, as one writes it on a command line."""
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", str(value).lower() if isinstance(value, bool) else str(value)
