"""Choose the next patches oneself: `pick_patches(...)`.

What is being chosen stays in the browser; the server is asked when a step of one's own is complete.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from app.component import DRAWING, TRACE, component, encoded

if TYPE_CHECKING:  # it needs torch
    from vitrm.traces.answers import Answers

Picks = tuple[tuple[int, ...], ...]  # the patches of each supervision step, row-major indices


_component = component("vitrm_picks", __file__, html="picks.html", css="glimpses.css", js=(TRACE, DRAWING, "picks.js"))


def chosen_patches(key: str, about: str) -> Picks:
    """What has been chosen in the component `key` for the image `about`, step by step; () before the first step.

    It comes from the browser as it is: whoever runs a model on it has it checked there.
    """
    kept = st.session_state.get(key)
    sent = kept.get("picks") if kept is not None else None
    if not isinstance(sent, dict) or sent.get("key") != about or not isinstance(sent.get("patches"), list):
        return ()
    steps = sent["patches"]
    if not all(isinstance(step, list) and all(isinstance(patch, int) for patch in step) for step in steps):
        return ()
    return tuple(tuple(step) for step in steps)


def pick_patches(key: str, about: str, values: Mapping[str, Any], picks: Picks) -> None:
    """Show the patches to choose from; `chosen_patches` tells what was. `values` are `picture`'s and `comparison`'s."""
    _component(
        data={"key": about, "picks": [list(step) for step in picks], **values},
        key=key,
        default={"picks": None},
        on_picks_change=lambda: None,
    )


def picture(pixels: np.ndarray, patch_size: int, classes: Sequence[str], label: int) -> dict[str, Any]:
    """An image as the components draw it: pixels (C, H, W) uint8."""
    return {
        "classes": list(classes),
        "label": label,
        "channels": pixels.shape[0],
        "imageSize": pixels.shape[1],
        "patchSize": patch_size,
        "pixels": encoded(pixels, np.uint8),
    }


def comparison(
    own: Answers | None, orders: Mapping[str, Answers], draws: Answers, label: int, patches: int
) -> dict[str, Any]:
    """What the model makes of the patches chosen so far (`own`, None before the first step), beside other orders.

    `orders` are the policies "fixed" and "learned", `draws` many random ones. The steps end where all of the image's
    `patches` have been seen.
    """
    size = draws.patches.shape[-1]
    steps = min(draws.patches.shape[1], patches // size)
    done = 0 if own is None else own.probs.shape[1]
    of_truth, right = draws.probs[..., label].mean(axis=0), (draws.labels == label).mean(axis=0)
    asked = orders["learned"].attended[0, :1] if own is None else own.attended[0]
    agreed = [] if own is None else [len({*own.patches[0, n]} & {*asked[n]}) for n in range(done)]
    return {
        "size": size,
        "steps": steps,
        "rows": [] if own is None else _rows(own, label, done),
        "attended": asked[done].tolist(),
        "agreed": agreed,
        "learned": _rows(orders["learned"], label, steps),
        "fixed": _rows(orders["fixed"], label, steps),
        "random": [{"truth": float(of_truth[n]), "right": float(right[n])} for n in range(steps)],
        "draws": len(draws.probs),
    }


def _rows(made: Answers, label: int, steps: int) -> list[dict[str, Any]]:
    return [
        {
            "answer": int(made.labels[0, n]),
            "sure": float(made.probs[0, n].max()),
            "truth": float(made.probs[0, n, label]),
            "halt": float(made.halt_prob[0, n]),
        }
        for n in range(steps)
    ]
