"""Widgets that several pages share: they read and write session keys and return plain values."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import streamlit as st

from app import cache, figures, state
from app.attention.attribution import Attribution
from app.cache import Checkpoint
from app.mixture import cache as mixture_cache
from app.mixture.panel import impossible
from app.mixture.panel import mixture_view as view_of
from app.player import Choices, choices, standalone
from app.player.cells import Cells
from vitrm.config import Config, GlimpsePolicy
from vitrm.errors import ConfigError, DataError, VitrmError
from vitrm.traces.mixture import MixtureTrace
from vitrm.traces.trace import Trace

_CHOICE = "gallery_choice"
_DEPTH = "depth_choice"


def choose_checkpoint(key: str = state.CHECKPOINT, recursive: bool = True) -> Checkpoint:
    """Pick one of the finished models on this machine; the choice is kept under the session key `key`.

    With `recursive` the page is about a recursion: a model that has none is said to, and the page ends there.
    """
    names, found = list(cache.checkpoints()), known_checkpoint(key)
    if st.session_state[key] != found.name:
        st.warning(f"There is no checkpoint “{st.session_state[key]}” here; showing “{found.name}”.")
        st.session_state[key] = found.name

    def take() -> None:
        st.session_state[key] = st.session_state[f"{key}_choice"]

    st.selectbox("Model", names, index=names.index(found.name), key=f"{key}_choice", on_change=take)
    model = configuration(found).model if recursive else None
    if model is not None and not model.halts:
        st.info(
            f"“{found.name}” is a {model.title}: it answers once, without supervision steps, memory or halting, so "
            "this page has nothing to show of it. Choose another model."
        )
        st.stop()
    return found


def known_checkpoint(key: str) -> Checkpoint:
    """What was chosen under a session key; where there is no such model (any more), the usual one, or any."""
    known, chosen, usual = cache.checkpoints(), st.session_state[key], state.DEFAULTS[key]
    return next(known[name] for name in (chosen, usual, *known) if name in known)


def checkpoint(name: str) -> Checkpoint:
    """The checkpoint of that name; where there is none that is said in one sentence, and the page ends there."""
    try:
        return cache.checkpoint(name)
    except VitrmError as error:
        st.error(f"This checkpoint cannot be shown: {error}")
        st.stop()


def configuration(checkpoint: Checkpoint) -> Config:
    """The configuration of a checkpoint; what is wrong with it is said in one sentence, and the page ends there."""
    try:
        return cache.facts(checkpoint)[0]
    except VitrmError as error:
        st.error(f"This checkpoint cannot be shown: {error}")
        st.stop()


def choose_trace(
    checkpoint: Checkpoint, *, deeper: bool = False, policy: GlimpsePolicy = "random", other_draws: bool = True
) -> tuple[Trace, Config, dict[str, Any]]:
    """Pick a test image for a checkpoint; its trace, and the checkpoint's configuration and summary.

    With `deeper` the learner may run more supervision steps than it was trained with. `policy` says who chooses the
    glimpses, `other_draws` whether others are offered. What cannot be shown is said in one sentence, and the page ends
    there.
    """
    try:
        config, summary = cache.facts(checkpoint)
        draws = other_draws and config.model.glimpse_patches is not None and policy == "random"
        image, seed = choose_image(cache.gallery(checkpoint), summary["split_sizes"]["test"], draws)
        depth = choose_depth(config.model.supervision_steps) if deeper else 1
        if depth > 1:
            return cache.deeper_trace(checkpoint, image, seed, depth), config, summary
        return cache.trace(checkpoint, image, seed, policy), config, summary
    except VitrmError as error:
        _say(error, checkpoint)
    state.to_url()
    st.stop()


def choose_depth(trained: int) -> int:
    """How many times the trained number of supervision steps is to be run."""

    def take() -> None:
        if st.session_state[_DEPTH] is not None:
            st.session_state[state.DEPTH] = st.session_state[_DEPTH]

    st.session_state[_DEPTH] = st.session_state[state.DEPTH]
    names = {1: f"{trained}, as trained", 2: f"{2 * trained}, twice that", 4: f"{4 * trained}, four times"}
    st.segmented_control("Steps to run", state.DEPTHS, format_func=names.get, key=_DEPTH, on_change=take)
    return st.session_state[state.DEPTH]


def choose_mixture(checkpoint: Checkpoint) -> MixtureTrace | None:
    """Pick a test image for an SR-ViT; its trace. What cannot be shown is said in one sentence, and it is None."""
    try:
        test_images = cache.facts(checkpoint)[1]["split_sizes"]["test"]
        image, _ = choose_image(mixture_cache.gallery(checkpoint), test_images, False)
        return mixture_cache.trace(checkpoint, image)
    except VitrmError as error:
        _say(error, checkpoint)
    return None


def mixture_view(key: str, trace: MixtureTrace) -> str:
    """The view of the mixture panel `key`; what a link names that the trace does not have is said, and left out."""
    start = st.session_state[state.MIXTURE_VIEW]
    if key not in st.session_state and (wrong := impossible(start, trace)):
        st.warning(f"The link names {wrong}. Showing the usual one instead.")
        start = ""
    st.session_state[state.MIXTURE_VIEW] = chosen = view_of(key, start)
    return chosen


def _say(error: VitrmError, checkpoint: Checkpoint) -> None:
    """Why there is no trace of a checkpoint, in one sentence."""
    if isinstance(error, DataError):
        st.error(f"The images that “{checkpoint.name}” was tested on are not on this machine: {error}")
    else:
        st.error(f"This checkpoint cannot be shown: {error}")


def player_choices(key: str, trace: Trace) -> Choices:
    """Where the player `key` stands: what was chosen in it, or what the link says before it has been shown.

    What a link names that the trace does not have is said, and left out.
    """
    session = st.session_state
    start = Choices(session[state.POSITION], session[state.VIEW], session[state.EDIT], session[state.THRESHOLD])
    if key not in session:
        start = _possible(start, trace)
    chosen = choices(key, start)
    session[state.POSITION], session[state.VIEW], session[state.EDIT] = chosen.position, chosen.view, chosen.edit
    session[state.THRESHOLD] = chosen.threshold
    return chosen


def _possible(start: Choices, trace: Trace) -> Choices:
    """The same with a position that this trace has. What else it does not have is said."""
    steps, recursions, memory = trace.halt_logit.shape
    moves = steps * recursions * (memory + 1)
    if start.position is not None and not 0 <= start.position < moves:
        st.warning(
            f"The link names position {start.position}; here they go from 0 to {moves - 1}. Showing the nearest one."
        )
        start = replace(start, position=min(max(start.position, 0), moves - 1))
    if start.view and trace.patch_attention is not None:
        depth, heads, tokens = trace.patch_attention.shape[3:6]
        limits = {"layer": depth, "head": heads, "memory token": tokens}
        limits["patch"] = (trace.pixels.shape[-1] // trace.patch_size) ** 2
        try:
            numbers = [int(part) for part in start.view.split(".")]
        except ValueError:
            numbers = []
        wrong = [
            f"{name} {number + 1} (there are {count})"  # counted from 1 on the page
            for (name, count), number in zip(limits.items(), numbers, strict=False)
            if not (number < count and number >= (0 if name == "layer" else -1))
        ]
        if len(numbers) != len(limits):
            wrong = [f"a view “{start.view}” that cannot be read, expected layer.head.token.patch"]
        if wrong:  # the player leaves out what it does not have, and keeps the rest
            st.warning(f"The link names {', '.join(wrong)}. Showing the usual one instead.")
    return start


def edited_trace(checkpoint: Checkpoint, chosen: Choices, make: Callable[[str], Trace] | None = None) -> Trace | None:
    """The trace again under the edit that the player or a link names; None for one that cannot be made.

    It is of the chosen test image, or as `make` makes it.
    """
    if not chosen.edit:
        return None
    image, seed = st.session_state[state.IMAGE], st.session_state[state.GLIMPSE_SEED]
    try:
        return make(chosen.edit) if make else cache.changed_trace(checkpoint, image, seed, chosen.edit)
    except ConfigError as error:
        st.warning(f"An edit is left out: {error}")
        return None


def keep(
    trace: Trace,
    checkpoint: Checkpoint,
    panels: tuple[str, ...],
    caption: str,
    *,
    image: str = "",
    cells: Cells | None = None,
    attributed: Attribution | None = None,
) -> None:
    """What is on show as files to keep. `image` is what it is called, if not by the name of a test image."""
    name = f"{checkpoint.name}-{image or st.session_state[state.IMAGE]}-{trace.seed}"
    with st.container(horizontal=True):
        st.download_button(
            "Trace as NPZ",
            lambda: figures.trace_file(trace),
            f"{name}.npz",
            icon=":material/download:",
            help="Everything on this page as arrays; read it with vitrm.Trace.load(path)",
            on_click="ignore",
        )
        st.download_button(
            "Numbers as CSV",
            lambda: figures.numbers_file(trace),
            f"{name}.csv",
            icon=":material/table:",
            on_click="ignore",
        )
        st.download_button(
            "Player as HTML",
            lambda: standalone(trace, f"ViTRM: {name}", caption, panels, attributed, cells=cells),
            f"{name}.html",
            mime="text/html",
            icon=":material/web:",
            help="One file that opens in any browser, without this app and without a network",
            on_click="ignore",
        )


def choose_image(gallery: dict[str, Trace] | dict[str, MixtureTrace], test_images: int, draws: bool) -> tuple[str, int]:
    """A ready-made image, a random one of the test split, or, with `draws`, another draw of the glimpses; its seed."""
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
        if draws:
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
