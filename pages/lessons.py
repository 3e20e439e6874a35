"""Lessons: eight questions of five minutes each, on the real pages of this app."""

import streamlit as st

from app import cache, state
from app.lessons.shelf.shelf import shelf

state.start()
st.title("Lessons")
st.markdown(
    "Each lesson is one question. You say what you expect, you try it on a real page with a real model, and you see "
    "how far off you were. Begin with the first one, or take any."
)
shelf()
cache.warm_up()
