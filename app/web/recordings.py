"""What is recorded: the ready-made traces of bundled models, and those that the lessons lead to.

As the values that the components are given. A model is run only for what a lesson leads to and no gallery has.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from app import cache, figures, state
from app.change import parse_edit
from app.halting.exits.exits import payload as exits_payload
from app.lessons.course import lessons
from app.lessons.lesson import Lesson, Link, Stop
from app.mazes import words
from app.mazes.cache import trace as maze_trace
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
from vitrm.traces.edits import Edit
from vitrm.traces.trace import Trace

CLOTHES, GLIMPSES, WHOLE, MAZES = state.LANDING[state.CHECKPOINT], "digits-glimpse", "digits", "mazes"
HALTING = {CLOTHES: "halting-clothes", GLIMPSES: "halting"}  # what these are recorded as once more
_USUAL = state.DEFAULTS[state.IMAGE]  # of a link that names none
_FIRST = {
    CLOTHES: state.LANDING[state.IMAGE],
    GLIMPSES: _USUAL,
    WHOLE: _USUAL,
}  # what a row begins with, as the app does
_APP = {"patches hidden", "memory changed", "section opened", "training started", "training finished"}  # what takes it
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
    page: str = ""  # the only one that shows it, where a lesson leads there; "": those that show its set

    @property
    def name(self) -> str:
        """What it is called in an address, `?show=name`."""
        return f"{self.set}/{self.image}"

    @property
    def file(self) -> str:
        """Its script, from the folder of the site."""
        return f"data/{self.name}.js"


def recordings() -> Iterator[Recording]:
    """All of them. Raises RunError if a bundled model or its gallery is not there."""
    for name in (CLOTHES, GLIMPSES, WHOLE):
        run, config = _bundled(name)
        judged = run.report("halting") if name in HALTING else None
        for image, trace in _gallery(run).items():
            caption = _caption(run, config, trace, image)
            yield Recording(name, image, trace, caption, recorded(trace, PANELS, name=f"{name}-{image}"))
            if judged:
                yield Recording(HALTING[name], image, trace, caption, exits_payload(trace, config.model, judged))
    run, config = _bundled(MAZES)
    for image, trace in _gallery(run).items():
        where = f"of the test split, number {image.removeprefix('test-')}"
        yield _maze(run, config, trace, image, where)
    for lesson in lessons().values():
        for link in links(lesson):
            yield from _of_lesson(link)


def links(lesson: Lesson) -> list[Link]:
    """Where a lesson leads on the site, as it is in the app."""
    stops = (stop for stop in (*lesson.stops, lesson.fails.stop) if stop.link and not needs_app(stop))
    return [each for each in (lesson.start, *(stop.link for stop in stops), lesson.keep.link) if place(each)]


def needs_app(stop: Stop) -> bool:
    """Whether what is to be done at a stop takes a model."""
    return (stop.link is not None and place(stop.link) is None) or any(did.kind in _APP for did in stop.done)


def place(link: Link) -> tuple[str, str] | None:
    """The page of the site that a link of a lesson leads to, and what is on show there; None where it takes the app."""
    query = link.query
    if link.page == "mazes":
        if state.MAZE not in query:
            return "mazes", ""
        digest = hashlib.sha256(query[state.MAZE].encode()).hexdigest()[:8]
        return "mazes", f"{MAZES}/{digest}-{query.get(state.DEPTH, 1)}"
    model, image = _model(link), query.get(state.IMAGE, _USUAL)
    if link.page == "halting" and model in HALTING:
        return "halting", f"{HALTING[model]}/{image}"
    if link.page not in ("watch", "step", "attention"):
        return None
    seed, edit = query.get(state.GLIMPSE_SEED, "0"), query.get(state.EDIT, "").replace(",", "")
    return link.page, f"{model}/{image}{f'-seed-{seed}' * (seed != '0')}{f'-{edit}' * bool(edit)}"


def _model(link: Link) -> str:
    return link.query.get(state.CHECKPOINT, GLIMPSES).replace("{run}", WHOLE)  # that is the learner's own, in the app


def _of_lesson(link: Link) -> Iterator[Recording]:
    page, name = place(link)
    if page == "mazes" and name:
        run, config = _bundled(MAZES)
        depth = int(link.query.get(state.DEPTH, 1))
        trace = maze_trace(cache.Checkpoint(run.name, run.version), Maze.read(link.query[state.MAZE]), depth)
        yield replace(_maze(run, config, trace, name.partition("/")[2], "of a lesson"), page=page)
    elif page not in ("mazes", "halting"):
        run, config = _bundled(_model(link))
        image, seed = link.query.get(state.IMAGE, _USUAL), int(link.query.get(state.GLIMPSE_SEED, 0))
        edit, checkpoint = link.query.get(state.EDIT, ""), cache.Checkpoint(run.name, run.version)
        trace = cache.trace(checkpoint, image, seed)
        caption = _caption(run, config, trace, image)
        if edit:
            trace = cache.changed_trace(checkpoint, image, seed, edit)
            caption = f"{edit_words(parse_edit(edit, trace).edit)} {caption}"
        data = recorded(trace, PANELS, name=f"{run.name}-{image}")
        yield Recording(run.name, name.partition("/")[2], trace, caption, data, page=page)


def edit_words(edit: Edit) -> str:
    """What was changed about a run, in a sentence."""
    changed = {"patch": edit.hidden_patches, "memory token": edit.zeroed}
    ways = {"patch": "hidden from it", "memory token": "set to zero after each update"}
    found = [
        f"{name}{'s' * (len(which) > 1)} {', '.join(str(k + 1) for k in which)} {ways[name]}"
        for name, which in changed.items()
        if which
    ]
    return f"With {' and '.join(found)}."


def _bundled(name: str) -> tuple[Run, Config]:
    run = find_run(ROOT / "checkpoints" / name)  # and none of the user's that is called so
    return run, run.config()


def _gallery(run: Run) -> dict[str, Trace]:
    """Its ready-made traces, what its row begins with before the others."""
    found = run.gallery()
    if not found:
        raise RunError(f"'{run.path}' has no ready-made traces; `vitrm export --gallery 10` makes them")
    first = _FIRST.get(run.name)
    return {name: found[name] for name in sorted(found, key=lambda name: name != first)}


def _caption(run: Run, config: Config, trace: Trace, image: str) -> str:
    return figures.provenance(run.name, image, trace.seed, config, run.summary(), policy=trace.policy)


def _maze(run: Run, config: Config, trace: Trace, image: str, where: str) -> Recording:
    """A maze from somewhere, whose answer is told only to who has guessed."""
    size = trace.pixels.shape[-1] // trace.patch_size
    maze = Maze.of(cells_of(trace.pixels[None], size)[0])
    asked = replace(trace, label=None)
    report = run.report("mazes")
    probe = report.probe if report and size == config.data.mazes.size else None
    cells = cell_maps(
        asked,
        maze,
        tied=config.model.positions == "relative",
        reachable=None if probe is None else probe.reachable(trace.memory),
        probe_words="" if probe is None else words.probe_words(probe),
    )
    data = recorded(asked, ("cells",), cells=cells, name="maze")
    guess = {
        "options": list(COLOURS[: config.data.mazes.gems]),
        "label": maze.solution.label,
        "words": answer_words(maze.solution),
    }
    worth = figures.measured(run.name, config, run.summary(), f"images of {config.data.title}, drawn anew every epoch")
    caption = f"Image: a maze {where}. {worth}"
    return Recording(MAZES, image, asked, caption, data, guess)
