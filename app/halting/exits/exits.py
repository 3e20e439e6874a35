"""Early exit for one image, with a threshold that moves in the browser alone: `exit_panel(...)`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import streamlit as st

from app.component import DRAWING, TRACE, component, encoded
from vitrm.config import ModelConfig
from vitrm.nets.cost import multiply_adds
from vitrm.traces.trace import Trace

HTML, CSS, SCRIPTS = "exits.html", "exits.css", (TRACE, DRAWING, "exits.js")
_component = component("vitrm_exits", __file__, html=HTML, css=CSS, js=(*SCRIPTS, "component.js"))


def exit_panel(
    trace: Trace,
    config: ModelConfig,
    key: str,
    *,
    start: float | None = None,
    chosen: float | None = None,
    address: Mapping[str, str | None] | None = None,
) -> None:
    """Show when the image of a trace would leave; `exit_threshold(key, start)` tells the threshold that was set.

    `start` is the threshold to begin with (None: the configuration's), `chosen` the one that validation chose for
    this model, `address` what the page's address says besides the threshold (None: nothing about this name).
    """
    if key not in st.session_state:  # about to appear: later ones are its own, and must not change what it is sent
        st.session_state[f"{key}_start"] = start
    begin = st.session_state[f"{key}_start"]
    data = payload(trace, config, chosen) | {"start": begin, "address": dict(address or {})}
    _component(data=data, key=key, default={"threshold": begin}, on_threshold_change=lambda: None)


def exit_threshold(key: str, start: float | None) -> float | None:
    """The threshold set in the panel `key`, `start` before it has been shown; None is the configuration's."""
    kept = st.session_state.get(key)
    return start if kept is None else kept.get("threshold")


def payload(trace: Trace, config: ModelConfig, chosen: float | None) -> dict[str, Any]:
    """What the panel is sent: the read-out that ends each of the N supervision steps, and what it has cost by then."""
    steps = len(trace.halt_logit)
    presets = [(trace.halt_threshold, "as in training")]
    if chosen is not None and 0.01 <= chosen <= 0.999:
        presets.append((round(chosen, 4), "chosen on validation"))
    return {
        "classes": list(trace.class_names),
        "label": trace.label,
        "channels": trace.pixels.shape[0],
        "imageSize": trace.pixels.shape[1],
        "pixels": encoded(trace.pixels, np.uint8),
        "patchSize": trace.patch_size,
        "patches": trace.patches.tolist(),
        "glimpse": config.glimpse_patches is not None,
        "probs": np.round(trace.probs[:, -1, -1].astype(float), 5).tolist(),
        "halt": np.round(trace.halt_prob[:, -1, -1].astype(float), 5).tolist(),
        "cost": [multiply_adds(config, n + 1) for n in range(steps)],
        "trainedSteps": trace.trained_steps,
        "threshold": trace.halt_threshold,
        "presets": presets,
    }
