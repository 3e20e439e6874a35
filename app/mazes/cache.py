"""Models that were trained on mazes, mazes to choose from, and what is made of one: once for everybody."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import streamlit as st

from app import inference, reports
from app.cache import Checkpoint, checkpoints, facts, gallery, model
from app.mazes import longer
from app.mazes.maze import Maze
from vitrm.config import Config
from vitrm.config.mazes import MazeSettings
from vitrm.data.mazes import cells_of, draw_mazes, render
from vitrm.errors import DataError, VitrmError
from vitrm.judge.sizes import SizeReport
from vitrm.traces.trace import Trace

_POOL, _POOL_SEED = 12, 20_261_121  # mazes of each size and length to choose from
_PROPOSED, _IN_VAIN = 128, 24  # proposals at a time, and how often without a new maze before they are too rare
_ATTENTION = 200_000  # steps times the weights of one map, above which a trace does without: it would be 10 MB and more


def models() -> dict[str, Config]:
    """The finished models on this machine that were trained on mazes, by name."""
    found = {}
    for checkpoint in checkpoints().values():
        with contextlib.suppress(VitrmError):  # what is wrong with a model is said where it is chosen
            config, _ = facts(checkpoint)
            if config.data.mazes is not None:
                found[checkpoint.name] = config
    return found


@st.cache_data(max_entries=64, show_spinner="Drawing mazes …")
def pool(source: str, length: int) -> tuple[Maze, ...]:
    """Mazes, each with a shortest path of `length`, the same for all; none if they are too rare to be drawn."""
    asked = replace(MazeSettings.parse(source), shortest=length, longest=length, also=())
    try:
        drawn = draw_mazes(asked, _POOL, (_POOL_SEED, length), patience=_IN_VAIN, batch=_PROPOSED)
    except DataError:
        return ()
    return tuple(map(Maze.of, drawn.cells))


@st.cache_resource(max_entries=8, show_spinner=False)
def ready(checkpoint: Checkpoint) -> dict[Maze, Trace]:
    """Ready-made traces of a model trained on mazes, by maze: on screen before torch has loaded."""
    size = facts(checkpoint)[0].data.mazes.size
    return {
        Maze.of(cells_of(each.pixels[None], size)[0]): replace(each, label=None)
        for each in gallery(checkpoint).values()
    }


def needs_longer(checkpoint: Checkpoint) -> Maze | None:
    """A maze that the model answers rightly only after more steps than its training had, if its report keeps one."""
    report = reports.stored(checkpoint, "sizes") if reports.has(checkpoint, "sizes") else None
    return longer.late(report) if report else None


def control(checkpoint: Checkpoint) -> tuple[str, SizeReport] | None:
    """A model without steps that was trained on the same mazes and tried on the same sizes; None without one."""
    source = facts(checkpoint)[0].data.source
    for name, config in models().items():
        other = checkpoints()[name]
        if not config.model.recurrent and config.data.source == source and reports.has(other, "sizes"):
            return name, reports.stored(other, "sizes")
    return None


@st.cache_resource(max_entries=128, show_spinner="Running the model …")
def trace(checkpoint: Checkpoint, maze: Maze, depth: int) -> Trace:
    """The trace of a maze, over `depth` times the trained supervision steps; its label is left out.

    Raises ConfigError if the model cannot be given mazes of this size.
    """
    made = ready(checkpoint).get(maze) if depth == 1 else None
    if made is not None:
        return made
    from vitrm.traces.recording import tracing

    network = model_for(checkpoint, maze.size)
    pixels = render(maze.cells[None], network.config.image_size)[0]
    steps = depth * network.config.supervision_steps
    small = steps * maze.size**4 <= _ATTENTION
    return inference.run(tracing(network, pixels, steps, attention=small), network.config, supervision_steps=steps)


@st.cache_resource(max_entries=8, show_spinner=False)
def model_for(checkpoint: Checkpoint, size: int):
    """The model for mazes of size x size cells. Raises ConfigError if it cannot be given any of that size."""
    network, known = model(checkpoint), facts(checkpoint)[0].data.mazes
    if size == known.size:
        return network
    from vitrm.families import resized

    return resized(network, known.image_size(network.config.image_size, size))
