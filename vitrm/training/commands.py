"""The `vitrm train` command that trains a configuration, in words."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from vitrm.config import Config, as_command


def train_words(config: Config) -> list[str]:
    """What to type after `vitrm` to train this: the nearest preset, and the settings to change in it."""
    preset, changes = as_command(config)
    return ["train", preset, *_words(changes)]


def train_command(config: Config) -> str:
    """The same as a line."""
    return shlex.join(["vitrm", *train_words(config)])


def _words(changes: Mapping[str, Any]) -> list[str]:
    words = []
    for name, value in changes.items():
        text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        words += ["--data", text] if name == "data.source" else [f"--{name}={text}"]
    return words
