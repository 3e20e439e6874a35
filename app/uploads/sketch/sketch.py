"""Where a picture comes in without a file: a canvas to draw a digit on, and the clipboard.

The component tells of a drawing when a stroke has ended, and of a pasted picture at once, each as a trigger: nothing
of either stays among the values that the browser sends again at every rerun. It also knows, from the browser's side,
that pictures were lost with a server or a session, and says so.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import streamlit as st

from app.component import component


@dataclass(frozen=True)
class Sheet:
    """What one sheet of paper has on it now; empty bytes after it has been cleared."""

    number: int
    content: bytes


_component = component("vitrm_sketch", __file__, html="sketch.html", css="sketch.css", js=("sketch.js",))


def sketch(
    key: str,
    *,
    draw: bool,
    session: str,
    held: int,
    max_mb: int,
    on_sheet: Callable[[Sheet], None],
    on_paste: Callable[[bytes], None],
) -> None:
    """Show the canvas (with `draw`), and listen for pasted pictures on the whole page.

    `held` pictures are kept in `session` (any text that no other session has); when the browser held some of another
    one, they are gone, and the component says that they must be chosen again. Bytes come as the browser sent them:
    not checked in any way. What is larger than `max_mb` is not sent.
    """

    def take_sheet() -> None:
        sent = st.session_state[key].get("sheet")
        if isinstance(sent, dict) and isinstance(sent.get("number"), int):
            on_sheet(Sheet(sent["number"], _bytes(sent.get("content"))))

    def take_paste() -> None:
        sent = st.session_state[key].get("pasted")
        if isinstance(sent, dict):
            on_paste(_bytes(sent.get("content")))

    _component(
        data={"draw": draw, "session": session, "held": held, "maxBytes": max_mb * 1_000_000},
        key=key,
        on_sheet_change=take_sheet,
        on_pasted_change=take_paste,
        on_woken_change=lambda: None,
    )


def _bytes(content: Any) -> bytes:
    try:
        return base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError, TypeError):
        return b""
