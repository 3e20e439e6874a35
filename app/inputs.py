"""Widgets that several pages share: they read and write session keys and return plain values."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from typing import Any

import streamlit as st

from app import cache, state
from app.player import Choices, choices, parse_edit
from vitrm.config import Config
from vitrm.errors import ConfigError, DataError, VitrmError
from vitrm.traces import Trace

_CHOICE = "gallery_choice"


def choose_checkpoint() -> str:
    """Pick one of the finished models on this machine."""
    names = cache.checkpoints()
    chosen = st.session_state[state.CHECKPOINT]
    if chosen not in names:
        usual = state.DEFAULTS[state.CHECKPOINT]
        instead = usual if usual in names else names[0]
        st.warning(f"There is no checkpoint “{chosen}” here; showing “{instead}”.")
        chosen = st.session_state[state.CHECKPOINT] = instead

    def take() -> None:
        st.session_state[state.CHECKPOINT] = st.session_state["checkpoint_choice"]

    st.selectbox("Model", names, index=names.index(chosen), key="checkpoint_choice", on_change=take)
    return st.session_state[state.CHECKPOINT]


def configuration(checkpoint: str) -> Config:
    """The configuration of a checkpoint; what is wrong with it is said in one sentence, and the page ends there."""
    try:
        return cache.facts(checkpoint)[0]
    except VitrmError as error:
        st.error(f"This checkpoint cannot be shown: {error}")
        st.stop()


def choose_trace(checkpoint: str) -> tuple[Trace, Config, dict[str, Any]]:
    """Pick a test image for a checkpoint; its trace, and the checkpoint's configuration and summary.

    What cannot be shown is said in one sentence, and the page ends there.
    """
    try:
        config, summary = cache.facts(checkpoint)
        image, seed = _choose_image(cache.gallery(checkpoint), summary["split_sizes"]["test"], config)
        return cache.trace(checkpoint, image, seed), config, summary
    except DataError as error:
        st.error(f"The images that “{checkpoint}” was tested on are not on this machine: {error}")
    except VitrmError as error:
        st.error(f"This checkpoint cannot be shown: {error}")
    st.stop()


def player_choices(key: str) -> Choices:
    """Where the player `key` stands: what was chosen in it, or what the link says before it has been shown."""
    session = st.session_state
    chosen = choices(key, Choices(session[state.POSITION], session[state.VIEW], session[state.EDIT]))
    session[state.POSITION], session[state.VIEW], session[state.EDIT] = chosen.position, chosen.view, chosen.edit
    return chosen


def edited_trace(checkpoint: str, chosen: Choices) -> tuple[Choices, Trace | None]:
    """The chosen image again, under the edit that the player or a link names. One that cannot be made is left out."""
    if not chosen.edit:
        return chosen, None
    image, seed = st.session_state[state.IMAGE], st.session_state[state.GLIMPSE_SEED]
    try:
        return chosen, cache.trace(checkpoint, image, seed, parse_edit(chosen.edit))
    except ConfigError as error:
        st.warning(f"An edit is left out: {error}")
        return replace(chosen, edit=""), None


def _choose_image(gallery: dict[str, Trace], test_images: int, config: Config) -> tuple[str, int]:
    """A ready-made image, a random one of the test split, or another draw of the glimpses."""
    if not _is_test_image(st.session_state[state.IMAGE], test_images):
        st.warning(f"There is no image “{st.session_state[state.IMAGE]}” in this data set; showing another one.")
        st.session_state[state.IMAGE] = next(iter(gallery), "test-0")
    st.session_state[_CHOICE] = st.session_state[state.IMAGE] if st.session_state[state.IMAGE] in gallery else None

    def take_choice() -> None:
        if st.session_state[_CHOICE] is not None:
            _show(st.session_state[_CHOICE])

    if gallery:
        by_class = sorted(gallery, key=lambda name: gallery[name].label)
        st.segmented_control(
            "Pick an image by its true class",
            by_class,
            format_func=lambda name: gallery[name].class_names[gallery[name].label],
            key=_CHOICE,
            on_change=take_choice,
        )
    with st.container(horizontal=True, key="choose_image"):
        st.button(
            "Random image",
            icon=":material/casino:",
            key="random_image",
            on_click=lambda: _show(f"test-{random.randrange(test_images)}"),
        )
        if config.model.glimpse_patches:
            st.button(
                "Other glimpses",
                icon=":material/visibility:",
                key="other_glimpses",
                help="The same image, with the patches drawn in another order",
                on_click=lambda: st.session_state.update(
                    {state.GLIMPSE_SEED: st.session_state[state.GLIMPSE_SEED] + 1}
                ),
            )
    return st.session_state[state.IMAGE], st.session_state[state.GLIMPSE_SEED]


def _show(image: str) -> None:
    st.session_state[state.IMAGE] = image
    st.session_state[state.GLIMPSE_SEED] = 0


def _is_test_image(name: str, test_images: int) -> bool:
    found = re.fullmatch(r"test-(\d{1,9})", name)
    return bool(found) and int(found[1]) < test_images
