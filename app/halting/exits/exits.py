"""Early exit with a threshold that moves in the browser alone, for one image and for all: `exit_panel(...)`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from app.component import DRAWING, TRACE, component, encoded
from app.present import present
from vitrm.config import ModelConfig
from vitrm.judge.halting import HaltingReport
from vitrm.nets.cost import multiply_adds
from vitrm.traces.trace import Trace

THRESHOLD = Path(__file__).parents[1] / "threshold.js"  # what follows the threshold, here and in other components
HTML, CSS, SCRIPTS = "exits.html", "exits.css", (TRACE, DRAWING, THRESHOLD, "costs.js", "exits.js")
_component = component("vitrm_exits", __file__, html=HTML, css=CSS, js=(*SCRIPTS, "component.js"))


def exit_panel(
    trace: Trace | None,
    config: ModelConfig,
    key: str,
    *,
    start: float | None = None,
    report: HaltingReport | None = None,
    address: Mapping[str, str | None] | None = None,
) -> None:
    """Show when the image of a trace would leave; `exit_threshold(key, start)` tells the threshold that was set.

    `start` is the threshold to begin with (None: the configuration's), `report` what is known of all test images,
    `address` what the page's address says besides the threshold (None: nothing about this name).
    """
    if key not in st.session_state:  # about to appear: later ones are its own, and must not change what it is sent
        st.session_state[f"{key}_start"] = start
    begin = st.session_state[f"{key}_start"]
    data = payload(trace, config, report) | {
        "start": begin,
        "address": dict(address or {}),
        "present": present.is_on(),
    }
    _component(data=data, key=key, default={"threshold": begin}, on_threshold_change=lambda: None)


def exit_threshold(key: str, start: float | None) -> float | None:
    """The threshold set in the panel `key`, `start` before it has been shown; None is the configuration's."""
    kept = st.session_state.get(key)
    return start if kept is None else kept.get("threshold")


def payload(trace: Trace | None, config: ModelConfig, report: HaltingReport | None = None) -> dict[str, Any]:
    """What the panel is sent: of one image and of all test images, each where it is there."""
    presets = [(config.halt_threshold, "as in training")]
    if report is not None and 0.01 <= report.chosen.threshold <= 0.999:
        presets.append((round(report.chosen.threshold, 4), "chosen on validation"))
    return {
        "threshold": config.halt_threshold,
        "presets": presets,
        "one": trace and of_image(trace, config),
        "all": report and at_thresholds(report, config),
    }


def of_image(trace: Trace, config: ModelConfig) -> dict[str, Any]:
    """The read-out that ends each of the N supervision steps of an image, and what it has cost by then."""
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
        "cost": [multiply_adds(config, n + 1) for n in range(len(trace.halt_logit))],
        "trainedSteps": trace.trained_steps,
    }


def at_thresholds(report: HaltingReport, config: ModelConfig) -> dict[str, Any]:
    """What all test images do at every threshold: how many leave after each step, and are right (T, N)."""
    return {
        "n": report.split_sizes["test"],
        "thresholds": [out.threshold for out in report.leaving],
        "images": encoded([out.images for out in report.leaving], "<i4"),
        "right": encoded([out.right for out in report.leaving], "<i4"),
        "cost": [multiply_adds(config, n + 1) for n in range(len(report.anytime))],
        "anytime": [point.accuracy for point in report.anytime],
    }
