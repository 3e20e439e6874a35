"""Widgets that several pages share: they read and write session keys and return plain values."""

from __future__ import annotations

import random
import re

import streamlit as st

from app import state
from vitrm.traces import Trace

_CHOICE = "gallery_choice"


def choose_image(gallery: dict[str, Trace], test_images: int) -> None:
    """Pick a ready-made image, a random one of the test split, or another draw of the glimpses."""
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
        st.button(
            "Other glimpses",
            icon=":material/visibility:",
            key="other_glimpses",
            help="The same image, with the patches drawn in another order",
            on_click=lambda: st.session_state.update({state.GLIMPSE_SEED: st.session_state[state.GLIMPSE_SEED] + 1}),
        )


def _show(image: str) -> None:
    st.session_state[state.IMAGE] = image
    st.session_state[state.GLIMPSE_SEED] = 0


def _is_test_image(name: str, test_images: int) -> bool:
    found = re.fullmatch(r"test-(\d{1,9})", name)
    return bool(found) and int(found[1]) < test_images
