"""Settings that describe themselves, read strictly: an unknown key or a value of the wrong type is an error.

So a typo never trains the wrong model, and a damaged file ends in a sentence. Nothing here knows any setting.
"""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from dataclasses import field, fields
from functools import cache
from typing import Any, Literal

from vitrm.errors import ConfigError


def setting(default: Any, label: str, sentence: str, **published: Any) -> Any:
    """A field of a configuration, with the words that describe it wherever somebody sets it, as its metadata.

    `label` is its name for people, `sentence` what it means. `published` holds its values in ViTRM's publication:
    `paper=` where the paper says it or its published configuration has it, `code=` where only the authors' code does;
    neither for a setting that is this project's own.
    """
    assert published.keys() <= {"paper", "code"}, published
    return field(default=default, metadata={"label": label, "sentence": sentence, "published": published})


def check(condition: bool, message: str) -> None:
    """Raises ConfigError with the message unless the condition holds."""
    if not condition:
        raise ConfigError(message)


def nearest(name: str, valid: list[str]) -> str:
    """The end of a sentence about a name that does not exist: the one that was probably meant, or all there are."""
    near = difflib.get_close_matches(name, valid, n=1, cutoff=0.5)
    return f"; did you mean '{near[0]}'?" if near else f"; expected one of: {', '.join(valid)}"


def read(cls: type, values: Any, where: str) -> Any:
    """The dataclass `cls` from plain JSON values, field by field; `where` names it in a ConfigError."""
    if not isinstance(values, dict):
        raise ConfigError(f"{where} is {type(values).__name__}, expected an object with named fields")
    hints = hints_of(cls)
    for key in values:
        if key not in hints:
            raise ConfigError(f"unknown key '{key}' in {where}{nearest(key, list(hints))}")
    return cls(**{key: coerce(value, hints[key], f"{where}.{key}") for key, value in values.items()})


@cache  # they are looked up at every reading, and take milliseconds
def hints_of(cls: type) -> dict[str, Any]:
    """The annotated type of each field."""
    hints = typing.get_type_hints(cls)
    return {each.name: hints[each.name] for each in fields(cls)}


def _read_one_of(kinds: tuple[type, ...], values: Any, where: str) -> Any:
    """A dataclass of whichever of `kinds` has the `family` that `values` names; the first where it names none."""
    named = {kind.family: kind for kind in kinds}
    name = values.get("family", kinds[0].family) if isinstance(values, dict) else kinds[0].family
    if name not in list(named):  # a list: whatever JSON holds can be looked for in it
        raise ConfigError(f"unknown {where}.family '{name}'{nearest(str(name), list(named))}")
    return read(named[name], values, where)


def coerce(value: Any, hint: Any, name: str) -> Any:
    """`value` as the annotated type `hint`, or a ConfigError that says what was expected."""
    wrong = ConfigError(f"{name}={value!r}: expected {describe(hint)}")
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if args and all(map(dataclasses.is_dataclass, args)):
        return _read_one_of(args, value, name)
    if dataclasses.is_dataclass(hint):
        return read(hint, value, name)
    if origin is types.UnionType:  # only "X | None" is used here
        if value is None or (isinstance(value, str) and value.lower() in ("none", "null")):
            return None
        return coerce(value, args[0], name)
    if hint is bool or (origin is Literal and bool in map(type, args)):
        truth = _TRUTH.get(value.lower()) if isinstance(value, str) else value
        if isinstance(truth, bool):
            return truth
    if origin is Literal:
        found = [choice for choice in args if value == choice or value == str(choice)]
        if found and not isinstance(value, bool) and not isinstance(found[0], bool):  # 1 is not True in a file
            return found[0]
        raise wrong
    if origin is tuple:
        items = value.split(",") if isinstance(value, str) else value
        if not isinstance(items, list | tuple) or (args[-1] is not Ellipsis and len(items) != len(args)):
            raise wrong
        return tuple(coerce(item, args[0], name) for item in items)
    if hint is bool or isinstance(value, bool) or not isinstance(value, str | int | float):
        raise wrong
    try:
        number = hint(value)
    except (ValueError, OverflowError):
        raise wrong from None
    if hint is int and not isinstance(value, str) and number != value:
        raise wrong
    return number


_TRUTH = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}


def describe(hint: Any) -> str:
    args = typing.get_args(hint)
    if typing.get_origin(hint) is Literal:
        return "one of " + ", ".join(repr(a).lower() if isinstance(a, bool) else repr(a) for a in args)
    if typing.get_origin(hint) is tuple:
        return "a list" if args[-1] is Ellipsis else f"{len(args)} values"
    if typing.get_origin(hint) is types.UnionType:
        return f"{describe(args[0])} or null"
    return {int: "a whole number", float: "a number", bool: "true or false", str: "text"}.get(hint, str(hint))
