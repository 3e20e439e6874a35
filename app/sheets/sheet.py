"""One of the sheets on screen, as it comes out of the printer: `sheet(kind, base)`."""

from __future__ import annotations

from app.component import DRAWING, TRACE, component
from app.sheets.content import content

HTML, CSS = "sheet.html", ("../lessons/question.css", "sheet.css")
SCRIPTS = (TRACE, DRAWING, "../lessons/prose.js", "../lessons/question.js", "sheet.js")
_component = component("vitrm_sheet", __file__, html=HTML, css=CSS, js=(*SCRIPTS, "component.js"))


def sheet(kind: str, base: str | None) -> None:
    """Show the sheet `kind`, one of `app.sheets.content.KINDS`; `base` as there."""
    _component(data=content(kind, base), key=f"sheet_{kind}")
