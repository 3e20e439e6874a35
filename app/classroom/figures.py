"""What a class has answered, as values to be drawn, in words and as a table. No streamlit here."""

from __future__ import annotations

import csv
import io
import json
import math
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

from app.classroom.events import Asking, Classroom
from app.lessons.question import Answer, AnswerError, Choice, Curve, Question, Slider

_ROWS = 10  # of a slider with many values
_OWN, _RIGHT = "you", "this is it"


def answer_of(question: Question, stored: str | None) -> Answer | None:
    """An answer from the file of a class; None where there is none, or none to this question any more."""
    if stored is None:
        return None
    try:
        return question.read(json.loads(stored))
    except (AnswerError, ValueError, RecursionError):
        return None


def answers_of(question: Question, asking: Asking) -> list[Answer]:
    """All answers, in an order that says nothing of whose they are."""
    found = (answer_of(question, each) for each in asking.answers.values())
    return sorted(each for each in found if each is not None)


def distribution(question: Question, asking: Asking, own: str | None = None, *, hidden: bool = False) -> dict[str, Any]:
    """How the answers spread, as the component draws it: rows with counts, or for a drawn curve its lines.

    What came out is in it only once it has been revealed. `own` is the answer of whoever looks, as JSON. `hidden`
    leaves the answers out.
    """
    asking = replace(asking, answers={}) if hidden else asking
    answers, mine = answers_of(question, asking), answer_of(question, own)
    result = answer_of(question, asking.result) if asking.revealed else None
    if isinstance(question, Curve):
        drawn = {
            "kind": "lines",
            "points": question.points,
            "low": question.low,
            "high": question.high,
            "unit": question.unit,
            "along": question.along,
            "lines": answers,
            "own": mine,
            "result": result,
        }
    else:
        labels, place = _places(question)
        counts = Counter(map(place, answers))
        most = max(counts.values(), default=0)
        drawn = {
            "kind": "rows",
            "rows": [
                {
                    "label": label,
                    "count": "" if hidden else counts[k],
                    "length": counts[k] / most if most else 0,
                    "marks": [
                        mark for mark, at in ((_OWN, mine), (_RIGHT, result)) if at is not None and place(at) == k
                    ],
                }
                for k, label in enumerate(labels)
            ],
        }
    return drawn | {"words": "" if hidden else words(question, answers)}


def words(question: Question, answers: list[Answer]) -> str:
    """The same in a sentence."""
    if not answers:
        return "No answers yet."
    count = f"{len(answers)} answer" + "s" * (len(answers) != 1)
    if isinstance(question, Choice):
        first, *others = Counter(answers).most_common(2)
        if others and others[0][1] == first[1]:
            return f"{count}; no option has most of them."
        return f"{count}; most often {question.words(first[0])} ({first[1]} of {len(answers)})."
    middle = len(answers) // 2
    if isinstance(question, Slider):
        low, centre, high = (question.words(answers[at]) for at in (0, middle, -1))
        return f"{count}, from {low} to {high}; the middle one is {centre}."
    each = tuple(sorted(at)[middle] for at in zip(*answers, strict=True))
    return f"{count}; the middle ones are {question.words(each)}."


def letter(number: int) -> str:
    """What an option is called: A, B, C."""
    return chr(ord("A") + number) if number < 26 else str(number + 1)


def table(classroom: Classroom, questions: Mapping[str, Question], known: Mapping[str, Answer]) -> str:
    """All answers as CSV: a column for each question asked, first the row of what came out, then one for each phone.

    The phones are in an order drawn anew, and called by their row. Options are letters, as on the screens. What was
    not revealed is in the first row where it is `known`.
    """
    columns = _columns(classroom)
    phones = sorted({who for asking in classroom.askings for who in asking.answers})
    random.SystemRandom().shuffle(phones)
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    out.writerow(["phone", *columns])
    asked = [(questions.get(asking.question), asking) for asking in classroom.askings]
    out.writerow(["right", *(_cell(question, _right(asking, known)) for question, asking in asked)])
    for row, who in enumerate(phones, start=1):
        out.writerow([row, *(_cell(question, asking.answers.get(who)) for question, asking in asked)])
    return text.getvalue()


def _right(asking: Asking, known: Mapping[str, Answer]) -> str | None:
    return json.dumps(known[asking.question]) if asking.result is None and asking.question in known else asking.result


def _columns(classroom: Classroom) -> list[str]:
    """Questions by their key; one that is asked again is "key (2)"."""
    times: Counter[str] = Counter()
    found = []
    for asking in classroom.askings:
        times[asking.question] += 1
        found.append(asking.question + (f" ({times[asking.question]})" if times[asking.question] > 1 else ""))
    return found


def _cell(question: Question | None, stored: str | None) -> str:
    if question is None:
        return ""
    answer = answer_of(question, stored)
    if answer is None:
        return ""
    if isinstance(question, Choice):
        return letter(answer)
    return ";".join(f"{each:g}" for each in answer) if isinstance(question, Curve) else f"{answer:g}"


def _places(question: Choice | Slider):
    """The labels of the rows, and which row an answer belongs to."""
    if isinstance(question, Choice):
        return [f"{letter(k)}  {option}" for k, option in enumerate(question.options)], lambda answer: answer
    steps = round((question.high - question.low) / question.step)
    if steps < _ROWS:
        labels = [question.words(min(question.low + k * question.step, question.high)) for k in range(steps + 1)]
        return labels, lambda answer: round((answer - question.low) / question.step)
    width = math.ceil(steps / _ROWS) * question.step
    rows = math.ceil((question.high - question.low) / width)
    edges = [min(question.low + k * width, question.high) for k in range(rows + 1)]
    labels = [f"{low:g} to {question.words(high)}" for low, high in pairwise(edges)]
    return labels, lambda answer: min(int((answer - question.low) / width), rows - 1)
