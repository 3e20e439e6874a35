"""Stored values are read as their types say, and what is wrong with one is said with its path."""

import json
import math
from dataclasses import dataclass, field
from typing import Literal

import pytest

from vitrm.errors import RunError
from vitrm.reading import Count, Positive, Share, entries, read


@dataclass(frozen=True)
class Step:
    number: Positive
    share: Share


@dataclass(frozen=True)
class Whole:
    steps: tuple[Step, ...]
    pair: tuple[Share, Share] | None
    by_rule: dict[Literal["a", "b"], float]
    words: str
    pictures: dict[int, bytes] = field(default_factory=dict)


GOOD = {
    "steps": [{"number": 1, "share": 0.5}, {"number": 2, "share": 1}],
    "pair": None,
    "by_rule": {"a": -2.5},
    "words": "ü",
}


def test_what_was_stored_comes_back_as_the_types_say():
    found = read(Whole, GOOD | {"pair": [0, 1.0], "pictures": {"17": "YQ=="}})
    assert found == Whole((Step(1, 0.5), Step(2, 1.0)), (0.0, 1.0), {"a": -2.5}, "ü", {17: b"a"})
    assert type(found.steps[1].share) is float
    assert read(Whole, GOOD).pictures == {}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"steps": [{"number": 1}]}, r"steps\[0\].share is absent"),
        ({"steps": [{"number": 0, "share": 0.5}]}, r"steps\[0\].number=0: expected 1 to"),
        ({"steps": [{"number": True, "share": 0.5}]}, r"steps\[0\].number=True: expected a whole number"),
        ({"steps": [{"number": 1.0, "share": 0.5}]}, r"steps\[0\].number=1.0: expected a whole number"),
        ({"steps": [{"number": 1, "share": 1.1}]}, r"steps\[0\].share=1.1: expected 0 to 1"),
        ({"steps": [{"number": 1, "share": "0.5"}]}, r"steps\[0\].share=0.5: expected a finite number"),
        ({"steps": [{"number": 1, "share": math.nan}]}, r"steps\[0\].share=nan: expected a finite number"),
        ({"steps": [{"number": 1, "share": 10**400}]}, r"steps\[0\].share=1000\d+…: expected a finite number"),
        ({"steps": [3]}, r"steps\[0\] is a plain value, expected named fields"),
        ({"steps": None}, "steps=None: expected a list"),
        ({"pair": [0.1]}, "pair has 1 entries, expected 2"),
        ({"by_rule": {"c": 1}}, r"by_rule=c: expected one of a, b"),
        ({"by_rule": []}, "by_rule=a list: expected named values"),
        ({"words": "\ud800"}, r"words=\?: expected text"),
        ({"pictures": {"x": ""}}, "pictures=x: expected a whole number"),
        ({"pictures": {"1": "no base64"}}, r"pictures\[1\]=no base64: expected base64"),
        ({"more": 1}, "more is not known; expected steps, pair"),
    ],
)
def test_what_cannot_be_is_said_with_its_path(change, said):
    with pytest.raises(RunError, match=said) as caught:
        read(Whole, GOOD | change)
    assert len(str(caught.value)) < 150


def test_a_list_of_another_length_is_named():
    entries(2, first=(1, 2), second="ab")
    with pytest.raises(RunError, match="second has 1 entries, expected 2"):
        entries(2, first=(1, 2), second=(1,))


def test_rounding_is_no_fault():
    assert read(Step, json.loads('{"number": 3, "share": 1.0000000000000002}')).share == 1


def test_a_count_may_be_none_at_all():
    @dataclass(frozen=True)
    class Left:
        images: Count

    assert read(Left, {"images": 0}).images == 0
