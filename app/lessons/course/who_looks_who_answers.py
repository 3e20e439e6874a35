"""Lesson 2: the memory looks at the picture, and the answer looks at the memory."""

from __future__ import annotations

from collections.abc import Sequence

from app.events import Event
from app.lessons import measuring
from app.lessons.lesson import Case, Did, Keep, Lesson, Link, Reason, Recall, Result, Stop
from app.lessons.question import Choice

MODEL, IMAGE, WRONG = "digits-glimpse", "test-9", "test-2"
TOKENS = 8  # of the model's memory
WIPED = "z" + ",".join(map(str, range(TOKENS)))
BUT_ONE = "z" + ",".join(map(str, range(TOKENS - 1)))
SAME, LESS_SURE, ONE_FOR_ALL = range(3)


def measure(_events: Sequence[Event]) -> Result:
    """What becomes of the answers to the gallery's pictures when the whole memory is wiped after each update of it."""
    _, gallery = measuring.gallery(MODEL)
    pairs = list(measuring.edited(MODEL, dict.fromkeys(gallery, WIPED)))
    before = [measuring.last_answer(whole) for whole, _ in pairs]
    after = [measuring.last_answer(wiped) for _, wiped in pairs]
    names = pairs[0][0].class_names
    if len(set(after)) == 1:
        value, words = ONE_FOR_ALL, f"with the memory wiped it said {names[after[0]]} to each of them"
    else:
        value = SAME if before == after else LESS_SURE
        words = f"with the memory wiped {sum(map(int.__eq__, before, after))} of the answers stayed"
    return Result(value, f"{MODEL} on the {len(pairs)} digits of the page Step through, just now: {words}.")


def stays_wrong() -> bool:
    """Whether the model has read all patches of that digit in the end, and is wrong."""
    _, gallery = measuring.gallery(MODEL)
    trace = gallery[WRONG]
    return len({int(p) for step in trace.patches for p in step}) == 16 and measuring.last_answer(trace) != trace.label


LESSON = Lesson(
    number=2,
    key="who-looks-who-answers",
    title="Who looks, and who answers?",
    text="The model works with three things. **x** is the picture, cut in small patches. **z** is its memory: eight "
    "tokens. **y** is its answer.\n\nNow we wipe the whole memory, each time it has been written. We do that for ten "
    "pictures, each of another digit. The picture itself is left as it is.",
    question=Choice(
        "memory-wiped",
        "What will the model say at the end?",
        ("the same answers as before", "other answers, each its own", "one and the same answer to all ten"),
    ),
    measure=measure,
    start=Link("step", {"image": IMAGE}),
    stops=(
        Stop(
            title="One update at a time",
            text="Press the right arrow **→** and read the line that lights up. First the memory z is updated, then "
            "the "
            "answer y. Which of the two gets to see the picture x? Go on until you have seen both.",
            done=(
                Did("update seen", {"what": "memory", "name": f"{MODEL}-{IMAGE}"}),
                Did("update seen", {"what": "answer", "name": f"{MODEL}-{IMAGE}"}),
            ),
            then="The line for z has the patches in it. The line for y does not: y reads the memory, and no more.",
            hint="Each press is one update. Three presses are all you need.",
            control='[data-do="next"]',
            link=Link("step", {"image": IMAGE}),
        ),
        Stop(
            title="Wipe the memory",
            text="Seven of the eight memory tokens are set to zero here. Find the button for token **8** and press it, "
            "so that it says “zero”. Then look at the last step.",
            done=(
                Did(
                    "memory changed",
                    {"count": TOKENS, "shuffled": False},
                    where={"count": (TOKENS, TOKENS)},
                ),
            ),
            then="No token is left. Try other pictures if you like: look what the edited run says.",
            hint="Scroll down to “Change one thing”. The memory tokens are the buttons 1 to 8.",
            control=".panel-edits .chips button:nth-child(8)",
            link=Link("attention", {"image": IMAGE, "edit": BUT_ONE, "open": "edits"}),
        ),
    ),
    why="Why does a wiped memory do that?",
    reasons=(
        Reason(
            "All that the answer knows of the picture has come through the memory.",
            "The answer update reads y and z, and no patch. With z wiped there is no way from the picture to the "
            "answer.",
            right=True,
        ),
        Reason(
            "The picture is wiped as well.",
            "The picture is still there, and the memory reads it. But what it writes down is lost each time.",
        ),
        Reason(
            "The model forgets what digits look like.",
            "That is in its weights, and no weight was touched. It has not been told what is in this picture.",
        ),
    ),
    fails=Case(
        Stop(
            title="Where it fails",
            text="A memory that works is not always enough. This is a 9. Go to the end: by then the memory has read "
            "all "
            "patches of it.",
            done=(Did("step seen", {"n": 6, "of": 6, "t": 1, "name": f"{MODEL}-{WRONG}"}),),
            then="It saw all of the digit, and still gives the wrong answer. To have looked is not to have understood.",
            hint="Press the key End, or the last button of the row.",
            control='[data-do="last"]',
            link=Link("step", {"image": WRONG}),
        ),
        stays_wrong,
    ),
    keep=Keep(
        "The memory looks, the answer asks the memory. Save your picture, or keep the link to the wiped memory.",
        Link("attention", {"image": IMAGE, "edit": WIPED, "open": "edits"}),
    ),
    recall=(
        Recall(
            Choice(
                "recall-who-reads",
                "What does the answer y read when it is updated?",
                ("the picture", "the memory and itself", "the picture and the memory"),
            ),
            1,
            "The answer sees the picture only through the memory.",
        ),
        Recall(
            Choice(
                "recall-wiped",
                "The memory is wiped after each update. What can the model still tell apart?",
                ("no two pictures", "dark and bright ones", "all of them, but less surely"),
            ),
            0,
            "Nothing of the picture gets to the answer, so all pictures are the same to it.",
        ),
    ),
)
