"""The lessons as cards: `shelf()`. How far one is stands in the browser alone, so the component fills it in."""

from __future__ import annotations

from app.component import DRAWING, component
from app.lessons.course import lessons

SCRIPTS = (DRAWING, "../kept.js", "shelf.js")
HTML, CSS = "shelf.html", "shelf.css"
_component = component("vitrm_shelf", __file__, html=HTML, css=CSS, js=(*SCRIPTS, "component.js"))


def shelf() -> None:
    """Every lesson with its link, how far one has come, and a way to erase that."""
    _component(
        data={
            "lessons": [
                {"key": each.key, "number": each.number, "title": each.title, "address": each.address}
                for each in lessons().values()
            ]
        },
        key="shelf",
    )
