"""Step through: every update with its equation, its shapes and its line of code, and how the memory moves."""

import streamlit as st

from app import cache, figures, inputs, state
from app.player import player

state.start()
st.title("Step through the recursion")
st.markdown(
    "One press of **→** is one update. Watch which equation is at work, what shape the tensors have, and which lines "
    "of the core do it. Below, the memory itself: how alike its tokens are, and how far each of them has moved."
)
checkpoint = inputs.choose_checkpoint()
trace, config, summary = inputs.choose_trace(checkpoint)
chosen = inputs.player_choices("step_player")
player(
    trace,
    key="step_player",
    panels=("equations", "memory"),
    level="single update",
    chosen=chosen,
    address=state.address(),
)
st.caption(figures.provenance(checkpoint, st.session_state[state.IMAGE], trace.seed, config, summary))
with st.expander("The numbers behind the curves"):
    st.dataframe(figures.numbers(trace), hide_index=True, width="stretch")
cache.warm_up()
