"""What happens in a class, one event a line of its file, and what the class is after them. No streamlit here.

The state is a value: it is only ever made from the one before and the next event, so a server that was started again
comes to the same from the same file. An event that does not fit (an answer after the reveal) changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Annotated, Literal

from vitrm.errors import RunError, VitrmError
from vitrm.reading import Between, Count, read

Seconds = Annotated[float, Between(0, 1e12)]  # since 1970


class ClassError(VitrmError):
    """Something that cannot be done in a class."""


@dataclass(frozen=True)
class Opened:
    """The first line. Phones are known by a digest with `salt`: the file has nobody's cookie."""

    at: Seconds
    salt: str


@dataclass(frozen=True)
class Joined:
    """A phone is there."""

    who: str


@dataclass(frozen=True)
class Left:
    """A phone is not any more; what it answered stays."""

    who: str


@dataclass(frozen=True)
class Asked:
    """A question is on all screens."""

    question: str  # its key


@dataclass(frozen=True)
class Answered:
    """A phone predicts, or changes its prediction."""

    asking: Count
    who: str
    value: str  # as JSON


@dataclass(frozen=True)
class Revealed:
    """What came out is on all screens."""

    asking: Count
    result: str | None  # as JSON; None: nobody knows it
    measured: str = ""  # on what, in words; "": it was not measured here


@dataclass(frozen=True)
class Led:
    """All look at one state of a page."""

    to: str  # "step?image=test-4"


@dataclass(frozen=True)
class LetGo:
    """Everybody looks at what they like."""


Event = Opened | Joined | Left | Asked | Answered | Revealed | Led | LetGo
_KINDS = {kind.__name__: kind for kind in (Opened, Joined, Left, Asked, Answered, Revealed, Led, LetGo)}


def line(event: Event) -> bytes:
    """An event as it stands in the file."""
    return json.dumps({"event": type(event).__name__} | asdict(event), separators=(",", ":")).encode() + b"\n"


def event_of(content: bytes) -> Event | None:
    """What a line of the file says; None where that cannot be read."""
    try:
        values = json.loads(content)
        return read(_KINDS[values.pop("event")], values)
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError, RunError):
        return None


@dataclass(frozen=True)
class Asking:
    """A question as it was asked, and what has been answered to it: the last answer of each phone."""

    question: str
    answers: Mapping[str, str] = field(default_factory=dict)  # by phone, as JSON
    changes: Mapping[str, int] = field(default_factory=dict)  # by phone: how many answers it has sent
    revealed: bool = False
    result: str | None = None
    measured: str = ""  # on what


Stage = Literal["waiting", "question", "result", "led"]


@dataclass(frozen=True)
class Classroom:
    """A class as it is."""

    code: str
    opened: float = 0.0
    salt: str = ""
    phones: frozenset[str] = frozenset()
    askings: tuple[Asking, ...] = ()
    stage: Stage = "waiting"
    led_to: str = ""
    acts: int = 0  # what the teacher has done so far: another number, another screen on the phones

    @property
    def asking(self) -> Asking | None:
        """The last one; None before the first."""
        return self.askings[-1] if self.askings else None


def after(now: Classroom, event: Event) -> Classroom:
    """The class after an event."""
    match event:
        case Opened():
            return replace(now, opened=event.at, salt=event.salt)
        case Joined():
            return replace(now, phones=now.phones | {event.who})
        case Left():
            return replace(now, phones=now.phones - {event.who})
        case Asked():
            now = replace(now, askings=(*now.askings, Asking(event.question)))
            return _acted(now, "question")
        case Answered() if _is_open(now, event.asking):
            asking, who = now.askings[-1], event.who
            asking = replace(
                asking,
                answers={**asking.answers, who: event.value},
                changes={**asking.changes, who: asking.changes.get(who, 0) + 1},
            )
            return replace(now, askings=(*now.askings[:-1], asking))
        case Revealed() if _is_open(now, event.asking):
            asking = replace(now.askings[-1], revealed=True, result=event.result, measured=event.measured)
            return _acted(replace(now, askings=(*now.askings[:-1], asking)), "result")
        case Led():
            return _acted(replace(now, led_to=event.to), "led")
        case LetGo():
            return _acted(now, "waiting")
        case _:
            return now


def _is_open(now: Classroom, asking: int) -> bool:
    return asking == len(now.askings) - 1 and not now.askings[asking].revealed


def _acted(now: Classroom, stage: Stage) -> Classroom:
    return replace(now, stage=stage, acts=now.acts + 1)
