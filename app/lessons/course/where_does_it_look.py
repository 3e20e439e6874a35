"""Lesson 7: where attention is high need not be what mattered; hiding a patch tells."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from app.events import Event
from app.lessons import measuring
from app.lessons.lesson import Case, Did, Keep, Lesson, Link, Reason, Recall, Result, Stop
from app.lessons.question import Choice, Slider
from vitrm.traces.trace import Trace

MODEL, IMAGE, FOOLED = "digits", "test-2", "test-9"
PATCHES = 16  # of an image


def most_and_least(trace: Trace) -> tuple[int, int]:
    """The patches that got most and least attention in the last layer: the mean of all updates, heads and tokens."""
    last = trace.patch_attention[:, :, :, -1].mean(axis=(0, 1, 2, 3, 4))  # (S,), all patches being read
    return int(trace.patches[0, last.argmax()]), int(trace.patches[0, last.argmin()])


def moved(image: str) -> tuple[float, float]:
    """By how much, 0..1, the probability of the answer moves when the most and the least attended patch is hidden."""
    checkpoint, gallery = measuring.gallery(MODEL)
    effects = []
    for patch in most_and_least(gallery[image]):
        ((whole, hidden),) = measuring.edited(checkpoint.name, {image: f"p{patch}"})
        answer = measuring.last_answer(whole)
        effects.append(abs(float(whole.probs[-1, -1, -1, answer] - hidden.probs[-1, -1, -1, answer])))
    return effects[0], effects[1]


def measure(_events: Sequence[Event]) -> Result:
    """In how many of the gallery's pictures the most attended patch moves the answer more than the least attended."""
    _, gallery = measuring.gallery(MODEL)
    effects = np.array([moved(image) for image in gallery])
    count = int((effects[:, 0] > effects[:, 1]).sum())
    return Result(
        10 * count / len(effects),
        f"{MODEL}, the {len(effects)} digits of its page, just now. Hiding the most attended patch moves the answer by "
        f"{100 * effects[:, 0].mean():.1f} points on average, hiding the least attended by "
        f"{100 * effects[:, 1].mean():.1f}. So few pictures prove nothing; they make one doubt.",
    )


def is_fooled() -> bool:
    """Whether in that picture the least attended patch mattered more than the most attended."""
    most, least = moved(FOOLED)
    return most < least


LESSON = Lesson(
    number=7,
    key="where-does-it-look",
    title="Does it need what it looks at?",
    text="The memory reads the picture by attention: the more weight a patch has, the brighter it is on the map. It is "
    "easy to say: this is what the answer stands on.\n\nWe put it to the test with ten digits. In each we hide the "
    "patch with the **most** attention, and then the one with the **least**. Which moves the answer more?",
    question=Slider(
        "hide-the-patch", "In how many of ten digits is it the patch with the most attention?", 0, 10, 1, "digits"
    ),
    measure=measure,
    start=Link("attention", {"checkpoint": MODEL, "image": IMAGE}),
    stops=(
        Stop(
            title="Read the map",
            text="Bright is what the memory reads now. Choose one **memory token** after another: do all of them "
            "look at "
            "the same patches?",
            done=(Did("token chosen", {"token": 0}, {"token": 1}, where={}),),
            then="Each token has a place of its own that it likes to read.",
            hint="Memory token is a list below the picture. Try two of them.",
            control=".choose-token",
            link=Link("attention", {"checkpoint": MODEL, "image": IMAGE}),
        ),
        Stop(
            title="Hide a patch",
            text="Now test it. Find a bright patch on the map, and **hide it** in the grid below “Change one thing”. "
            "Then "
            "read the line below: by how many points did the answer move?",
            done=(Did("patches hidden", {"count": 1}, where={"count": (1, PATCHES)}),),
            then="That is an answer to “did it matter?”. Attention alone is none.",
            hint="The grid with the small patches is in the part “Change one thing”. A click hides a patch.",
            control=".hide-grid button",
            link=Link("attention", {"checkpoint": MODEL, "image": IMAGE, "open": "edits"}),
        ),
    ),
    why="Why is a high weight no proof?",
    reasons=(
        Reason(
            "The map is drawn wrongly.",
            "It shows the very weights the model works with. What they mean is the question.",
        ),
        Reason(
            "A weight says what is read, not what is made of it later.",
            "What was read may be dropped, or be known from other patches, too. Only a change shows what it did.",
            right=True,
        ),
        Reason(
            "The model looks at all patches alike.",
            "It does not: some patches get five times the weight of others.",
        ),
    ),
    fails=Case(
        Stop(
            title="Where it fails",
            text="Here the map leads us astray. The patch at the **top left** has the least attention of all. Hide it, "
            "and look at the answer.",
            done=(Did("patches hidden", {"count": 1}, where={"count": (1, PATCHES)}),),
            then="A dark corner that hardly gets a look, and the answer moves more than for the brightest patch.",
            hint="It is the first patch of the grid in the part “Change one thing”.",
            control=".hide-grid button",
            link=Link("attention", {"checkpoint": MODEL, "image": FOOLED, "open": "edits"}),
        ),
        is_fooled,
    ),
    keep=Keep(
        "To look is not to need. To know what mattered, change it and look again. The link opens the test.",
        Link("attention", {"checkpoint": MODEL, "image": FOOLED, "open": "edits", "edit": "p0"}),
    ),
    recall=(
        Recall(
            Choice(
                "recall-attention",
                "A patch has much attention. What do you know?",
                ("it was read", "it decided the answer", "it shows the digit"),
            ),
            0,
            "Attention says what is read. What it was worth is another question.",
        ),
        Recall(
            Choice(
                "recall-hide",
                "How do you find out if a patch mattered?",
                ("look how bright it is", "hide it and see if the answer moves", "ask the memory"),
            ),
            1,
            "Change one thing, keep the rest, and look what happens.",
        ),
    ),
)
