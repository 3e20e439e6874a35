"""The look inside a training: the player on the weights as they are, or as they were after an epoch."""

from __future__ import annotations

import time

import streamlit as st

from app import figures, numbers
from app.picker.picker import picker
from app.player.player import player
from app.training import cache, printed
from app.training import figures as training_figures
from app.training.curves.curves import curves, payload
from vitrm.errors import VitrmError
from vitrm.runs.folder import Run


def look_inside(name: str) -> None:
    """The player on the latest weights, or on those after an epoch, for one of the watched images."""
    run = Run(cache.trainings().runs / name)
    epochs = run.snapshots() if run.has_config else []
    st.header("Look inside")
    try:
        model = cache.settings(cache.watched(name)).model if run.has_config else None
    except VitrmError:
        return  # said above
    if model is not None and not model.recurrent:
        st.caption(f"A {model.title} has no supervision steps to look into.")
        return
    if not epochs:
        st.caption("As soon as the training has begun, the player can be opened here on the weights as they are.")
        return
    if not st.toggle("Open the player on this run", key="look_inside", help="Runs beside the training, not in it"):
        return
    try:
        _look(name, run, epochs)
    except VitrmError as error:
        st.error(f"This cannot be shown: {error}")


def _look(name: str, run: Run, epochs: list[int]) -> None:
    watched = cache.watched(name)
    first = cache.snapshot(watched, epochs[0])
    kept = f"watched_{name}"
    if (image := st.session_state.get(kept)) not in first:
        image = next(iter(first))

    def pick(chosen: str) -> None:
        st.session_state[kept] = chosen

    with st.container(horizontal=True, vertical_alignment="bottom"):
        picker({each: made.pixels for each, made in first.items()}, image, "watched_pictures", pick)
        now = st.button("Look inside now", icon=":material/refresh:", key="look_now", help="Take the latest weights")
    stops = [*epochs, "now"]
    key = f"look_at_{name}"
    if now or st.session_state.get(key) not in stops:
        st.session_state[key] = "now"
        st.session_state["look_written"] = run.latest_at
    at = st.select_slider(
        "After epoch", stops, key=key, help="0 is before any training; “now” are the latest weights, averaged"
    )
    written = st.session_state.get("look_written") or run.latest_at
    if at == "now":
        trace, written = cache.latest_trace(watched, written, image)
    else:
        trace = cache.snapshot(watched, at)[image]
    what = f"as of {time.strftime('%H:%M:%S', time.localtime(written / 1e9))}" if at == "now" else f"after epoch {at}"
    player(trace, key="train_player", panels=("attention",))
    config = cache.settings(watched)
    st.caption(
        f"Image: {config.data.title}, validation split, number {image.removeprefix('val-')}"
        f"{figures.drawn(config, trace.seed)}. Model: run {name}, {training_figures.weights(config)} {what}, "
        f"training seed {config.train.seed}; chance {100 / config.model.num_classes:.0f} %. It may still be training: "
        "what you see is no result."
    )
    answers = {epoch: cache.snapshot_answers(watched, epoch, image) for epoch in epochs}
    st.markdown("**How the answer to this image grew**")
    probs, halts = ({epoch: pair[k] for epoch, pair in answers.items()} for k in (0, 1))
    charts = training_figures.growth_charts(probs, halts, trace.class_names, trace.label)
    curves(payload(charts), key="growth_curves")
    printed.offer(lambda: charts, f"{name}-{image}", f"How the answer of run {name} to validation image {image} grew")
    with st.expander("The numbers behind these curves"):
        numbers.table(training_figures.growth_table(probs, halts, trace.class_names))
