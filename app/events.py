"""What a visitor has done, as far as a lesson may ask for it: one append-only list of events, and what they look like.

What is done in the browser is told there (`happened` in js/drawing.js), what is done on the server here; the lesson
book has both lists. An event is its kind and some values. Nothing but a visitor's own progress follows from it, so
whoever forges one deceives nobody else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

MOST = 600  # events of one lesson that are looked at
_LONGEST = 80  # letters of a text
_SESSION = "events"
KINDS: dict[str, dict[str, type]] = {  # by kind, its values
    "step seen": {
        "n": int,
        "of": int,
        "t": int,
        "name": str,
    },  # supervision step n, recursion step t, from 1; model-image
    "update seen": {"what": str, "name": str},  # "memory" or "answer"
    "class guessed": {"right": bool},
    "threshold moved": {"to": float},  # 0..1
    "patches hidden": {"count": int},
    "memory changed": {"count": int, "shuffled": bool},  # tokens that are zeroed or frozen
    "token chosen": {"token": int},  # of a map of attention or of a mixture
    "image chosen": {"name": str},
    "section opened": {"name": str},
    "gem guessed": {},
    "maze drawn": {},
    "depth chosen": {"steps": int},  # supervision steps to be run
    "training started": {"name": str},
    "training finished": {"name": str},
    # of the book itself
    "leaf opened": {"leaf": int},
    "predicted": {"value": object},
    "shown first": {},
    "recalled": {"question": str, "option": int},
    "reason chosen": {"number": int},
    "left out": {},  # a stop for which something is missing here, or questions about lessons that were not done
    "kept": {"what": str},
}


@dataclass(frozen=True)
class Event:
    """One thing that was done."""

    kind: str
    values: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def sent(self) -> dict[str, Any]:
        """The same as a JSON value."""
        return {"kind": self.kind, **self.values}


def read(values: Any) -> tuple[Event, ...]:
    """The events in a JSON value that came from a browser; what is none of `KINDS` is left out."""
    if not isinstance(values, list):
        return ()
    return tuple(event for event in map(_read, values[:MOST]) if event is not None)


def happened(kind: str, **values: Any) -> None:
    """Note something that was done on the server, in the session of whoever did it."""
    event = _read({"kind": kind, **values})
    if event is None:
        raise ValueError(f"{kind!r} with {values} is no event")
    st.session_state[_SESSION] = (*of_session(), event)[-MOST:]


def happened_once(kind: str, **values: Any) -> bool:
    """The same, unless it has been noted before; whether it had not been."""
    before = of_session()
    if Event(kind, values) in before:
        return False
    happened(kind, **values)
    return True


def of_session() -> tuple[Event, ...]:
    """What was noted by `happened`, in order."""
    return st.session_state.get(_SESSION, ())


def _read(value: Any) -> Event | None:
    if not isinstance(value, dict) or not isinstance(value.get("kind"), str) or value["kind"] not in KINDS:
        return None
    fields = KINDS[value["kind"]]
    values = {name: each for name, each in value.items() if name != "kind"}
    if values.keys() != fields.keys() or not all(_is(values[name], of) for name, of in fields.items()):
        return None
    return Event(value["kind"], values)


def _is(value: Any, of: type) -> bool:
    if of is object:  # a prediction, which its question reads
        return True
    if of is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if of is int:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53
    return isinstance(value, of) and (of is not str or len(value) <= _LONGEST)
