"""What is recorded: the ready-made traces of bundled models, as the values that the components are given.

Nothing here runs a model. Pure, no streamlit of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from app import figures
from app.halting.exits.exits import payload as exits_payload
from app.mazes import words
from app.mazes.cells import cell_maps
from app.mazes.maze import Maze, answer_words
from app.player.standalone import recorded
from vitrm.config import Config
from vitrm.config.mazes import COLOURS
from vitrm.data.mazes import cells_of
from vitrm.errors import RunError
from vitrm.places import ROOT
from vitrm.runs.checkpoints import find_run
from vitrm.runs.folder import Run
from vitrm.traces.trace import Trace

GLIMPSES, WHOLE, MAZES = "digits-glimpse", "digits", "mazes"
HALTING = "halting"  # what the first of these is recorded as once more
FIRST = "test-9"  # the image that a page about digits begins with, as the app's do
PANELS = ("glimpses", "equations", "memory", "attention")  # a page shows some of them


@dataclass(frozen=True, eq=False)
class Recording:
    """One image through one model, and what a page says of it."""

    set: str  # the model, or what else a page shows together
    image: str
    trace: Trace
    caption: str
    data: dict[str, Any]  # what the component is given
    guess: dict[str, Any] | None = None  # what is asked before the answer is told

    @property
    def file(self) -> str:
        """Its script, from the folder of the site."""
        return f"data/{self.set}/{self.image}.js"


def recordings() -> Iterator[Recording]:
    """All of them. Raises RunError if a bundled model or its gallery is not there."""
    for name in (GLIMPSES, WHOLE):
        run, config = _bundled(name)
        for image, trace in _gallery(run).items():
            yield Recording(
                name, image, trace, _caption(run, config, trace, image), recorded(trace, PANELS, name=image)
            )
    run, config = _bundled(GLIMPSES)
    judged = run.report("halting")
    for image, trace in _gallery(run).items():
        data = exits_payload(trace, config.model, judged)
        yield Recording(HALTING, image, trace, _caption(run, config, trace, image), data)
    run, config = _bundled(MAZES)
    for image, trace in _gallery(run).items():
        yield _maze(run, config, trace, image)


def _bundled(name: str) -> tuple[Run, Config]:
    run = find_run(ROOT / "checkpoints" / name)  # and none of the user's that is called so
    return run, run.config()


def _gallery(run: Run) -> dict[str, Trace]:
    """Its ready-made traces, that of `FIRST` before the others."""
    found = run.gallery()
    if not found:
        raise RunError(f"'{run.path}' has no ready-made traces; `vitrm export --gallery 10` makes them")
    return {name: found[name] for name in sorted(found, key=lambda name: name != FIRST)}


def _caption(run: Run, config: Config, trace: Trace, image: str) -> str:
    return figures.provenance(run.name, image, trace.seed, config, run.summary(), policy=trace.policy)


def _maze(run: Run, config: Config, trace: Trace, image: str) -> Recording:
    """A maze, whose answer is told only to who has guessed."""
    maze = Maze.of(cells_of(trace.pixels[None], config.data.mazes.size)[0])
    asked = replace(trace, label=None)
    report = run.report("mazes")
    probe = report and report.probe
    cells = cell_maps(
        asked,
        maze,
        tied=config.model.positions == "relative",
        reachable=None if probe is None else probe.reachable(trace.memory),
        probe_words="" if probe is None else words.probe_words(probe),
    )
    data = recorded(asked, ("cells",), cells=cells, name=f"maze-{image}")
    guess = {
        "options": list(COLOURS[: config.data.mazes.gems]),
        "label": maze.solution.label,
        "words": answer_words(maze.solution),
    }
    worth = figures.measured(run.name, config, run.summary(), f"images of {config.data.title}, drawn anew every epoch")
    caption = f"Image: a maze of the test split, number {image.removeprefix('test-')}. {worth}"
    return Recording(MAZES, image, asked, caption, data, guess)
