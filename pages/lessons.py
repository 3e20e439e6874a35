"""Lessons: eight questions of five minutes each, on the real pages of this app; and the same on paper."""

import streamlit as st

from app import cache, state
from app.lessons.shelf.shelf import shelf
from app.sheets import view

state.start()
if st.session_state[state.PRINT]:
    view.show(st.session_state[state.PRINT])
else:
    st.title("Lessons")
    st.markdown(
        "Each lesson is one question. You say what you expect, you try it on a real page with a real model, and you "
        "see how far off you were. Begin with the first one, or take any."
    )
    shelf()
    view.offer()
cache.warm_up()
