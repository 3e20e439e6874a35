"""How the answers of a class spread: bars, or for drawn curves lines; what one predicted and what came out in it."""

from __future__ import annotations

from typing import Any

from app.component import component

_component = component("vitrm_spread", __file__, html="spread.html", css="spread.css", js=("spread.js",))


def spread(drawn: dict[str, Any], key: str) -> None:
    """Show what `app.classroom.figures.distribution` made."""
    _component(data=drawn, key=key)
