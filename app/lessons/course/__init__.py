"""The lessons, one in each file: what stands here is the course, in the order of their numbers."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from app.lessons.lesson import Lesson, Recall


@cache
def lessons() -> dict[str, Lesson]:
    """All lessons by key, in order. Raises ValueError unless their numbers are 1, 2, 3, ..."""
    found = [importlib.import_module(f"{__name__}.{each.name}").LESSON for each in pkgutil.iter_modules(__path__)]
    found.sort(key=lambda lesson: lesson.number)
    if [lesson.number for lesson in found] != [*range(1, len(found) + 1)]:
        raise ValueError(f"the lessons' numbers are {[lesson.number for lesson in found]}, expected 1, 2, 3, ...")
    return {lesson.key: lesson for lesson in found}


def recalled(lesson: Lesson) -> tuple[Recall, ...]:
    """Two questions about the lessons before: one about the last of them, one about that before it; () in the first."""
    before = asked_about(lesson)
    return (before[-1].recall[0], before[0].recall[1]) if before else ()


def asked_about(lesson: Lesson) -> tuple[Lesson, ...]:
    """The lessons that `recalled` is about: the two before it, one in the second, none in the first."""
    return tuple(each for each in lessons().values() if lesson.number - 2 <= each.number < lesson.number)
