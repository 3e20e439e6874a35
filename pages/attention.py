"""Attention: what each memory token reads from the image, and what the answer reads from the memory."""

import streamlit as st

from app import cache, figures, inputs, state
from app.player import player

state.start()
st.title("What the memory reads")
st.markdown(
    "Only the memory looks at the image. Choose a layer, a head and a memory token, and move through the updates; "
    "click a patch to turn the question around. Attention says where information *could* come from. It is no proof "
    "that it mattered."
)
checkpoint = inputs.choose_checkpoint()
trace, config, summary = inputs.choose_trace(checkpoint)
chosen = inputs.player_choices("attention_player")
chosen, edited = inputs.edited_trace(checkpoint, chosen)
player(
    trace,
    key="attention_player",
    panels=("attention", "edits"),
    level="single update",
    chosen=chosen,
    edited=edited,
    address=state.address(),
)
st.caption(figures.provenance(checkpoint, st.session_state[state.IMAGE], trace.seed, config, summary))
cache.warm_up()
