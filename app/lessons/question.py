"""What a learner commits to before seeing: one of several options, a value on a slider, or a drawn curve.

A question knows how its value looks as JSON, whether one that came from a browser can be that, and how to say it and
its distance from the result in words. The result is measured elsewhere; values and results of a kind look the same:

======== ================================================= ===========================
kind     value                                             in JSON
======== ================================================= ===========================
Choice   int, the number of the option, from 0             2
Slider   float, low + k * step                             37.5
Curve    tuple of floats, one for each labelled point      [10, 45.5, 90]
======== ================================================= ===========================
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, NoReturn

from vitrm.errors import VitrmError


class AnswerError(VitrmError):
    """A value that cannot be the answer to a question."""


@dataclass(frozen=True)
class Choice:
    """One of several options."""

    kind: ClassVar[str] = "choice"

    key: str  # unique among all questions: small letters, figures, hyphens
    text: str
    options: tuple[str, ...]

    def __post_init__(self) -> None:
        _check_key(self.key)
        _check(len(self.options) >= 2, f"{self.key}: {len(self.options)} options, expected two or more")
        _check(len(set(self.options)) == len(self.options), f"{self.key}: two options are the same")

    def read(self, value: Any) -> int:
        """The number of the option from 0. Raises AnswerError for all that is not one of them."""
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < len(self.options):
            _refuse(self, value, f"a whole number from 0 to {len(self.options) - 1}")
        return value

    def words(self, value: int) -> str:
        """“right”."""
        return f"“{self.options[value]}”"

    def gap(self, value: int, result: int) -> str:
        """The prediction beside the result, in a sentence."""
        if value == result:
            return f"You said {self.words(value)}, and so it is."
        return f"You said {self.words(value)}. It is {self.words(result)}."


@dataclass(frozen=True)
class Slider:
    """A value from low to high (inclusive) in steps."""

    kind: ClassVar[str] = "slider"

    key: str
    text: str
    low: float
    high: float
    step: float = 1.0
    unit: str = ""  # "%", "steps"

    def __post_init__(self) -> None:
        _check_key(self.key)
        _check_range(self.key, self.low, self.high)
        _check(0 < self.step <= self.high - self.low, f"{self.key}: step={self.step}")

    def read(self, value: Any) -> float:
        """The value, on the nearest step. Raises AnswerError for all that is not a number from low to high."""
        number = _number(self, value, self.low, self.high)
        on_step = self.low + round((number - self.low) / self.step) * self.step
        return min(on_step, self.high)

    def words(self, value: float) -> str:
        """“37.5 %”, without the quotation marks."""
        return _amount(value, self.unit)

    def gap(self, value: float, result: float) -> str:
        """The prediction beside the result, in a sentence."""
        said = f"You said {self.words(value)}, it is {self.words(result)}"
        if abs(result - value) <= self.step / 2:
            return f"{said}: you were right, to within a step of the slider."
        return f"{said}: {_distance(value, result, self.unit)} than you said."


@dataclass(frozen=True)
class Curve:
    """One value from low to high (inclusive) for each labelled point, drawn by the learner."""

    kind: ClassVar[str] = "curve"

    key: str
    text: str
    points: tuple[str, ...]  # what stands below the axis
    low: float
    high: float
    unit: str = ""
    along: str = ""  # what the points are: "supervision step"

    def __post_init__(self) -> None:
        _check_key(self.key)
        _check_range(self.key, self.low, self.high)
        _check(len(self.points) >= 2, f"{self.key}: {len(self.points)} points, expected two or more")
        _check(len(set(self.points)) == len(self.points), f"{self.key}: two points have the same label")

    def read(self, value: Any) -> tuple[float, ...]:
        """A value for each point. Raises AnswerError for all that is not a list of so many numbers in the range."""
        if not isinstance(value, list | tuple) or len(value) != len(self.points):
            _refuse(self, value, f"a list of {len(self.points)} numbers")
        return tuple(_number(self, each, self.low, self.high) for each in value)

    def words(self, value: Sequence[float]) -> str:
        """“3: 10 %, 6: 45 %”, without the quotation marks."""
        return ", ".join(f"{point}: {_amount(each, self.unit)}" for point, each in zip(self.points, value, strict=True))

    def gap(self, value: Sequence[float], result: Sequence[float]) -> str:
        """The mean distance between the curves, and the point where it is largest, in two sentences."""
        gaps = [abs(after - before) for before, after in zip(value, result, strict=True)]
        mean, most = sum(gaps) / len(gaps), max(range(len(gaps)), key=gaps.__getitem__)
        far = f"{_figure(mean)} {_points(_figure(mean), self.unit)}".strip()
        text = f"On average your curve is {far} away from what came out."
        if _figure(gaps[most]) == "0":
            return text
        where = f"{self.along} {self.points[most]}".strip()
        said, is_so = _amount(value[most], self.unit), _amount(result[most], self.unit)
        return f"{text} The largest gap is at {where}: you said {said}, it is {is_so}."


Question = Choice | Slider | Curve
Answer = int | float | tuple[float, ...]


def sent(question: Question) -> dict[str, Any]:
    """A question as a JSON value, for question.js beside this file."""
    return {"kind": question.kind, **asdict(question)}


def _amount(value: float, unit: str) -> str:
    return f"{_figure(value)} {unit}".strip()


def _figure(value: float, *beside: float) -> str:
    """At most one place after the point where it or one of those beside it is 10 or more, else two; no zeros at the
    end.
    """
    places = 1 if max(map(abs, (value, *beside))) >= 10 else 2
    text = f"{value:.{places}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _points(distance: str, unit: str) -> str:
    """The unit of a difference: shares differ by points."""
    if unit != "%":
        return unit
    return "point" if distance == "1" else "points"


def _distance(value: float, result: float, unit: str) -> str:
    """“12 points more”."""
    far = _figure(abs(result - value), value, result)
    return " ".join(filter(None, (far, _points(far, unit), "more" if result > value else "less")))


def _number(question: Question, value: Any, low: float, high: float) -> float:
    """A finite number from low to high: JSON knows whole numbers without end, Python's NaN and Infinity besides."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        _refuse(question, value, f"a number from {_amount(low, question.unit)} to {_amount(high, question.unit)}")
    return float(value)


def _refuse(question: Question, value: Any, expected: str) -> NoReturn:
    try:
        shown = repr(value) if isinstance(value, str | int | float | None) else type(value).__name__
    except ValueError:  # a whole number of thousands of digits
        shown = "a number without end"
    raise AnswerError(f"{shown[:40]} is no answer to “{question.key}”: expected {expected}")


def _check(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def _check_key(key: str) -> None:
    _check(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", key) is not None, f"{key!r}: expected small letters, figures, -")


def _check_range(key: str, low: float, high: float) -> None:
    _check(math.isfinite(low) and math.isfinite(high) and low < high, f"{key}: expected low < high, not {low}, {high}")
