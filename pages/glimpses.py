"""Glimpses: what the model has seen so far; other draws, choosing the patches oneself, a game, and which order wins."""

import streamlit as st

from app import cache, inputs, state
from app.glimpses import view as glimpse_view
from app.sections import head, sections, show

state.start()
place = head(
    "How much does it have to see?",
    "Here the model reads only a few patches in each supervision step, so evidence arrives piece by piece. "
    "Press **Play**: after which step do you know what it is, and after which does the model?",
)
checkpoint = inputs.choose_checkpoint(
    pictured=True, beside=place, lacks=lambda config: "" if config.model.glimpse_patches else "it sees the whole image"
)
if st.session_state[state.PART] != state.DEFAULTS[state.PART]:  # what a section was called in a link of earlier days
    show(st.session_state[state.PART])
    st.session_state[state.PART] = state.DEFAULTS[state.PART]
if inputs.configuration(checkpoint).model.glimpse_patches is None:
    st.info(
        f"“{checkpoint.name}” reads the whole image in every step, so there are no glimpses to show. Choose "
        "another model."
    )
    state.to_url(state.PART, state.POLICY)
else:
    trace = glimpse_view.watch(checkpoint)
    sections(*glimpse_view.parts(checkpoint, trace), others=glimpse_view.CLOSER)
cache.warm_up()
