"""What mattered to the answer on show: the attribution, and the button that has it computed."""

from __future__ import annotations

import streamlit as st

from app import cache, inputs, state
from app.attention.attribution import Attribution
from app.cache import Checkpoint


def attribution(checkpoint: Checkpoint) -> Attribution | None:
    """The attribution of the image on show, if it is there."""
    job = cache.attribution(checkpoint, st.session_state[state.IMAGE], st.session_state[state.GLIMPSE_SEED])
    return job and job.result


def offer_attribution(checkpoint: Checkpoint) -> None:
    """The button that has it computed, and how far that has got."""
    which = checkpoint, st.session_state[state.IMAGE], st.session_state[state.GLIMPSE_SEED]
    job = cache.attribution(*which)
    if job is not None and job.is_running:
        inputs.follow(job, "Attributing the answer to the patches, at every supervision step …")
    elif job is None or job.error is not None:
        if job is not None:
            st.error(f"The attribution could not be computed: {job.error}.")
        st.button(
            "Compute what mattered",
            icon=":material/query_stats:",
            help="Integrated gradients, occlusion and saliency at every supervision step; takes some seconds",
            on_click=inputs.start_job,
            args=(cache.start_attribution, *which),
        )
