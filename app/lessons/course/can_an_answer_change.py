"""Lesson 1: an answer is not final after the first step."""

from __future__ import annotations

from collections.abc import Sequence

from app.events import Event
from app.lessons import measuring
from app.lessons.lesson import Case, Keep, Lesson, Link, Reason, Recall, Result, Stop, played
from app.lessons.question import Choice, Slider

MODEL = "digits-glimpse"
FIRST, OTHER, WORSE = "test-9", "test-1", "test-290"


def measure(_events: Sequence[Event]) -> Result:
    """The share of test digits whose answer after the last step is another one than after the first."""
    answers, _ = measuring.answers_to_test(MODEL)
    changed = (answers[0] != answers[-1]).mean()
    return Result(
        100 * float(changed),
        f"{MODEL} on its {answers.shape[1]} test digits, just now: the answer after step 1 beside that after step "
        f"{len(answers)}. One training, so read it as “about”.",
    )


def gets_worse() -> bool:
    """Whether the model is right on that digit at some step, and wrong at the end."""
    answers, labels = measuring.answers_to_test(MODEL)
    number = int(WORSE.removeprefix("test-"))
    return bool((answers[:-1, number] == labels[number]).any() and answers[-1, number] != labels[number])


LESSON = Lesson(
    number=1,
    key="can-an-answer-change",
    title="Can an answer change?",
    text="This small model looks at a digit in six steps. Each step shows it only a few parts of the picture. After "
    "each step it gives an answer.\n\nWe ask it about all test digits. We write down its answer after the first step "
    "and after the last one.",
    question=Slider(
        "answers-that-change", "For how many of 100 digits are the two answers not the same?", 0, 100, 1, "%"
    ),
    measure=measure,
    start=Link("watch", {"image": FIRST}),
    stops=(
        Stop(
            title="Watch one answer",
            text="Look at the picture. What digit is it? Then press **Play** and keep an eye on the bars. Watch all "
            "six steps.",
            done=(played(f"{MODEL}-{FIRST}", 6),),
            then="The model had to guess from a few parts at first. More parts came in, and the answer moved.",
            hint="The button Play is below the picture. The arrow keys go step by step.",
            control="button.play",
            link=Link("watch", {"image": FIRST}),
        ),
        Stop(
            title="Now a sure one",
            text="Here is a new digit. Play it to the end. Look at how sure the model is after step 1, and what it "
            "says after step 2.",
            done=(played(f"{MODEL}-{OTHER}", 6),),
            then="It can be very sure and still change. Being sure is not the same as being right.",
            hint="Press Play, or press the right arrow key six times.",
            control="button.play",
            link=Link("watch", {"image": OTHER}),
        ),
    ),
    why="Why can the answer change at all?",
    reasons=(
        Reason(
            "In each step a new and bigger network takes over.",
            "The same small block works in each step. Its weights are the same in step 1 and in step 6.",
        ),
        Reason(
            "Each step starts from the answer and the memory of the last one, and can add to them.",
            "The block gets its own answer and memory back, with new parts of the picture. So it can mend what it "
            "said.",
            right=True,
        ),
        Reason(
            "The model rolls dice in each step.",
            "There is no luck in the block. With the same picture and the same parts you get the same answers each "
            "time.",
        ),
    ),
    fails=Case(
        Stop(
            title="Where it fails",
            text="Can more steps do harm, too? Play this digit to the end. Watch the last step.",
            done=(played(f"{MODEL}-{WORSE}", 6),),
            then="It was right, and then it was not. This is rare, but it is there. More steps are no promise.",
            hint="Press Play and wait for step 6.",
            control="button.play",
            link=Link("watch", {"image": WORSE, "glimpse_seed": WORSE.removeprefix("test-")}),
        ),
        gets_worse,
    ),
    keep=Keep(
        "You have seen that an answer can change, for better and for worse. Save your picture, or pass on the link to "
        "the digit that gets worse.",
        Link("watch", {"image": WORSE, "glimpse_seed": WORSE.removeprefix("test-")}),
    ),
    recall=(
        Recall(
            Choice(
                "recall-same-block",
                "The model works in six steps. What works in each step?",
                ("a new block of its own", "the same small block", "a block picked by chance"),
            ),
            1,
            "One small block is used again and again. That is what makes it a model that loops.",
        ),
        Recall(
            Choice(
                "recall-worse",
                "Can one more step turn a right answer into a wrong one?",
                ("Yes, now and then", "No, never"),
            ),
            0,
            "You saw one: a digit that was right until the last step.",
        ),
    ),
)
