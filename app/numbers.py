"""How a table of numbers is shown below its figure: with no more digits than can be read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

if TYPE_CHECKING:
    from pandas import Series


def table(rows: Sequence[Mapping[str, Any]] | Mapping[str, Sequence[Any]]) -> None:
    """A table of its columns by name: percent with one decimal, other fractions with three digits; – for None.

    The numbers themselves are whole: sorted by, and in the file that the table is saved as.
    """
    import pandas as pd

    shown = pd.DataFrame(rows)
    fractions = [name for name in shown if pd.api.types.is_float_dtype(shown[name])]
    formats = {name: st.column_config.NumberColumn(format=_format(str(name), shown[name])) for name in fractions}
    st.dataframe(shown, hide_index=True, width="stretch", placeholder="–", column_config=formats)


def _format(name: str, values: Series) -> str:
    """Of like numbers all have as many decimals, so that the least has three digits; others three digits each."""
    if name.endswith("%"):
        return "%.1f"
    sizes = values.abs()[values != 0].dropna()
    if sizes.empty or sizes.max() > 1000 * sizes.min() or sizes.min() < 1e-4:
        return "%.3g"
    return f"%.{max(0, 2 - math.floor(math.log10(sizes.min())))}f"
