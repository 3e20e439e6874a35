"""Lesson 3: a model that knows nothing learns digits while one looks on."""

from __future__ import annotations

from collections.abc import Sequence

from app import cache
from app.events import Event
from app.lessons import measuring
from app.lessons.lesson import Case, Did, Keep, Lesson, Link, Reason, Recall, Result, Stop, played
from app.lessons.question import Choice, Slider
from vitrm.errors import VitrmError

MODEL, WRONG = "digits", "test-23"
SECONDS = 60
WITHOUT = "I cannot train here: go on with the bundled one"


def measure(events: Sequence[Event]) -> Result:
    """Of the learner's own training the test accuracy; without one, what the bundled model had learned in a minute."""
    for event in reversed(events):
        if event.kind == "training finished":
            try:
                return _of_run(event["name"])
            except VitrmError:  # it has been removed, or is none that this visitor may see
                continue
    ends = [end for end in cache.checkpoint(MODEL).run.metrics() if end.get("event") == "EpochEnd"]
    last = max((end for end in ends if end["seconds"] <= SECONDS), key=lambda end: end["seconds"])
    return Result(
        100 * last["val_accuracy"][-1],
        f"The training of {MODEL}, which comes with the app: {last['epoch']} epochs in its first {last['seconds']:.0f} "
        f"seconds; {cache.facts(cache.checkpoint(MODEL))[1].split_sizes['val']} validation digits.",
    )


def _of_run(name: str) -> Result:
    config, summary = cache.facts(cache.checkpoint(name))
    return Result(
        100 * summary.test.accuracy[config.model.supervision_steps - 1],
        f"The training “{name}”: {summary.epochs} epochs of {config.data.title} in {summary.seconds:.0f} seconds; "
        f"{summary.test.n:,} test images that it had never seen.",
    )


def is_wrong() -> bool:
    """Whether the bundled model is wrong about that digit."""
    answers, labels = measuring.answers_to_test(MODEL)
    number = int(WRONG.removeprefix("test-"))
    return bool(answers[-1, number] != labels[number])


LESSON = Lesson(
    number=3,
    key="train-one-in-a-minute",
    title="What can be learned in a minute?",
    text="A new model knows nothing. Of ten digits it gets one right, by luck. We show it some 1,300 digits and tell "
    "it "
    "the true class of each. Then we ask it about digits it has never seen.",
    question=Slider(
        "learned-in-a-minute",
        "How many of 100 new digits does it get right after about a minute of training?",
        0,
        100,
        1,
        "%",
    ),
    measure=measure,
    start=Link("train", {"show": "New training"}),
    stops=(
        Stop(
            title="Start a training",
            text="Leave all as it is: the preset **digits** is the small one. Press **Start training**. If there is a "
            "training of the same kind, the button lets you join it.",
            done=(Did("training started", {"name": "digits"}, where={}),),
            then="It runs in its own process. You may close this page, and it goes on.",
            hint="The button is blue. If it is grey, wait until the time it takes has been measured.",
            control=".st-key-start_training button",
            link=Link("train", {"show": "New training"}),
            without=WITHOUT,
        ),
        Stop(
            title="Watch it learn",
            text="The curve shows how many digits it gets right. When does it climb fast, and when slowly? "
            "After a minute you may press **Stop training**, and then **Finish as it is**.",
            done=(Did("training finished", {"name": "digits"}, where={}),),
            then="It was tested once, at the very end, on digits it had not seen.",
            hint="Both buttons stand above the numbers. The second one comes when the first has done its work.",
            control=".st-key-train_controls button",
            without=WITHOUT,
        ),
    ),
    why="Why do we test on digits it has never seen?",
    reasons=(
        Reason(
            "Because they are harder to read.",
            "They come from the same set. Some are hard and some are easy, as among those it learned from.",
        ),
        Reason(
            "Because it could know the others by heart.",
            "A model can store what it was shown. Only new digits tell if it has learned what a digit looks like.",
            right=True,
        ),
        Reason(
            "Because that is faster.",
            "It takes the same time. It is about what the number means.",
        ),
    ),
    fails=Case(
        Stop(
            title="Where it fails",
            text="Here is the model that comes with this app, trained in the same way. Play this digit. Would you have "
            "read it?",
            done=(played(f"{MODEL}-{WRONG}", 1),),
            then="It says 9, and it is an 8. A few digits stay wrong, also after a longer training.",
            hint="This model has one step, so one press of Play is enough.",
            control="button.play",
            link=Link("watch", {"checkpoint": MODEL, "image": WRONG}),
        ),
        is_wrong,
    ),
    keep=Keep(
        "The model you trained is yours to keep: the link opens it on the page Watch. Its folder is in runs on the "
        "machine that trained it.",
        Link("watch", {"checkpoint": "{run}"}),
        "The link opens the model that comes with this app on the page Watch. One that you train is yours to keep.",
    ),
    recall=(
        Recall(
            Choice(
                "recall-new-images",
                "Why is a model tested on pictures that it has not learned from?",
                ("to see if it knows more than those by heart", "to train it some more", "to make the test shorter"),
            ),
            0,
            "What it was shown it may have stored. New pictures show what it can do.",
        ),
        Recall(
            Choice(
                "recall-start",
                "How many of ten classes does a new model get right before training?",
                ("none", "about one in ten, by luck", "about half"),
            ),
            1,
            "It can only guess. With ten classes a guess is right one time in ten.",
        ),
    ),
)
