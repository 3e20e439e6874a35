"""Who leaves when, and rightly, at the page's threshold: `leaving(...)` follows it in the browser alone."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from app.component import DRAWING, TRACE, component
from app.halting.exits.exits import THRESHOLD, at_thresholds
from vitrm.config import ModelConfig
from vitrm.judge.halting import Example, HaltingReport

_KINDS = {"earliest": "left first", "latest": "left last", "made_worse": "made worse by more steps"}
_component = component(
    "vitrm_leaving",
    __file__,
    html="leaving.html",
    css="leaving.css",
    js=(TRACE, DRAWING, THRESHOLD, "leaving.js"),
)


def leaving(
    report: HaltingReport,
    config: ModelConfig,
    key: str,
    *,
    classes: tuple[str, ...],
    pictures: dict[int, bytes],
    link: Callable[[Example], str],
    threshold: float,
) -> None:
    """Show how many test images leave after each step, and those that the report names, beginning with a threshold.

    `pictures` are PNG files by index, {} where the images are not on this machine; `link` leads to an image's player.
    """
    data = payload(report, config, classes, pictures, link) | {"start": threshold}
    _component(data=data, key=key)


def payload(
    report: HaltingReport,
    config: ModelConfig,
    classes: tuple[str, ...],
    pictures: dict[int, bytes],
    link: Callable[[Example], str],
) -> dict[str, Any]:
    """What the component is sent; an image that the report names for two reasons comes once, with both."""
    found: dict[int, dict[str, Any]] = {}
    for kind, why in _KINDS.items():
        for example in getattr(report, kind):
            one = found.setdefault(example.index, _example(example, pictures, link))
            one["why"].append(why)
    return {"all": at_thresholds(report, config), "classes": list(classes), "examples": list(found.values())}


def _example(example: Example, pictures: dict[int, bytes], link: Callable[[Example], str]) -> dict[str, Any]:
    picture = pictures.get(example.index)
    return {
        "index": example.index,
        "label": example.label,
        "answers": list(example.answers),
        "halt": list(example.halt_prob),
        "picture": picture and f"data:image/png;base64,{base64.b64encode(picture).decode()}",
        "link": link(example),
        "why": [],
    }
