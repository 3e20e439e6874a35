"""The recursion player: a trace on screen, moved through without a message to the server.

`payload` is pure (a Trace becomes JSON values); `player` mounts the component.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from vitrm.traces import Trace

_FOLDER = Path(__file__).parent
_component = st.components.v2.component(
    "vitrm_player",
    html=(_FOLDER / "player.html").read_text(encoding="utf-8"),
    css=(_FOLDER / "player.css").read_text(encoding="utf-8"),
    js=(_FOLDER / "player.js").read_text(encoding="utf-8"),
)


def player(trace: Trace, key: str, level: str = "supervision step") -> int:
    """Show the player for a trace; returns the position, in moves, where the learner last came to rest.

    `level` is what one press of "next" moves by at first.
    """
    data = payload(trace) | {"level": level}
    result = _component(data=data, key=key, default={"position": 0}, on_position_change=lambda: None)
    return int(result.position or 0)


def payload(trace: Trace) -> dict[str, Any]:
    """What the browser needs of a trace, as JSON values; arrays are base64 of little-endian bytes."""
    channels, size, _ = trace.pixels.shape
    total = (size // trace.patch_size) ** 2
    values = {
        "classes": list(trace.class_names),
        "label": trace.label,
        "channels": channels,
        "imageSize": size,
        "patchSize": trace.patch_size,
        "pixels": _base64(trace.pixels, np.uint8),
        "shape": list(trace.halt_logit.shape),
        "patches": trace.patches.tolist(),
        "glimpse": trace.patches.shape[1] < total,
        "trainedSteps": trace.trained_steps,
        "threshold": trace.halt_threshold,
        "haltStep": trace.halt_step,
        "probs": _base64(trace.probs),
        "halt": _base64(trace.halt_prob),
        "answerChange": _base64(trace.answer_change),
        "memoryChange": _base64(trace.memory_change),
        "kl": _base64(trace.kl),
    }
    return values | {"id": f"{hash((values['pixels'], values['probs'])):x}"}


def _base64(array: np.ndarray, dtype: Any = "<f4") -> str:
    return base64.b64encode(np.ascontiguousarray(array, dtype=dtype).tobytes()).decode()
