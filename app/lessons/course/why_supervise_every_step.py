"""Lesson 4: what a model can do early depends on whether it was asked early in its training."""

from __future__ import annotations

from collections.abc import Sequence

from app.events import Event
from app.lessons import measuring
from app.lessons.lesson import Case, Did, Keep, Lesson, Link, Reason, Recall, Result, Stop, played
from app.lessons.question import Choice, Curve

EVERY, LAST = "digits-every-step", "digits-last-step"
IMAGE, WRONG = "test-1", "test-9"
STEPS = 6


def measure(_events: Sequence[Event]) -> Result:
    """Test accuracy of the model that was corrected after the last step only, after each of its steps."""
    answers, labels = measuring.answers_to_test(LAST)
    every, _ = measuring.answers_to_test(EVERY)
    return Result(
        tuple(100 * float((step == labels).mean()) for step in answers),
        f"{LAST} on its {len(labels)} test digits, just now. {EVERY}, corrected after each step, has "
        f"{100 * (every[0] == labels).mean():.1f} % after step 1 and {100 * (every[-1] == labels).mean():.1f} % after "
        f"step {len(every)}. One training each, of the same length.",
    )


def is_wrong() -> bool:
    """Whether the model that was corrected after each step is wrong about that digit after the last one."""
    answers, labels = measuring.answers_to_test(EVERY)
    number = int(WRONG.removeprefix("test-"))
    return bool(answers[-1, number] != labels[number])


LESSON = Lesson(
    number=4,
    key="why-supervise-every-step",
    title="Why correct it after every step?",
    text="Two models, of the same size, learned from the same digits for as long. Both take six steps.\n\nModel A was "
    "told the true class after **each** step. Model B was told only after the **last** one. Now we ask B for its "
    "answer after each step.",
    question=Curve(
        "corrected-last",
        "How many of 100 test digits does B get right after each step?",
        tuple(str(n) for n in range(1, STEPS + 1)),
        0,
        100,
        "%",
        "step",
    ),
    measure=measure,
    start=Link("step", {"checkpoint": EVERY, "image": IMAGE}),
    stops=(
        Stop(
            title="A: corrected each time",
            text="This is model A. Press **Play** and watch the bars. How soon does it settle?",
            done=(played(f"{EVERY}-{IMAGE}", STEPS),),
            then="A had to have an answer ready after each step, and so it does.",
            hint="Play goes through all updates by itself. It takes some six seconds.",
            control="button.play",
            link=Link("step", {"checkpoint": EVERY, "image": IMAGE}),
        ),
        Stop(
            title="B: corrected at the end",
            text="This is model B, with the same digit. Press **Play**, and watch the bars in the first steps.",
            done=(Did("step seen", *({"n": 1, "of": 1, "t": t, "name": f"{LAST}-{IMAGE}"} for t in (1, STEPS))),),
            then="B was never asked early. What it has there need not be an answer to anybody.",
            hint="Play goes through all updates. With the right arrow you can go one by one.",
            control="button.play",
            link=Link("step", {"checkpoint": LAST, "image": IMAGE}),
        ),
    ),
    why="Why are B's early answers so poor?",
    reasons=(
        Reason(
            "B is smaller than A.",
            "They have the same number of weights. What differs is when they were corrected.",
        ),
        Reason(
            "Nothing in its training asked for a good answer early on.",
            "Training makes small what it is told to make small. For B that was the error after step six, and no "
            "other.",
            right=True,
        ),
        Reason(
            "B saw fewer digits.",
            "Both saw the same digits, as often, with as many changes of the weights.",
        ),
    ),
    fails=Case(
        Stop(
            title="Where it fails",
            text="Being corrected after each step is no cure for all. This is model A with a hard 3. Play it to the "
            "end.",
            done=(played(f"{EVERY}-{WRONG}", STEPS),),
            then="It had it right, and lost it. Also note: at the end B is not far behind A. With so few "
            "test "
            "digits, one or two points may be luck.",
            hint="Press Play, or go step by step.",
            control="button.play",
            link=Link("step", {"checkpoint": EVERY, "image": WRONG}),
        ),
        is_wrong,
    ),
    keep=Keep(
        "If you want an answer at any time, ask for one at any time in training. The link opens model B.",
        Link("step", {"checkpoint": LAST, "image": IMAGE}),
    ),
    recall=(
        Recall(
            Choice(
                "recall-supervise",
                "A model was corrected after its last step only. What are its first answers like?",
                ("as good as its last", "much worse than its last", "better than its last"),
            ),
            1,
            "Nobody asked for them in training. They need not mean a thing.",
        ),
        Recall(
            Choice(
                "recall-any-time",
                "You want a model that can be stopped at any step. What do you do in training?",
                ("correct it after each step", "make it bigger", "show it each picture twice"),
            ),
            0,
            "Then each step has to leave an answer that can be used.",
        ),
    ),
)
