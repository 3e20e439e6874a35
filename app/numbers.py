"""How a table of numbers is shown below its figure: with no more digits than can be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st


def table(rows: Sequence[Mapping[str, Any]] | Mapping[str, Sequence[Any]]) -> None:
    """A table of its columns by name: percent with one decimal, other fractions with three digits; – for None.

    The numbers themselves are whole: sorted by, and in the file that the table is saved as.
    """
    import pandas as pd

    shown = pd.DataFrame(rows)
    fractions = [name for name in shown if pd.api.types.is_float_dtype(shown[name])]
    formats = {
        name: st.column_config.NumberColumn(format="%.1f" if str(name).endswith("%") else "%.3g") for name in fractions
    }
    st.dataframe(shown, hide_index=True, width="stretch", placeholder="–", column_config=formats)
