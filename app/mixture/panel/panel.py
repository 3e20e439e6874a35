"""The soft mixture of one image, explored in the browser alone: `mixture_panel(...)`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import streamlit as st

from app.component import DRAWING, TRACE, component, encoded
from app.figures import as_written
from app.mixture import figures as mixture_figures
from vitrm.traces.mixture import MixtureTrace

SCALES = ("whole", "range")  # of the colours: all that is possible, or what this image has

_component = component("vitrm_mixture", __file__, html="panel.html", css="panel.css", js=(TRACE, DRAWING, "panel.js"))


def mixture_panel(trace: MixtureTrace, key: str, *, start: str, address: Mapping[str, str | None]) -> None:
    """Show the mixture of a trace; `mixture_view(key, start)` tells what was chosen in it.

    `start` is the view to begin with ("": the usual one), `address` what the page's address says besides it.
    """
    if key not in st.session_state:  # about to appear: later ones are its own, and must not change what it is sent
        st.session_state[f"{key}_start"] = start
    begin = st.session_state[f"{key}_start"]
    data = payload(trace) | {"start": begin, "address": dict(address)}
    _component(data=data, key=key, default={"view": begin}, on_view_change=lambda: None)


def mixture_view(key: str, start: str) -> str:
    """The view chosen in the panel `key`: "stage.token.scale" (see `impossible`), "" for the usual one."""
    kept = st.session_state.get(key)
    return start if kept is None else kept.get("view") or ""


def impossible(view: str, trace: MixtureTrace) -> str:
    """Why a trace has no such view, in a few words; "" for one that it has.

    A view is "stage.token.scale": -1 for all stages, or a number from 0; 0 for the class token, the patches from 1 in
    row-major order; one of `SCALES`.
    """
    if not view:
        return ""
    stages, _, tokens = trace.weights.shape
    stage, _, rest = view.partition(".")
    token, _, scale = rest.partition(".")
    try:
        numbers = int(stage), int(token)
    except ValueError:
        numbers = None
    if numbers is None or scale not in SCALES:
        return f"a view “{as_written(view)}” that cannot be read, expected stage.token.scale, as in 0.3.whole"
    if not -1 <= numbers[0] < stages:
        return f"stage {numbers[0] + 1} (there are {stages})"  # counted from 1 on the page
    if not 0 <= numbers[1] < tokens:
        return f"token {numbers[1]} (they go from 0, the class token, to {tokens - 1})"
    return ""


def payload(trace: MixtureTrace) -> dict[str, Any]:
    """What the panel is sent: the arrays of the trace, and what they say in words."""
    return {
        "classes": list(trace.class_names),
        "label": trace.label,
        "channels": trace.pixels.shape[0],
        "imageSize": trace.pixels.shape[1],
        "pixels": encoded(trace.pixels, np.uint8),
        "patchSize": trace.patch_size,
        "steps": trace.weights.shape[1],
        "tokens": trace.weights.shape[2],
        "weights": encoded(trace.weights),
        "meanStep": encoded(trace.mean_step),
        "entropy": encoded(mixture_figures.relative_entropy(trace)),
        "stages": mixture_figures.stages(trace),
        "said": mixture_figures.summary(trace),
    }
