"""Step through: every update with its equation, its shapes and its line of code, and how the memory moves."""

import streamlit as st

from app import cache, inputs, state
from app.player.page import player_page

state.start()
st.title("Step through the recursion")
st.markdown(
    "One press of **→** is one update. Watch which equation is at work, what shape the tensors have, and which lines "
    "of the core do it. Below, the memory itself: how alike its tokens are, and how far each of them has moved."
)
player_page(inputs.choose_checkpoint(), "step_player", ("equations", "memory"), "single update", predict=True)
cache.warm_up()
