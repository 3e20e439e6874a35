"""A maze to draw: click or drag to set cells, or use the keyboard; undo; where the shortest path runs, if it is shown.

The board tells the server the maze as text (`app.mazes.maze.to_text`) when the hand has come to rest, and writes it
into the page's address.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import streamlit as st

from app.mazes import maze as mazes
from vitrm.data.mazes import COLOURS, FIRST_GEM, Solution


def _file(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


_component = st.components.v2.component(
    "vitrm_maze_board",
    html=_file("board.html"),
    css=_file("board.css"),
    js="\n".join((_file("../../player/js/drawing.js"), _file("board.js"))),
)


def maze_board(
    key: str,
    text: str,
    *,
    version: int,
    gems: int,
    shown: Solution | None,
    address: Mapping[str, str | None],
    on_maze: Callable[[str], None],
) -> None:
    """Show the board with the maze `text`; `on_maze` is told what the learner made of it.

    The board keeps what is drawn on it; only with another `version` does it take `text` instead. `gems` colours are
    offered. `shown` is the answer, where it is to be seen. `address` is what the page's address says besides the maze
    (None: nothing about this name). What `on_maze` is told is whatever the browser sent: not checked in any way.
    """

    def take() -> None:
        sent = st.session_state[key].get("maze")
        if isinstance(sent, str):
            on_maze(sent)

    _component(
        data={
            "maze": text,
            "version": version,
            "signs": mazes.SIGNS[: FIRST_GEM + gems],
            "colours": mazes.cell_colours(),
            "gems": list(COLOURS[:gems]),
            "path": None if shown is None else [list(cell) for cell in shown.path],
            "address": dict(address),
        },
        key=key,
        on_maze_change=take,
    )
