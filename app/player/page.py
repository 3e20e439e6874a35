"""A player on a page: what it starts with, what goes below it, and what can be kept of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import streamlit as st

from app import cache, figures, inputs, state
from app.attention import view as attention
from app.cache import Checkpoint
from app.files import save_button
from app.player.cells import Cells
from app.player.player import Choices, choices, player
from app.player.printed import figures as figures_of
from app.player.standalone import standalone
from app.printed import view as printed
from vitrm.config import Config, ModelConfig
from vitrm.errors import VitrmError
from vitrm.traces.trace import Trace


def player_page(
    checkpoint: Checkpoint,
    key: str,
    panels: tuple[str, ...] = (),
    level: str = "supervision step",
    *,
    predict: bool = False,
    ask: bool = False,
    first: bool = False,
) -> Config:
    """Pick a test image, and the player `key` for its trace with these panels; what it is worth, and files to keep.

    With `first` the player stands above what picks the image; `level`, `predict` and `ask` are its own. What cannot be
    shown is said in one sentence, and the page ends there.
    """
    above = st.container() if first else None
    trace, config, summary = inputs.choose_trace(checkpoint)
    with above or st.container():
        chosen = choices_in(key, trace, predict=predict)
        attributed = "attribution" in panels
        image = st.session_state[state.IMAGE]
        player(
            trace,
            key=key,
            panels=panels,
            level=level,
            predict=predict,
            ask=ask,
            chosen=chosen,
            edited=edited_trace(checkpoint, chosen) if "edits" in panels else None,
            attribution=attention.attribution(checkpoint) if attributed else None,
            name=f"{checkpoint.name}-{image}",
            address=state.address(),
        )
        if attributed:
            attention.offer_attribution(checkpoint)
    caption = figures.provenance(checkpoint.name, image, trace.seed, config, summary)
    st.caption(caption)
    keep(trace, checkpoint, panels, caption)
    return config


def lesson(model: ModelConfig) -> str:
    """What there is to watch of a model, in two sentences."""
    sees = "the whole image"
    if model.glimpse_patches is not None:
        sees = f"only {model.glimpse_patches} of the image's {model.num_patches} patches"
    return (
        f"**ViTRM** applies one small transformer block again and again; in each step it sees {sees}. "
        "Pick a picture, say what it is, then press **Play** and watch the answer settle."
    )


def choices_in(key: str, trace: Trace, *, predict: bool = False) -> Choices:
    """Where the player `key` stands: what was chosen in it, or what the link says before it has been shown.

    What a link names that the trace does not have is said, and left out.
    """
    session = st.session_state
    start = Choices(session[state.POSITION], session[state.VIEW], session[state.EDIT], session[state.THRESHOLD])
    if key not in session:
        start = _possible(start, trace, first=0 if predict else 1)
    chosen = choices(key, start)
    session[state.POSITION], session[state.VIEW], session[state.EDIT] = chosen.position, chosen.view, chosen.edit
    session[state.THRESHOLD] = chosen.threshold
    return chosen


def _possible(start: Choices, trace: Trace, *, first: int) -> Choices:
    """The same with a position that this trace has. What else it does not have is said."""
    steps, recursions, memory = trace.halt_logit.shape
    moves = steps * recursions * (memory + 1)
    if start.position is not None and not 0 <= start.position <= moves and _linked(state.POSITION):
        st.warning(
            f"The link names position {start.position}; here they go from {first} to {moves}. Showing the nearest one."
        )
    if start.position is not None:
        start = replace(start, position=min(max(start.position, first), moves))
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
            wrong = [f"a view “{figures.as_written(start.view)}” that cannot be read, expected layer.head.token.patch"]
        if wrong and _linked(state.VIEW):  # the player leaves out what it does not have, and keeps the rest
            st.warning(f"The link names {', '.join(wrong)}. Showing the usual one instead.")
    return start


def _linked(key: str) -> bool:
    """Whether what the session has under a key came with the link, and not from another page."""
    return st.query_params.get(key) == str(st.session_state[key])


def edited_trace(checkpoint: Checkpoint, chosen: Choices, make: Callable[[str], Trace] | None = None) -> Trace | None:
    """The trace again under the edit that the player or a link names; None for one that cannot be made.

    It is of the chosen test image, or as `make` makes it.
    """
    if not chosen.edit:
        return None
    image, seed = st.session_state[state.IMAGE], st.session_state[state.GLIMPSE_SEED]
    try:
        return make(chosen.edit) if make else cache.changed_trace(checkpoint, image, seed, chosen.edit)
    except VitrmError as error:  # it cannot be, or takes more than this server allows
        st.warning(f"An edit is left out: {figures.plain(str(error))}")
        return None


def keep(
    trace: Trace,
    checkpoint: Checkpoint,
    panels: tuple[str, ...],
    caption: str,
    *,
    image: str = "",
    cells: Cells | None = None,
) -> None:
    """What is on show as files to keep. `image` is what it is called, if not by the name of a test image."""
    name = f"{checkpoint.name}-{image or st.session_state[state.IMAGE]}-{trace.seed}"
    attributed = (
        attention.attribution(checkpoint) if "attribution" in panels else None
    )  # a click is served outside the session
    with st.container(horizontal=True):
        save_button(
            "Trace as NPZ",
            lambda: figures.trace_file(trace),
            f"{name}.npz",
            icon="download",
            help="Everything on this page as arrays; read it with vitrm.Trace.load(path)",
        )
        save_button("Numbers as CSV", lambda: figures.numbers_file(trace), f"{name}.csv", icon="table")
        save_button(
            "Player as HTML",
            lambda: standalone(trace, f"ViTRM: {name}", caption, panels, attributed, cells=cells),
            f"{name}.html",
            icon="web",
            help="One file that opens in any browser, without this app and without a network",
        )
        printed.offer(lambda: figures_of(trace, panels, attributed, cells), name, caption, "Figures for a paper")
