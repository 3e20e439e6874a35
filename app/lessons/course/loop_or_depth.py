"""Lesson 8: the same weights again, new weights, or a mixture of all steps."""

from __future__ import annotations

from collections.abc import Sequence

from app import cache
from app.events import Event
from app.lessons.lesson import Case, Did, Keep, Lesson, Link, Reason, Recall, Result, Stop
from app.lessons.question import Choice

MODELS = ("sr-vit-tiny-r4-last", "vit-tiny-deep", "sr-vit-tiny-r4")  # as the options of the question
MIXED, IMAGE, WRONG = "sr-vit-digits", "test-9", "test-2"
GRID = {"compared": "sr-vit-tiny"}  # its trainings of three seeds, whatever else has been trained on this machine
LOOP, DEPTH = "sr-vit-tiny, R = 4, last step", "vit-tiny-deep, last step"  # two rows of it


def measure(_events: Sequence[Event]) -> Result:
    """Which of the three models has the highest test accuracy."""
    summaries = [cache.facts(cache.checkpoint(name))[1] for name in MODELS]
    accuracies = [100 * each.test.accuracy[-1] for each in summaries]
    said = ", ".join(
        f"{name} {accuracy:.1f} % with {each.parameters:,} weights"
        for name, accuracy, each in zip(MODELS, accuracies, summaries, strict=True)
    )
    return Result(
        max(range(len(MODELS)), key=accuracies.__getitem__),
        f"CIFAR-10 (JPEG), {summaries[0].test.n:,} test images: {said}. Trained alike, each once and for minutes: "
        "another seed can move each of them by a point.",
    )


def is_wrong() -> bool:
    """Whether the mixture names another digit than the true one."""
    checkpoint = cache.checkpoint(MIXED)
    trace = checkpoint.run.mixtures().get(WRONG)
    return trace is not None and int(trace.logits.argmax()) != trace.label


LESSON = Lesson(
    number=8,
    key="loop-or-depth",
    title="Loop, or more layers?",
    text="There are three ways to let a small model work longer. All three have the same eight layers of work.\n\n"
    "**Loop:** two layers, applied four times. **Depth:** eight layers, each with weights of its own. **Mixture:** the "
    "loop, and each patch says which of the four rounds it wants to use. All learned from photos for the same time.",
    question=Choice(
        "loop-or-depth",
        "Which of them gets most photos right?",
        ("the loop: the same weights four times", "depth: new weights in each layer", "the mixture of all four rounds"),
    ),
    measure=measure,
    start=Link("mixture", {"mixture_model": MIXED, "image": IMAGE}),  # where nothing says which is right most often
    stops=(
        Stop(
            title="Look into the mixture",
            text="Here a mixture reads a digit. Each small square is a patch. **Press on two patches** and see which "
            "rounds they listen to.",
            done=(Did("token chosen", {"token": 1}, {"token": 2}, where={}),),
            then="Each patch has weights of its own over the rounds. They are learned, and cost few extra weights.",
            hint="Press on a square in one of the maps, or choose a patch in the list.",
            control=".stages",
            link=Link("mixture", {"mixture_model": MIXED, "image": IMAGE}),
        ),
        Stop(
            title="What do they cost?",
            text="Now the photos. Open the part **What does accuracy cost?** below the figure. Two rows of its table "
            f"do the same eight layers of work: **{LOOP}** is the loop, **{DEPTH}** is depth. Which of the two has "
            "more weights, and how often is each right?",
            done=(Did("section opened", {"name": "costs"}),),
            then="Depth stores nearly four times the weights, and is right two points more often. The bold sentence of "
            "the page takes a loop of two rounds, which does half the work: there the gap may be chance.",
            hint="The parts stand in a list below the figure. A press on the title opens one.",
            control=".st-key-section_costs summary",
            link=Link("compare", GRID),
        ),
    ),
    why="Why can eight new layers win over four rounds of two, though the work is the same?",
    reasons=(
        Reason(
            "Eight different layers can do eight different things.",
            "The loop has to do with two. That saves storage, but each layer must serve four times.",
            right=True,
        ),
        Reason(
            "The loop is faster, so it learns less.",
            "It is not faster: eight layers of work are eight layers of work.",
        ),
        Reason(
            "Loops do not work for pictures.",
            "They do work. The gap is a few points here, at a quarter of the weights.",
        ),
    ),
    fails=Case(
        Stop(
            title="Where it fails",
            text="Here the mixture reads a hard 9. Press on a patch to see how sure it is of its rounds. Then look "
            "at the answer below.",
            done=(Did("token chosen", {"token": 1}, where={}),),
            then="It is wrong about this one. And on the photos all three are wrong more often than right: they "
            "are tiny, and trained for minutes.",
            hint="Press on a square in one of the maps.",
            control=".stages",
            link=Link("mixture", {"mixture_model": MIXED, "image": WRONG, "open": "answer"}),
        ),
        is_wrong,
    ),
    keep=Keep(
        "Loop or depth is a trade: storage for accuracy. The link opens the comparison with all numbers.",
        Link("compare", GRID | {"open": "costs"}),
    ),
    recall=(
        Recall(
            Choice(
                "recall-weights",
                "A loop of two layers runs four times. How many layers of weights does it store?",
                ("two", "four", "eight"),
            ),
            0,
            "The weights are the same in each round. Only the work grows.",
        ),
        Recall(
            Choice(
                "recall-mixture",
                "What does a soft mixture choose for each patch?",
                ("how much each round counts", "which patch comes next", "when to stop"),
            ),
            0,
            "All rounds are run. The weights say how they are mixed.",
        ),
    ),
)
