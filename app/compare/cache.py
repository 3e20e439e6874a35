"""What can be compared here: read once for everybody, anew when a run or a table has changed."""

from __future__ import annotations

import streamlit as st

from app.cache import Checkpoint, checkpoints, facts
from app.compare import comparison
from app.compare.comparison import Comparison
from vitrm.errors import VitrmError
from vitrm.sweep.table import list_tables, read_table


def comparisons() -> tuple[list[Comparison], list[str]]:
    """What can be compared, the most trainings first; and a sentence for each run or table that cannot be read."""
    runs = tuple(checkpoints().values())
    tables = tuple((name, str(file), file.stat().st_mtime_ns) for name, file in list_tables().items())
    return _comparisons(runs, tables)


@st.cache_resource(max_entries=4, ttl=60, show_spinner=False)
def _comparisons(
    runs: tuple[Checkpoint, ...], tables: tuple[tuple[str, str, int], ...]
) -> tuple[list[Comparison], list[str]]:
    known, mixtures, rows, unread = {}, {}, {}, []
    for checkpoint in runs:
        try:
            if (mixture := checkpoint.run.report("mixture")) is not None:
                mixtures[checkpoint.name] = mixture
            known[checkpoint.name] = facts(checkpoint)
        except VitrmError as error:
            unread.append(str(error))
    for name, file, _ in tables:
        try:
            rows[name] = read_table(file)
        except VitrmError as error:
            unread.append(str(error))
    grids, models = comparison.of_tables(rows), comparison.of_models(known, mixtures)
    return sorted([*grids, *models], key=lambda each: -each.trainings), unread
