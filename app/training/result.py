"""What a finished training came to on the test split, and the ways on with it."""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st

from app import state
from app.training import cache
from vitrm.config import Config
from vitrm.errors import VitrmError
from vitrm.runs.folder import Run
from vitrm.runs.summary import Summary


class Way(NamedTuple):
    """A page to go on with, and the session keys that get the run's name there."""

    label: str
    icon: str
    page: str
    keys: tuple[str, ...]


def result(name: str) -> None:
    """The test result of a run that is finished, and where to go with it; nothing while it is not."""
    run = Run(cache.trainings().runs / name)
    try:
        summary = run.summary() if run.is_complete else None
        config = cache.settings(cache.watched(name)) if summary is not None else None
    except VitrmError:
        return  # said below
    if config is None:
        return
    with st.container(border=True):
        st.markdown(sentence(summary, config))
        lead_on(name, config)


def lead_on(name: str, config: Config) -> None:
    """The buttons that show a finished run as the model of another page."""
    with st.container(horizontal=True):
        for way in ways(config):
            if st.button(way.label, icon=f":material/{way.icon}:", key=f"way_{way.page}"):
                for key in way.keys:
                    st.session_state[key] = name
                st.switch_page(f"../pages/{way.page}.py")


def sentence(summary: Summary, config: Config) -> str:
    """The test result in words, with what it was measured on."""
    test, steps = summary.test, config.model.supervision_steps
    right = f"**{100 * test.accuracy[steps - 1]:.1f} %** of {test.n:,} test images right"
    if steps > 1:
        right += f" after supervision step {steps}, {100 * test.accuracy[0]:.1f} % after step 1"
    return (
        f"Test result: {right}; chance is {100 / config.model.num_classes:.0f} %. Measured once, with the weights "
        f"after epoch {summary.best_epoch}, the best on validation ({100 * summary.best_val_accuracy:.1f} %)."
    )


def ways(config: Config) -> list[Way]:
    """The pages that have most to show of such a model, three at most."""
    watch = Way("Watch it step by step", "footprint", "step", (state.CHECKPOINT,))
    halting = Way("Judge its halting", "stop_circle", "halting", (state.CHECKPOINT,))
    mixture = Way("See its mixture", "blender", "mixture", (state.MIXTURE_MODEL,))
    own = Way("Give it your picture", "add_a_photo", "your_image", (state.PHOTO_MODEL, state.DRAWING_MODEL))
    mazes = Way("Give it mazes", "route", "mazes", (state.MAZE_MODEL,))
    compare = Way("Compare it", "compare_arrows", "compare", (state.LEFT,))
    model = config.model
    if not model.recurrent:
        return [*([mixture] if model.family == "sr-vit" else []), compare]
    if config.data.mazes is not None:
        return [mazes, *([halting] if model.supervision_steps > 1 else []), compare]
    return [watch, halting if model.supervision_steps > 1 else own, compare]
