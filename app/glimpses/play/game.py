"""Guess before the model does: `game(...)`.

What is being guessed stays in the browser; the server is asked for other images when a game is over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from app.component import DRAWING, TRACE, component, encoded

if TYPE_CHECKING:  # it needs torch
    from vitrm.traces.answers import Answers

_component = component("vitrm_game", __file__, html="game.html", css="glimpses.css", js=(TRACE, DRAWING, "game.js"))


def game(key: str, about: str, values: Mapping[str, Any], on_again: Callable[[], None]) -> None:
    """Show the game; `values` have `rounds` as "images" and what these share; `on_again` is asked for others."""
    _component(data={"key": about, **values}, key=key, on_again_change=on_again)


def rounds(
    indices: np.ndarray, pixels: np.ndarray, labels: np.ndarray, made: Answers, threshold: float
) -> list[dict[str, Any]]:
    """One entry per image of a game, with the step after which the model stops: the first above `threshold`."""
    entries = []
    for k, index in enumerate(indices):
        above = np.flatnonzero(made.halt_prob[k] > threshold)
        entries.append({
            "index": int(index),
            "label": int(labels[k]),
            "pixels": encoded(pixels[k], np.uint8),
            "patches": made.patches[k].tolist(),
            "answers": made.labels[k].tolist(),
            "sure": np.round(made.probs[k].max(axis=-1).astype(float), 4).tolist(),
            "exit": int(above[0]) if len(above) else made.halt_prob.shape[1] - 1,
            "halted": bool(len(above)),
        })  # fmt: skip
    return entries
