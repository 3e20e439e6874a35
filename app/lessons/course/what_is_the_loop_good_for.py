"""Lesson 6: on mazes larger than any of the training more steps help, but are no sure way."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache as once
from pathlib import Path

from app import cache
from app.events import Event
from app.lessons import measuring
from app.lessons.lesson import Case, Did, Keep, Lesson, Link, Reason, Recall, Result, Stop, played
from app.lessons.question import Choice, Curve
from app.mazes.cache import model_for
from app.mazes.maze import Maze

MODEL = "mazes"
STEPS = (6, 12, 24, 48, 96)
FILE = Path(__file__).parents[1] / "mazes.txt"  # 20 mazes of 12 x 12 cells, paths of 11 to 14: the first of
# draw_mazes(MazeSettings(size=12, gems=3, shortest=11, longest=14), 32, (7,), patience=0)
LONG = 3  # of them: one that takes more than six steps
# Open rooms with loops, a path of 11: the eleventh, and the first answered wrongly, of
# draw_mazes(MazeSettings(size=12, gems=3, shortest=8, longest=11, kind="rooms"), 300, (11,))
LOST = (
    "-1w2w3--------w--w--------w-w---------w--www----w--w----w---w-www----w--w--w-w---"
    "w-w-w----ws--ww-----w---w-ww-w-www----w----wwww-----ww--wwww--w"
)
SMALL = "-w-ww-1----3w-w-www----w2-w-ww--w---w-www-----w-s"  # 7 x 7, a path of 6, of the test split
DEPTH = 4  # times the six steps of the training


@once
def mazes() -> tuple[Maze, ...]:
    """The mazes of the file."""
    return tuple(Maze.read(text, _gems()) for text in FILE.read_text(encoding="utf-8").split())


def _gems() -> int:
    return cache.facts(cache.checkpoint(MODEL))[0].data.mazes.gems


def _answers(chosen: Sequence[Maze], steps: int):
    """The gem that each of `steps` steps names in each maze (steps, n), and the true one (n,)."""
    import numpy as np
    import torch

    from vitrm.data.mazes import render

    checkpoint = cache.checkpoint(MODEL)
    network = model_for(checkpoint, chosen[0].size)
    pixels = torch.from_numpy(render(np.stack([maze.cells for maze in chosen]), network.config.image_size))
    return measuring.answers(network, pixels, steps), np.array([maze.solution.label for maze in chosen])


def measure(_events: Sequence[Event]) -> Result:
    """Accuracy on the mazes of the file after 6 to 96 steps."""
    answers, labels = _answers(mazes(), STEPS[-1])
    return Result(
        tuple(100 * float((answers[step - 1] == labels).mean()) for step in STEPS),
        f"{MODEL} on {len(labels)} mazes of 12 × 12 cells with paths of 11 to 14, just now; trained on 7 × 7 and 9 × 9 "
        f"cells and six steps that learn. One training; one maze is {100 / len(labels):.0f} points.",
    )


def is_lost() -> bool:
    """Whether the model names another gem than the right one after 24 steps in that maze."""
    answers, labels = _answers((Maze.read(LOST, _gems()),), DEPTH * STEPS[0])
    return bool(answers[-1, 0] != labels[0])


def _link(maze: str) -> Link:
    return Link("mazes", {"maze": maze, "depth": str(DEPTH), "open": "answer"})


_LONG = _link(FILE.read_text(encoding="utf-8").split()[LONG])


LESSON = Lesson(
    number=6,
    key="what-is-the-loop-good-for",
    title="What is the loop good for?",
    text="In a maze there are three gems. From the start **S** you can get to just one of them. The model has to name "
    "it.\n\nIt learned on small mazes, six steps at a time. Now it gets mazes that are larger than all it has seen. "
    "We let it go on: 6, 12, 24, 48 and 96 steps.",
    question=Curve(
        "more-steps",
        "How many of 100 large mazes does it get right after so many steps?",
        tuple(map(str, STEPS)),
        0,
        100,
        "%",
        "step",
    ),
    measure=measure,
    start=Link("mazes"),
    stops=(
        Stop(
            title="Guess, then watch",
            text="Find the way from S with your eyes. **Pick the gem** you can get to. Then play the answer of the "
            "model "
            "below the maze, up to the last step.",
            done=(Did("gem guessed"), Did("step seen", {"n": 6, "of": 6, "t": 1, "name": "maze"})),
            then="In a small maze six steps are enough, and mostly fewer.",
            hint="The gems are the three buttons beside the maze. The answer opens further down, with a Play button.",
            control='[data-testid="stButtonGroup"]',
            link=Link("mazes", {"maze": SMALL}),
        ),
        Stop(
            title="A long way",
            text="This maze is larger than all it has learned from, and the way is long. It runs 24 steps here. Play "
            "them: what does it say after step 6, and later?",
            done=(played("maze", DEPTH * 6),),
            then="After six steps it was wrong. It needed more steps than it ever had in training, and then it got "
            "there.",
            hint="Scroll down to the answer and press Play. The last button jumps to the end.",
            control="button.play",
            link=_LONG,
        ),
    ),
    why="Why do more steps help here?",
    reasons=(
        Reason(
            "What a cell knows of the way spreads a bit further in each step.",
            "A long way takes many hops. Six steps do not get to its end, and more steps do.",
            right=True,
        ),
        Reason(
            "With each step it tries a new gem, until it hits the right one.",
            "Nobody tells it which gem is right. It could not know when to stop trying.",
        ),
        Reason(
            "It learns from the maze while it works.",
            "No weight changes here. Only its memory does, and that starts anew with each maze.",
        ),
    ),
    fails=Case(
        Stop(
            title="Where it fails",
            text="A maze of another kind: open rooms with loops, not corridors. It has never seen such a maze. Watch "
            "what it says at the end of 24 steps. Switch on **Show the answer on the maze** to check.",
            done=(Did("step seen", {"n": 24, "of": 24, "t": 1, "name": "maze"}),),
            then="More steps are no sure way. It gets most mazes of this kind right, but here it has settled on the "
            "wrong gem, and stays with it.",
            hint="The last button of the row jumps to the end.",
            control='[data-do="last"]',
            link=_link(LOST),
        ),
        is_lost,
    ),
    keep=Keep("The loop pays where the task needs many hops. The link opens the long maze.", _LONG),
    recall=(
        Recall(
            Choice(
                "recall-loop",
                "For which task do more steps of the same block help most?",
                ("a long way through a maze", "a digit seen whole at once", "all tasks alike"),
            ),
            0,
            "In a maze, what one cell knows must travel far, and each step is a hop.",
        ),
        Recall(
            Choice(
                "recall-more-steps",
                "Do more steps at least never do harm?",
                ("True: at worst nothing changes", "False: a right answer can be lost again"),
            ),
            1,
            "You saw it on digits: some answers get lost again. The maze model was trained to keep what it has found.",
        ),
    ),
)
