"""The paper's results on screen, each beside what this project measured, never in one figure."""

from __future__ import annotations

import re

import streamlit as st

from app import inputs, numbers, paper, state
from app.compare.comparison import Comparison, only
from app.compare.figures import AXES, BATCH, accuracy_against, against_words
from app.compare.published import figures
from app.compare.table import rows as rows_of
from app.compare.verdict import provenance
from app.compare.widgets import chart

_PAPER = {"parameters": "Parameters", "batch-size": "Batch size", "ablation": "Ablation"}


def show(found: list[Comparison]) -> None:
    """The paper's tables and ablation, each beside what this project measured, never in one figure."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        what = inputs.select("Accuracy against", list(_PAPER), state.PAPER, words=_PAPER.get, buttons=True)
        data, batch = "CIFAR-10", st.session_state[state.PAPER_BATCH]
        if what != "ablation":
            data = inputs.select("Data of the paper", list(paper.TABLES), state.PAPER_DATA, buttons=True)
        if what == "parameters":
            batch = inputs.select("Batch size", list(paper.BATCH_SIZES), state.PAPER_BATCH, buttons=True)
    left, right = st.columns(2)
    number = {"CIFAR-10": "Table 1", "CIFAR-100": "Table 2"}[data]
    with left:
        st.markdown(f"**The paper: {data}, full recipe** · :material/article: {paper.SOURCE}")
        if what == "ablation":
            made, words = (
                figures.paper_ablation(),
                "The paper's ablation: 93.1 % at M = 3, N = 1; other cells are lower.",
            )
            rows = figures.ablation_rows()
            said = (
                "Ablation, CIFAR-10, batch 128, as far as it is at hand: “more” and “deeper” stand where the exact "
                "number is not known. The dashed and the solid line raise different numbers."
            )
        elif what == "batch-size":
            made, words, rows = figures.paper_by_batch(data), figures.paper_words(data, 128), figures.paper_rows(data)
            said = f"{number}. ViT-Large ran out of memory at batch 1024. Seeds and spread are not at hand."
        else:
            made, words = figures.paper_by_parameters(data, batch), figures.paper_words(data, batch)
            rows = figures.paper_rows(data)
            lost = [row.model for row in paper.TABLES[data] if row.accuracy[paper.BATCH_SIZES.index(batch)] is None]
            said = f"{number} at batch {batch}." + (f" {', '.join(lost)} ran out of memory." if lost else "")
        chart(made, words, f"paper_{what}")
        st.caption(f"{said} Reported by the paper, not measured here; open marks.")
        st.dataframe(rows, hide_index=True, width="stretch")
    with right:
        _ours(found, what, data)


def _ours(found: list[Comparison], what: str, data: str) -> None:
    same = [each for each in found if each.data == data or each.data.startswith(f"{data} ")]
    kept = {
        "parameters": lambda entry: True,
        "batch-size": lambda entry: bool(re.search(r"batch \d+$", entry.name)),
        "ablation": figures.is_ablation,
    }[what]
    fitting = [(each, entries) for each in same if (entries := [e for e in each.entries if kept(e)])]
    grids = [pair for pair in fitting if pair[0].is_grid] or fitting
    if not grids:
        command = {
            "parameters": "vitrm sweep models",
            "batch-size": "vitrm sweep batch-size",
            "ablation": "vitrm sweep ablation",
        }[what]
        with_data = "" if data == "CIFAR-10" else " --data cifar100"
        st.markdown("**Ours**")
        st.info(f"This project has no such trainings on {data} yet. On a GPU: `{command}{with_data}`.")
        return
    each, entries = grids[0]
    some = only(each, entries)
    st.markdown(f"**Ours: {each.data}, {each.scale}**")
    if what == "ablation":
        made = figures.ablation(entries)
        words = against_words(some, AXES["layers"])
    else:
        axis = AXES["parameters"] if what == "parameters" else BATCH
        made, words = accuracy_against(some, axis), against_words(some, axis)
    chart(made, words, f"ours_{what}")
    st.caption(
        f"{provenance(some)} Another scale than the paper's and its own axis: set the shapes side by side, "
        "never the numbers."
    )
    numbers.table(rows_of(some))
