"""Attention: what each memory token reads from the image, and what the answer reads from the memory."""

import streamlit as st

from app import cache, figures, inputs, state
from app.attention.view import attribution, offer_attribution
from app.player import player

PANELS = ("attention", "edits", "attribution")

state.start()
st.title("What the memory reads")
st.markdown(
    "Only the memory looks at the image. Choose a layer, a head and a memory token, and move through the updates; "
    "click a patch to turn the question around. Attention says where information *could* come from. It is no proof "
    "that it mattered."
)
checkpoint = inputs.choose_checkpoint()
trace, config, summary = inputs.choose_trace(checkpoint)
chosen, attributed = inputs.player_choices("attention_player", trace), attribution(checkpoint)
player(
    trace,
    key="attention_player",
    panels=PANELS,
    level="single update",
    chosen=chosen,
    edited=inputs.edited_trace(checkpoint, chosen),
    attribution=attributed,
    name=f"{checkpoint.name}-{st.session_state[state.IMAGE]}",
    address=state.address(),
)
offer_attribution(checkpoint)
caption = figures.provenance(checkpoint.name, st.session_state[state.IMAGE], trace.seed, config, summary)
st.caption(caption)
inputs.keep(trace, checkpoint, PANELS, caption, attributed=attributed)
cache.warm_up()
