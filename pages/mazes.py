"""Mazes: a task in which information travels. Draw one, watch the answer, and see how far the memory has come."""

import streamlit as st

from app import cache, state
from app.mazes import all_mazes
from app.mazes import view as maze_view
from app.present import present
from app.sections import Section, head, is_open, sections

state.start()
place = head(
    "Do longer ways take more steps?",
    "From **S** exactly one gem can be reached; the others lie behind walls. To name it one has to follow the way. "
    "**Draw a maze, guess, and watch** whether the model needs more steps for a longer path.",
)
asked = maze_view.choose_model(place)
maze = maze_view.choose_maze(asked)
with st.container(key=present.LEAD):
    seen = maze_view.show_board(asked, maze)
if asked:
    sections(
        Section("answer", "The model's answer, step by step", lambda: maze_view.ask(asked, maze, seen)),
        *all_mazes.sections_of(asked),
        lead="" if is_open("answer") else "Maze",  # its player presents itself
    )
cache.warm_up()
