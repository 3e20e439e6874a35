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
) -> None:
    """Show images (C, H, W) uint8 by name; `on_choose` is told the name of the one that was picked.

    `chosen` need not be one of them: then none is marked. Their names stand below photographs that are "captioned", in
    one row, and beside those that are "chips".
    """

    def take() -> None:
        name = st.session_state[key].get("image")
        if name in images:  # whatever the browser sent
            on_choose(name)

    width = "content" if look == "pictures" else "stretch"
    _component(data=content(images, chosen, title, look), key=key, on_image_change=take, width=width)


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
