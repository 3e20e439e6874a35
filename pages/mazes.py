"""Mazes: a task in which information travels. Draw one, watch the answer, and see how far the memory has come."""

import streamlit as st

from app import cache, state
from app.mazes import view as maze_view

state.start()
st.title("Mazes: where more steps help")
st.markdown(
    "From **S** exactly one gem can be reached; the others lie behind walls. The model is to name its colour. "
    "What lies around the start and the gems gives much away, short ways above all; to be sure one has to follow the "
    "way, and a longer way takes more steps. **Draw a maze, "
    "guess, and watch** whether the model's answer needs more steps for a longer path."
)
asked = maze_view.choose_model()
maze = maze_view.choose_maze(asked)
seen = maze_view.show_board(asked, maze)
if asked:
    st.header("The answer, step by step")
    maze_view.ask(asked, maze, seen)
    st.header("All test mazes")
    maze_view.test_set(asked)
cache.warm_up()
