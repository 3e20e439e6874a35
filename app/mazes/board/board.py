"""A maze to draw: click or drag to set cells, or use the keyboard; undo; where the shortest path runs, if it is shown.

The board tells the server the maze as text (`app.mazes.maze.Maze`) when the hand has come to rest, and writes it
into the page's address.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import streamlit as st

from app.component import DRAWING, component
from app.mazes.maze import SIGNS, Maze
from app.player.cells import cell_colours
from vitrm.config.mazes import COLOURS
from vitrm.data.mazes import FIRST_GEM

_component = component("vitrm_maze_board", __file__, html="board.html", css="board.css", js=(DRAWING, "board.js"))


def maze_board(
    key: str,
    maze: Maze,
    *,
    version: int,
    gems: int,
    shown: bool,
    address: Mapping[str, str | None],
    on_maze: Callable[[str], None],
) -> None:
    """Show the board with `maze`; `on_maze` is told what the learner made of it.

    The board keeps what is drawn on it; only with another `version` does it take `maze` instead. `gems` colours are
    offered. `shown`: with its answer, if it has one. `address` is what the page's address says besides the maze
    (None: nothing about this name). What `on_maze` is told is the text that the browser sent: not checked in any way.
    """

    def take() -> None:
        sent = st.session_state[key].get("maze")
        if isinstance(sent, str):
            on_maze(sent)

    _component(
        data={
            "maze": maze.text,
            "version": version,
            "signs": SIGNS[: FIRST_GEM + gems],
            "colours": cell_colours(),
            "gems": list(COLOURS[:gems]),
            "path": [list(cell) for cell in maze.solution.path] if shown and maze.solution else None,
            "address": dict(address),
        },
        key=key,
        on_maze_change=take,
    )
