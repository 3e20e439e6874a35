"""`vitrm COMMAND ...`: the table of commands. Each is a module beside this one, imported only when it is called."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from vitrm.cli.arguments import split_settings
from vitrm.errors import ConfigError, VitrmError

# By name: what it does. Module `vitrm.cli.NAME` has `add_arguments(parser)` and `execute(arguments, settings)`.
COMMANDS = {
    "app": "the app, in a browser",
    "site": "the lessons on recorded traces, as pages that need no server",
    "train": "train a preset, or continue a run",
    "ask": "pause, continue or stop a training that another process is running",
    "evaluate": "accuracy and halting per supervision step, on held-out data",
    "finish": "end a stopped run as it is: test its best weights, write its model card",
    "download": "fetch a data set now, to train on it later without a network",
    "export": "turn a finished run into a checkpoint folder",
    "sweep": "train a grid and write one table; run it again to continue",
    "gain": "what a class learned between the same questions before and after, from its table",
    "bench": "speed of this code against the plain form, on this machine",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0, 1 for a message about the input, 130 for a stop by the user."""
    try:
        words, settings = split_settings(sys.argv[1:] if argv is None else argv)
        arguments, unknown = _parser(words[0] if words else "").parse_known_args(words)
        if unknown:
            hint = "settings look like --train.lr 1e-3, see vitrm train --help"
            raise ConfigError(f"unknown argument '{unknown[0]}'; {hint}")
        return arguments.execute(arguments, settings)
    except (VitrmError, OSError) as error:
        print(f"vitrm: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser(called: str) -> argparse.ArgumentParser:
    """A parser that knows all commands by name, and the arguments of the one that is called."""
    parser = argparse.ArgumentParser(prog="vitrm", description="The Vision Tiny Recursion Model.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, purpose in COMMANDS.items():
        command = commands.add_parser(name, help=purpose, description=f"{purpose[0].upper()}{purpose[1:]}.")
        if name == called:
            module = importlib.import_module(f"vitrm.cli.{name}")
            module.add_arguments(command)
            command.set_defaults(execute=module.execute)
    return parser


def entry() -> None:
    """The console script."""
    sys.exit(main())
