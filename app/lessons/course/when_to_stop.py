"""Lesson 5: stopping as soon as it is sure enough saves work, and the price can be read off."""

from __future__ import annotations

from collections.abc import Sequence

from app import cache
from app.events import Event
from app.lessons import measuring
from app.lessons.lesson import Case, Did, Keep, Lesson, Link, Reason, Recall, Result, Stop
from app.lessons.question import Choice, Slider
from vitrm.errors import RunError

MODEL, IMAGE, WRONG = "digits-glimpse", "test-9", "test-2"
EARLY, STRICT = 0.38, 0.95


def measure(_events: Sequence[Event]) -> Result:
    """The share of multiply-adds saved on test with the threshold that was chosen on validation."""
    report = cache.checkpoint(MODEL).run.report("halting")
    if report is None:
        raise RunError(f"the halting of {MODEL} has not been judged; open the page Halting to have it done")
    chosen, everything = report.chosen, report.anytime[-1]
    saved = 1 - chosen.mean_multiply_adds / everything.mean_multiply_adds
    return Result(
        100 * saved,
        f"{MODEL}, {report.split_sizes['test']} test digits, the threshold chosen on {report.split_sizes['val']} "
        f"others: "
        f"{100 * chosen.accuracy:.1f} % right, with all steps {100 * everything.accuracy:.1f} %.",
    )


def leaves_early_and_wrong() -> bool:
    """Whether that digit passes the usual threshold at step 1 with a wrong answer."""
    checkpoint, gallery = measuring.gallery(MODEL)
    trace = gallery[WRONG]
    first = int(trace.probs[0, -1, -1].argmax())
    limit = cache.facts(checkpoint)[0].model.halt_threshold
    return bool(trace.halt_prob[0, -1, -1] > limit and first != trace.label)


LESSON = Lesson(
    number=5,
    key="when-to-stop",
    title="When has it seen enough?",
    text="After each step the model also says how likely its answer is to be right. We can let it stop as soon as this "
    "passes a limit, the **threshold**. Each step it leaves out is work saved.\n\nThe threshold was chosen so that "
    "about as many answers are right as with all six steps.",
    question=Slider("work-saved", "How much of the work can be saved?", 0, 100, 1, "%"),
    measure=measure,
    start=Link("halting", {"image": IMAGE}),
    stops=(
        Stop(
            title="Let it stop at once",
            text="Drag the **threshold** down until this digit leaves after step 1. What does it answer then? What do "
            "all test digits lose?",
            done=(Did("threshold moved", {"to": 0.2}, where={"to": (0, EARLY)}),),
            then="Almost no work, and many wrong answers. A low threshold lets it go before it knows.",
            hint="The slider is above the two figures. The arrow keys move it, too. Go below 0.38.",
            control=".threshold",
            link=Link("halting", {"image": IMAGE}),
        ),
        Stop(
            title="Ask for more",
            text="Now drag the threshold up, to 0.95 or more. Watch the two numbers for all test digits: how many are "
            "right, and how many steps they take.",
            done=(Did("threshold moved", {"to": 0.99}, where={"to": (STRICT, 1)}),),
            then="Easy digits still leave soon, and hard ones take their time. That is where the saving comes from.",
            hint="The buttons beside the slider have two values that make sense.",
            control=".threshold",
        ),
    ),
    why="Why can work be saved with so little loss?",
    reasons=(
        Reason(
            "Most digits are easy: the first steps are enough for them.",
            "They leave early, and only the hard ones run on. So the mean falls, and the answers stay.",
            right=True,
        ),
        Reason(
            "The last steps do nothing for any digit.",
            "For some they do: stop all digits after step 1 and one in four is wrong.",
        ),
        Reason(
            "Each step gets faster than the one before.",
            "All steps cost the same. What is saved are whole steps.",
        ),
    ),
    fails=Case(
        Stop(
            title="Where it fails",
            text="This digit is a 9. The model leaves at step 1, and says 5. Drag the threshold up to 0.95 or more. "
            "Does it help?",
            done=(Did("threshold moved", {"to": 0.97}, where={"to": (STRICT, 1)}),),
            then="It is sure and wrong, at every step. No threshold can mend that.",
            hint="It is the same slider as before.",
            control=".threshold",
            link=Link("halting", {"image": WRONG}),
        ),
        leaves_early_and_wrong,
    ),
    keep=Keep(
        "Stopping early is a trade: work for answers. Keep the link to the threshold that you would choose.",
        Link("halting", {"image": IMAGE, "threshold": "0.95"}),
    ),
    recall=(
        Recall(
            Choice(
                "recall-threshold",
                "The threshold for stopping is set lower. What happens?",
                ("it stops sooner, and more answers are wrong", "it stops later", "all answers get better"),
            ),
            0,
            "A low limit is soon passed, at times before the model knows.",
        ),
        Recall(
            Choice(
                "recall-saving",
                "Which digits pay for the work that is saved?",
                ("the easy ones, which leave early", "the hard ones, which are given up", "all alike"),
            ),
            0,
            "Easy digits need few steps. The hard ones still get all of theirs.",
        ),
    ),
)
