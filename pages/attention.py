"""Attention: what each memory token reads from the image, and what the answer reads from the memory."""

import streamlit as st

from app import cache, inputs, state
from app.player.page import player_page

state.start()
st.title("What the memory reads")
st.markdown(
    "Only the memory looks at the image. Choose a layer, a head and a memory token, and move through the updates; "
    "click a patch to turn the question around. Attention says where information *could* come from. It is no proof "
    "that it mattered."
)
player_page(inputs.choose_checkpoint(), "attention_player", ("attention", "edits", "attribution"), "single update")
cache.warm_up()
