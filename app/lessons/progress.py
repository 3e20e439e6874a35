"""How far a learner is in a lesson: what follows from the list of events, and from nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.events import Event
from app.lessons.course import recalled
from app.lessons.lesson import Lesson, Stop
from app.lessons.question import Answer, AnswerError


@dataclass(frozen=True)
class Leaf:
    """One leaf of the lesson's book."""

    kind: str  # "recall", "predict", "stop", "result", "fails" or "keep"
    title: str
    done: bool
    needs: tuple[str, ...]  # the kinds of events that decide it
    stop: Stop | None = None


def leaves(lesson: Lesson, events: Sequence[Event]) -> tuple[Leaf, ...]:
    """The book's leaves in order. The last is a gift: it is done from the start."""
    found: list[Leaf] = []
    asked = recalled(lesson)
    if asked:
        answered = recall_answers(lesson, events)
        done = len(answered) == len(asked) or any(each.kind == "left out" for each in events)
        found.append(Leaf("recall", "Do you remember?", done, ("recalled", "left out")))
    committed = prediction(lesson, events) is not None or any(each.kind == "shown first" for each in events)
    found.append(Leaf("predict", "What do you expect?", committed, ("predicted", "shown first")))
    for stop in lesson.stops:
        found.append(_of_stop("stop", stop, len(found), events))
    right = any(lesson.reasons[k].right for k in reasons(lesson, events))
    found.append(Leaf("result", "What came out, and why?", right, ("reason chosen",)))
    found.append(_of_stop("fails", lesson.fails.stop, len(found), events))
    found.append(Leaf("keep", "Keep it", True, ("kept",)))
    return tuple(found)


def complete(found: Sequence[Leaf]) -> bool:
    """Whether a lesson is done."""
    return all(leaf.done for leaf in found)


def prediction(lesson: Lesson, events: Sequence[Event]) -> Answer | None:
    """What the learner committed to first; None if nothing, or nothing that the question can read."""
    for event in events:
        if event.kind == "predicted":
            try:
                return lesson.question.read(event["value"])
            except AnswerError:
                continue
    return None


def reasons(lesson: Lesson, events: Sequence[Event]) -> tuple[int, ...]:
    """Which answers to "why?" were tried, in order."""
    tried = [event["number"] for event in events if event.kind == "reason chosen"]
    return tuple(dict.fromkeys(k for k in tried if 0 <= k < len(lesson.reasons)))


def recall_answers(lesson: Lesson, events: Sequence[Event]) -> dict[str, int]:
    """The first answer to each question about earlier lessons, by the question's key."""
    asked = {each.question.key: each.question for each in recalled(lesson)}
    found: dict[str, int] = {}
    for event in events:
        question = asked.get(event["question"]) if event.kind == "recalled" else None
        if question is not None and 0 <= event["option"] < len(question.options):
            found.setdefault(question.key, event["option"])
    return found


def since_opened(number: int, events: Sequence[Event]) -> Sequence[Event]:
    """What was done since a leaf was first opened."""
    for k, event in enumerate(events):
        if event.kind == "leaf opened" and event["leaf"] == number:
            return events[k:]
    return ()


def _of_stop(kind: str, stop: Stop, number: int, events: Sequence[Event]) -> Leaf:
    needs = tuple(dict.fromkeys(did.kind for did in stop.done))
    return Leaf(kind, stop.title, stop.holds(since_opened(number, events)), needs, stop)
