"""Step through: every update with its equation, its shapes and its line of code, and how the memory moves."""

import streamlit as st

from app import cache, figures, inputs, state
from app.player import player

PANELS = ("equations", "memory")

state.start()
st.title("Step through the recursion")
st.markdown(
    "One press of **→** is one update. Watch which equation is at work, what shape the tensors have, and which lines "
    "of the core do it. Below, the memory itself: how alike its tokens are, and how far each of them has moved."
)
checkpoint = inputs.choose_checkpoint()
trace, config, summary = inputs.choose_trace(checkpoint)
player(
    trace,
    key="step_player",
    panels=PANELS,
    level="single update",
    chosen=inputs.player_choices("step_player", trace),
    name=f"{checkpoint.name}-{st.session_state[state.IMAGE]}",
    address=state.address(),
)
caption = figures.provenance(checkpoint.name, st.session_state[state.IMAGE], trace.seed, config, summary)
st.caption(caption)
inputs.keep(trace, checkpoint, PANELS, caption)
cache.warm_up()
