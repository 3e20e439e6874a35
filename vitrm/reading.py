"""Stored values read strictly, as the types that the fields of a dataclass name: whoever has one can rely on it."""

from __future__ import annotations

import base64
import binascii
import math
import types
import typing
from collections.abc import Callable, Sized
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from typing import Annotated, Any, Literal, TypeVar

from vitrm.errors import RunError

T = TypeVar("T")
_ROUNDING = 1e-6  # a mean of shares may lie that much beyond 1


@dataclass(frozen=True)
class Between:
    """The smallest and the largest value of a number, as a part of its type."""

    low: float
    high: float


Share = Annotated[float, Between(0, 1)]
Gap = Annotated[float, Between(-1, 1)]  # of two shares
Count = Annotated[int, Between(0, 2**53)]
Positive = Annotated[int, Between(1, 2**53)]
Amount = Annotated[float, Between(1, 2**80)]  # mean steps, or multiply-adds
Seed = Annotated[int, Between(-(2**63), 2**64)]


def read(cls: type[T], values: Any, where: str = "") -> T:
    """A dataclass from plain JSON values: every field, of its type and within its range.

    Fields that the dataclass gives a default may be absent, and keys that it does not know are refused. Annotations may
    be dataclasses, tuples, dicts, `Literal`, `X | None`, str, int, float, bool, and bytes (base64 in JSON). Raises
    RunError that names the field by its path, as in `anytime[2].accuracy`.
    """
    if not isinstance(values, dict):
        raise RunError(f"{where or 'it'} is {_kind(values)}, expected named fields")
    path = f"{where}." if where else ""
    hints = _hints(cls)
    for key in values:
        if key not in hints:
            raise RunError(f"{path}{_short(key)} is not known; expected {', '.join(hints)}")
    needed = [each.name for each in fields(cls) if each.default is MISSING and each.default_factory is MISSING]
    for name in needed:
        if name not in values:
            raise RunError(f"{path}{name} is absent")
    return cls(**{key: _value(value, hints[key], f"{path}{key}") for key, value in values.items()})


def entries(count: int, **lists: Sized) -> None:
    """Raises RunError that names the first of some lists which has another number of entries."""
    for name, each in lists.items():
        if len(each) != count:
            raise RunError(f"{name} has {len(each)} entries, expected {count}")


def expect(condition: bool, message: str) -> None:
    """Raises RunError with that message if something does not hold."""
    if not condition:
        raise RunError(message)


@cache
def _hints(cls: type) -> dict[str, Any]:
    hints = typing.get_type_hints(cls, include_extras=True)
    return {each.name: hints[each.name] for each in fields(cls)}


def _value(value: Any, hint: Any, where: str) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return _within(_value(value, args[0], where), args[1], where)
    if origin is types.UnionType or origin is typing.Union:  # only "X | None" is used
        return None if value is None else _value(value, args[0], where)
    if origin is Literal:
        return value if isinstance(value, str) and value in args else _refuse(value, where, f"one of {', '.join(args)}")
    if origin is tuple:
        return _tuple(value, args, where)
    if origin is dict:
        return _dict(value, args, where)
    if is_dataclass(hint):
        return read(hint, value, where)
    return _PLAIN[hint](value, where)


def _tuple(value: Any, args: tuple[Any, ...], where: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        return _refuse(value, where, "a list")
    of = [args[0]] * len(value) if args[-1] is Ellipsis else list(args)
    if len(of) != len(value):
        raise RunError(f"{where} has {len(value)} entries, expected {len(of)}")
    return tuple(_value(item, hint, f"{where}[{k}]") for k, (item, hint) in enumerate(zip(value, of, strict=True)))


def _dict(value: Any, args: tuple[Any, ...], where: str) -> dict[Any, Any]:
    if not isinstance(value, dict):
        return _refuse(value, where, "named values")
    keys, of = args
    found = {}
    for name, each in value.items():
        if keys is int:  # JSON has no other keys than text
            key = (
                int(name)
                if name.isascii() and name.isdecimal() and len(name) < 16
                else _refuse(name, where, "a whole number")
            )
        else:
            key = _value(name, keys, where)
        found[key] = _value(each, of, f"{where}[{_short(name)}]")
    return found


def _within(value: Any, limits: Between, where: str) -> Any:
    if limits.low <= value <= limits.high:
        return value
    if isinstance(value, float) and limits.low - _ROUNDING <= value <= limits.high + _ROUNDING:
        return min(max(value, limits.low), limits.high)
    return _refuse(value, where, f"{limits.low:g} to {limits.high:g}")


def _whole(value: Any, where: str) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else _refuse(value, where, "a whole number")


def _number(value: Any, where: str) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if math.isfinite(number):
            return number
    return _refuse(value, where, "a finite number")


def _text(value: Any, where: str) -> str:
    if isinstance(value, str) and value == _printable(value):
        return value
    return _refuse(value, where, "text")


def _printable(text: str) -> str:
    """The same without halves of characters, which JSON can write and nobody can print."""
    return text.encode("utf-8", "replace").decode()


def _flag(value: Any, where: str) -> bool:
    return value if isinstance(value, bool) else _refuse(value, where, "true or false")


def _content(value: Any, where: str) -> bytes:
    try:
        return base64.b64decode(_text(value, where), validate=True)
    except (binascii.Error, ValueError) as error:
        if isinstance(error, RunError):
            raise
        return _refuse(value, where, "base64")


_PLAIN: dict[type, Callable[[Any, str], Any]] = {
    int: _whole,
    float: _number,
    str: _text,
    bool: _flag,
    bytes: _content,
}


def _refuse(value: Any, where: str, expected: str) -> typing.NoReturn:
    raise RunError(f"{where}={_short(value)}: expected {expected}")


def _kind(value: Any) -> str:
    return {dict: "an object", list: "a list", str: "text", type(None): "null"}.get(type(value), "a plain value")


def _short(value: Any) -> str:
    """A value in a message, which a damaged file may have made very long."""
    if isinstance(value, list | dict | tuple):
        return _kind(value)
    try:
        text = str(value) if isinstance(value, str) else repr(value)
    except ValueError:  # a whole number of thousands of digits
        return "a number without end"
    return _printable(text if len(text) <= 40 else f"{text[:40]}…")
