"""Attention: what each memory token reads from the image, and what the answer reads from the memory."""

import streamlit as st

from app import cache, inputs, state
from app.player.page import player_page
from app.sections import closer, head, show

PLAYER = "attention_player"
CLOSER = {
    "maps": "Where else attention goes, in numbers",
    "edits": "Change one thing: what was it worth?",
    "attribution": "What mattered: attribution",
}

state.start()
model_place = head(
    "What does the memory read?",
    "Only the memory looks at the image: the nearer a patch is to yellow, the more it is read at this update. "
    "Attention says where information *could* come from; it is no proof that it mattered.",
)
checkpoint = inputs.choose_checkpoint(pictured=True, beside=model_place)
if st.session_state[state.EDIT] and PLAYER not in st.session_state:  # a link that names one is about that panel
    show("edits")
player_page(checkpoint, PLAYER, ("attention", *closer("Look closer", CLOSER)), "single update", first=True)
cache.warm_up()
