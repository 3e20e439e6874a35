"""A lesson done by its own examples of what counts."""

from app.events import Event
from app.lessons import progress
from app.lessons.course import recalled


def predicted(lesson):
    """A prediction: the first option, or the middle."""
    question = lesson.question
    if question.kind == "choice":
        return 0
    middle = (question.low + question.high) / 2
    return middle if question.kind == "slider" else [middle] * len(question.points)


def done_at(lesson, number):
    """The events that complete a leaf, its opening first."""
    leaf = progress.leaves(lesson, ())[number]
    events = [Event("leaf opened", {"leaf": number})]
    if leaf.kind == "recall":
        return events + [Event("recalled", {"question": each.question.key, "option": 0}) for each in recalled(lesson)]
    if leaf.kind == "predict":
        return [*events, Event("predicted", {"value": predicted(lesson)})]
    if leaf.kind == "result":
        right = next(k for k, reason in enumerate(lesson.reasons) if reason.right)
        return [*events, Event("reason chosen", {"number": right})]
    return events + [example for did in (leaf.stop.done if leaf.stop else ()) for example in did.examples]
