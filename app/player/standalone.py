"""The player as one file that opens in any browser."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from string import Template
from typing import Any

from app.attention.attribution import Attribution
from app.component import COLOURS, read
from app.player.cells import Cells
from app.player.payload import payload
from app.player.player import SCRIPTS
from vitrm.traces.trace import Trace


def recorded(
    trace: Trace,
    panels: Sequence[str] = (),
    attribution: Attribution | None = None,
    *,
    cells: Cells | None = None,
    name: str = "",
) -> dict[str, Any]:
    """What `mountPlayer` is given of a trace where no server is; what would need the model is left out.

    `name` is what a saved picture is called.
    """
    absent = {"edits"} if attribution else {"edits", "attribution"}
    shown = [panel for panel in panels if panel not in absent]
    return payload(trace, shown, attribution=attribution, cells=cells) | {
        "level": "supervision step",
        "predict": False,
        "ask": False,
        "title": "",
        "name": name,
        "together": "",
        "marks": [],
        "start": None,
        "view": "",
        "chosenThreshold": None,
        "address": None,
        "present": False,
        "onShow": "",
        "showable": {"there": [], "usual": []},
    }


def standalone(
    trace: Trace,
    title: str,
    caption: str,
    panels: Sequence[str] = (),
    attribution: Attribution | None = None,
    *,
    cells: Cells | None = None,
) -> bytes:
    """The player for a trace as one HTML file, without server and network; what would need the model is left out."""
    data = recorded(trace, panels, attribution, cells=cells, name=title)
    return (
        Template(read(__file__, "standalone.html"))
        .substitute(
            title=escape(title),
            caption=escape(caption),
            style=read(__file__, COLOURS, "player.css"),
            player=read(__file__, "player.html"),
            script=read(__file__, *SCRIPTS),
            data=json.dumps(data).replace("</", "<\\/"),  # a class may be called </script>
        )
        .encode()
    )
