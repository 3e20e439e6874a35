"""Small pictures to pick one from: nothing says what they are of, unless their names are to be shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
import streamlit as st

from app.component import DRAWING, TRACE, component, encoded

Look = Literal["pictures", "captioned", "chips"]
_component = component("vitrm_picker", __file__, html="picker.html", css="picker.css", js=(TRACE, DRAWING, "picker.js"))


def picker(
    images: Mapping[str, np.ndarray],
    chosen: str,
    key: str,
    on_choose: Callable[[str], None],
    *,
    title: str = "Pick a picture",
    look: Look = "pictures",
    popover: str = "",
    on_settle: Callable[[], None] | None = None,
) -> None:
    """Show images (C, H, W) uint8 by name; `on_choose` is told the name of the one that was picked.

    `chosen` need not be one of them: then none is marked. Their names stand below photographs that are "captioned", in
    one row, and beside those that are "chips". `on_settle` is called where one was not only walked to with an arrow
    key. In the popover of that key the keyboard's focus comes to the pictures, or goes back where `on_settle` shuts it.
    """

    def take() -> None:
        name, settled = _sent(st.session_state[key].get("image"))
        if name not in images:  # whatever the browser sent
            return
        if name != chosen:
            on_choose(name)
        if settled and on_settle is not None:
            on_settle()

    data = content(images, chosen, title, look) | {"popover": popover, "settles": on_settle is not None}
    width = "content" if look == "pictures" else "stretch"
    _component(data=data, key=key, on_image_change=take, width=width)


def _sent(value: Any) -> tuple[Any, bool]:
    """The name of a picture, and whether it is to stay, as the browser sends them."""
    if not isinstance(value, Mapping):
        return None, False
    name = value.get("name")
    return name if isinstance(name, str) else None, value.get("settled") is True


def content(
    images: Mapping[str, np.ndarray], chosen: str, title: str = "Pick a picture", look: Look = "pictures"
) -> dict[str, Any]:
    """What the row is sent."""
    return {
        "title": title,
        "look": look,
        "chosen": chosen if chosen in images else None,
        "images": [
            {"name": name, "channels": len(pixels), "imageSize": pixels.shape[-1], "pixels": encoded(pixels, np.uint8)}
            for name, pixels in images.items()
        ],
    }
