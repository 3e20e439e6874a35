"""What every component of ours is made of: the files beside its module, and arrays as text for the browser."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import streamlit as st
from numpy.typing import DTypeLike

_APP = Path(__file__).parent
COLOURS = _APP / "colours.css"  # the styles of every component begin with it
DRAWING, TRACE, PICTURE = (_APP / "js" / f"{name}.js" for name in ("drawing", "trace", "picture"))  # shared scripts


def read(module: str, *files: str | Path) -> str:
    """The text of files beside a module (its `__file__`), one after the other."""
    return "\n".join((Path(module).parent / file).read_text(encoding="utf-8") for file in files)


def component(name: str, module: str, *, html: str, css: str | Sequence[str], js: Sequence[str | Path]):
    """Declare the component `name` of files beside a module (its `__file__`).

    Its styles may use the colours of `COLOURS`, and each script what those before it define. What this returns shows
    the component: `shown(data=…, key=…)`.
    """
    styles = (css,) if isinstance(css, str) else css
    return st.components.v2.component(
        name, html=read(module, html), css=read(module, COLOURS, *styles), js=read(module, *js)
    )


def picture(name: str, module: str, *, css: str):
    """Declare a component that shows the HTML it is given, as `data={"html": …}`: st.html would drop its SVG."""
    show = "export default ({ data, parentElement }) => { parentElement.querySelector('.host').innerHTML = data.html }"
    return st.components.v2.component(name, html="<div class='host'></div>", css=read(module, COLOURS, css), js=show)


def encoded(values: np.ndarray | Sequence[float], dtype: DTypeLike = "<f4") -> str:
    """The bytes of an array in row-major order as base64, little-endian float32 unless `dtype` says otherwise."""
    return base64.b64encode(np.ascontiguousarray(values, dtype=dtype).tobytes()).decode()
