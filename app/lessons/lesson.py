"""What a lesson is made of: texts, links to real pages, a question, how its result is measured, what is to be done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from app import state
from app.events import KINDS, Event
from app.lessons.question import Answer, Choice, Question


@dataclass(frozen=True)
class Link:
    """A prepared state of a page."""

    page: str  # name of a file in pages/
    query: Mapping[str, str] = field(default_factory=dict)  # what `app.state.IN_URL` and the page read

    def address(self, **more: str) -> str:
        """Relative to every page of the app; `more` is added to what it says."""
        query = urlencode({**self.query, **more}, quote_via=quote)
        return f"{'./' if self.page == 'watch' else self.page}{'?' * bool(query)}{query}"


class Did:
    """A condition on what was done: as many different events of a kind that count as there are examples.

    Without `where` those count that are one of the examples; with it those whose values are within its ranges
    {name: (low, high)}, so all with {}. Raises ValueError where an example is none.
    """

    def __init__(
        self, kind: str, *examples: Mapping[str, Any], where: Mapping[str, tuple[float, float]] | None = None
    ) -> None:
        self.kind, self.examples, self.where = kind, tuple(Event(kind, dict(each)) for each in examples or ({},)), where
        for each in self.examples:
            if each.values.keys() != KINDS[kind].keys() or not self._counts(each):
                raise ValueError(f"{each} is no example of what counts")

    def holds(self, events: Sequence[Event]) -> bool:
        """Whether enough of it was done."""
        found = [each for each in events if each.kind == self.kind and self._counts(each)]
        return len({repr(each) for each in found}) >= len(self.examples)

    def sent(self) -> dict[str, Any]:
        """The same as a JSON value."""
        return {"kind": self.kind, "examples": [each.sent() for each in self.examples], "where": self.where}

    def _counts(self, event: Event) -> bool:
        if self.where is None:
            return event in self.examples
        return all(low <= event[name] <= high for name, (low, high) in self.where.items())


def played(name: str, steps: int) -> Did:
    """A player's trace `name` was seen after its first and after its last supervision step."""
    seen = [{"n": n, "of": steps, "t": 1, "name": name} for n in dict.fromkeys((1, steps))]
    return Did("step seen", *seen)


@dataclass(frozen=True)
class Stop:
    """Something to do on a page, done when all conditions hold for what was done since it was opened."""

    title: str
    text: str
    done: tuple[Did, ...]
    then: str  # said when it is done
    hint: str  # on request
    control: str = ""  # CSS selector of what the hint points at
    link: Link | None = None  # None: the page of the stop before
    without: str = ""  # how whoever lacks what it needs says so and goes on; "": it needs no more than the app

    def holds(self, events: Sequence[Event]) -> bool:
        """Whether it is done, or left out by who may do so."""
        return all(did.holds(events) for did in self.done) or self.is_left_out(events)

    def is_left_out(self, events: Sequence[Event]) -> bool:
        """Whether somebody went on without it."""
        return bool(self.without) and any(event.kind == "left out" for event in events)


@dataclass(frozen=True)
class Reason:
    """One answer to the lesson's "why?", and what to say to whoever gives it."""

    text: str
    answer: str
    right: bool = False


@dataclass(frozen=True)
class Recall:
    """A question for a later lesson about this one."""

    question: Choice
    right: int
    why: str


@dataclass(frozen=True)
class Result:
    """What came out, as the question has it, and on what it was measured."""

    value: Answer
    words: str


@dataclass(frozen=True)
class Case:
    """An honest case where the model fails: a stop, and whether it does (held by a test)."""

    stop: Stop
    is_so: Callable[[], bool]


@dataclass(frozen=True)
class Keep:
    """Something to take away beside the picture of prediction and result: a link; {run} is the learner's training."""

    text: str
    link: Link
    without: str = ""  # said in place of the text to whoever has no {run}


@dataclass(frozen=True)
class Lesson:
    """One question, in five minutes."""

    number: int  # its place, from 1
    key: str  # in a link: ?lesson=key
    title: str  # the question
    text: str  # what to know before the prediction
    question: Question
    measure: Callable[[Sequence[Event]], Result]
    start: Link  # where it begins
    stops: tuple[Stop, ...]
    why: str
    reasons: tuple[Reason, Reason, Reason]
    fails: Case
    keep: Keep
    recall: tuple[Recall, Recall]  # asked in later lessons

    @property
    def address(self) -> str:
        """Its link, relative to every page of the app."""
        return self.start.address(**{state.LESSON: self.key})

    @property
    def texts(self) -> tuple[str, ...]:
        """The sentences that a learner reads of it, in order: all but titles and options."""
        stops = [text for stop in (*self.stops, self.fails.stop) for text in (stop.text, stop.then, stop.hint)]
        reasons = [text for reason in self.reasons for text in (reason.text, reason.answer)]
        recall = [text for each in self.recall for text in (each.question.text, each.why)]
        return (
            *(self.text, self.question.text, *stops, self.why, *reasons),
            *filter(None, (self.keep.text, self.keep.without)),
            *recall,
        )
