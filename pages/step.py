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
name = f"{checkpoint}-{st.session_state[state.IMAGE]}-{trace.seed}"
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
cache.warm_up()
