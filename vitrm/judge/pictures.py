"""Small pictures kept in a report, for those who do not have the images it is about."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from vitrm.errors import RunError

SIDE = 64  # pixels at most


def png(pixels: np.ndarray) -> bytes:
    """(C, H, W) uint8 as PNG, made smaller where it is larger than SIDE."""
    image = Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))
    image.thumbnail((SIDE, SIDE))
    content = io.BytesIO()
    image.save(content, format="PNG")
    return content.getvalue()


def check_png(content: bytes, name: str) -> None:
    """Raises RunError, saying its name, if a picture is none that `png` makes."""
    try:
        with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
            small = max(image.size) <= SIDE
            if small:  # a larger one might be unpacked to gigabytes
                image.load()
    except Exception as error:  # PIL raises kinds of its own for each way in which bytes can be damaged
        raise RunError(f"{name} is no picture ({error})") from None
    if not small:
        raise RunError(f"{name} is larger than {SIDE} pixels")
