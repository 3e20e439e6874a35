"""What a teacher can ask a class: those of the lessons, five before and after them, and any by voice."""

from __future__ import annotations

from dataclasses import dataclass, replace

from app.lessons.book.book import measured
from app.lessons.course import lessons
from app.lessons.lesson import Result
from app.lessons.question import Answer, Choice, Question, Slider


@dataclass(frozen=True)
class Known:
    """A question to which the answer is known."""

    question: Question
    result: Answer


# Before the first lesson and after the last, in the same words; `vitrm gain` compares. One idea of the lessons each.
FIVE = (
    Known(
        Choice(
            "steps",
            "A recursive model makes six steps on one image. What is different in step six from step one?",
            (
                "It uses other weights, which were trained for step six",
                "It looks at a sharper copy of the image",
                "It starts from the answer and the memory that step five left",
                "Nothing: it does the same sum six times and takes the mean",
            ),
        ),
        2,
    ),
    Known(
        Choice(
            "more",
            "A model is right after two steps. What happens to that answer if it makes six?",
            (
                "It can become wrong",
                "It stays right, for each step only adds to it",
                "It stays right, but takes longer to say",
                "It becomes more certain, and so it stays right",
            ),
        ),
        0,
    ),
    Known(
        Choice(
            "attention",
            "A map of attention is bright on one corner of a picture. How do you find out whether the answer "
            "depends on it?",
            (
                "It does, for attention is what the answer is made of",
                "Hide that corner and see whether the answer changes",
                "Look whether the corner is bright for other pictures as well",
                "Ask whether the model is certain of its answer",
            ),
        ),
        1,
    ),
    Known(
        Choice(
            "stop",
            "A model may stop as soon as it thinks that it is right. You let it stop more easily. What do you get?",
            (
                "Less work and more right answers",
                "More work and fewer right answers",
                "The same answers with less work",
                "Less work, and as a rule more wrong answers",
            ),
        ),
        3,
    ),
    Known(
        Choice(
            "loop",
            "Two models make the same number of sums. One runs one layer six times, the other has six layers. "
            "Which of them has more weights to train?",
            (
                "The one with the loop, about six times as many",
                "Both have the same number",
                "The one with six layers, about six times as many",
                "That cannot be said without the pictures",
            ),
        ),
        2,
    ),
)

SPOKEN = (
    Choice(
        "spoken-letter",
        "The teacher asks aloud: which of the four?",
        ("the first", "the second", "the third", "the fourth"),
    ),
    Slider("spoken-percent", "The teacher asks aloud: how many percent?", 0, 100, 1, "%"),
)


def _when(when: str, known: Known) -> Known:
    return replace(known, question=replace(known.question, key=f"{when}-{known.question.key}"))


def _all() -> tuple[dict[str, Question], dict[str, str], dict[str, Answer]]:
    """The questions by key, what they are called in a list, and the answers that are known without measuring."""
    found: list[tuple[str, Question, Answer | None]] = []
    for lesson in lessons().values():
        found.append((f"Lesson {lesson.number}", lesson.question, None))
        found += [(f"About lesson {lesson.number}", each.question, each.right) for each in lesson.recall]
    found += [("Aloud", each, None) for each in SPOKEN]
    for when in ("before", "after"):
        for number, each in enumerate(FIVE, start=1):
            known = _when(when, each)
            found.append((f"{when.capitalize()} the lessons, {number} of 5", known.question, known.result))
    questions = {each.key: each for _, each, _ in found}
    labels = {each.key: f"{where}: {each.text}" for where, each, _ in found}
    return questions, labels, {each.key: right for _, each, right in found if right is not None}


QUESTIONS, LABELS, RESULTS = _all()
_LESSONS = {lesson.question.key: lesson for lesson in lessons().values()}


def is_known(key: str) -> bool:
    """Whether what came out is known, or can be measured here."""
    return key in RESULTS or key in _LESSONS


def result(key: str) -> Result:
    """What came out; of a lesson measured now, of a bundled model. Raises VitrmError where that cannot be done."""
    return Result(RESULTS[key], "") if key in RESULTS else measured(_LESSONS[key], ())
