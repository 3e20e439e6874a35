"""The settings in words: for `vitrm train --help`, and for the form on the Train page and what it finds wrong."""

from __future__ import annotations

import re
import typing
from dataclasses import dataclass, fields
from typing import Any, Literal

from vitrm.config.comparisons import ResNetConfig, SRViTConfig, ViTConfig
from vitrm.config.data import DataConfig
from vitrm.config.models import ModelConfig
from vitrm.config.settings import Config
from vitrm.config.train import TrainConfig


@dataclass(frozen=True)
class Setting:
    """A field of the configuration in words: `name` is dotted, `hint` its type, the rest as in `settings.setting`."""

    name: str
    label: str
    sentence: str
    hint: Any
    published: dict[str, Any]
    of_vitrm: bool  # or else of other families only, which its publication has no say in

    @property
    def source(self) -> str:
        """What the paper and its authors' code have for it, in a sentence; "" for a setting of other models."""
        if not self.of_vitrm:
            return ""
        sources = {"paper": "paper", "code": "authors' code"}
        said = "; ".join(f"{sources[who]}: {shown(value)}" for who, value in self.published.items()) or "paper: none"
        return f"{said[0].upper()}{said[1:]}."


def _described() -> dict[str, Setting]:
    """The fields that have words, by dotted name; the others are decided by the data or by the preset."""
    found: dict[str, Setting] = {}
    for cls in (ModelConfig, SRViTConfig, ResNetConfig, ViTConfig, TrainConfig, DataConfig):
        section = {TrainConfig: "train", DataConfig: "data"}.get(cls, "model")
        hints = typing.get_type_hints(cls)
        for each in fields(cls):
            name = f"{section}.{each.name}"
            if each.metadata and name not in found:
                ours = cls in (ModelConfig, TrainConfig, DataConfig)
                found[name] = Setting(name, hint=hints[each.name], of_vitrm=ours, **each.metadata)
    return found


SETTINGS = _described()


def value(config: Config, name: str) -> Any:
    """The value of a dotted setting."""
    section, _, field = name.partition(".")
    return getattr(getattr(config, section), field)


def shown(value: Any) -> str:
    """A value as people read it."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "on" if value else "off"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def typed(hint: Any) -> str:
    """What may be typed for a setting of a type: `{swiglu,gelu}`, `N`, `X`."""
    args = typing.get_args(hint)
    if typing.get_origin(hint) is Literal:
        return f"{{{','.join(str(each).lower() if isinstance(each, bool) else str(each) for each in args)}}}"
    if type(None) in args:
        return f"{typed(args[0])}|none"
    if typing.get_origin(hint) is tuple:
        return ",".join(map(typed, args))
    return {int: "N", float: "X", bool: "{true,false}"}.get(hint, "TEXT")


def option(name: str) -> str:
    """How an argument of a command is typed: "data_root" as "--data-root"."""
    return f"--{name.replace('_', '-')}"


_NAMED = re.compile(r"\b((?:model|train|data)\.)?([a-z_]+)\b(=)?")


def in_words(message: str) -> str:
    """The message of a ConfigError with labels for the names of settings: "Width D = 65 is ..." for "dim=65 is ...".

    A name counts where its value follows or its section precedes it; any other word stays as it is.
    """

    def label(found: re.Match) -> str:
        name = _setting(found)
        if name is None:
            return found[0]
        return f"{SETTINGS[name].label} = " if found[3] else SETTINGS[name].label

    return _NAMED.sub(label, message)


def named(message: str) -> list[str]:
    """The dotted names of the settings that a message speaks of, in its order; what counts is as for `in_words`."""
    return list(dict.fromkeys(name for found in _NAMED.finditer(message) if (name := _setting(found))))


def _setting(found: re.Match) -> str | None:
    section, field, equals = found.groups()
    names = [f"{section}{field}"] if section else [f"{each}.{field}" for each in ("model", "train", "data")]
    return next((name for name in names if name in SETTINGS), None) if section or equals else None
