"""The sheets on the page of the lessons: links to them, and one of them on show."""

from __future__ import annotations

import streamlit as st

from app import state
from app.classroom.address import bases, machine
from app.sheets.content import TITLES
from app.sheets.sheet import sheet


def offer() -> None:
    """Links to the sheets; each opens ready for the printer."""
    links = " · ".join(f"[{title}](lessons?{state.PRINT}={kind})" for kind, title in TITLES.items())
    st.markdown(f"On paper, for a class: {links}")


def show(kind: str) -> None:
    """One sheet, with addresses that work for others in this network."""
    found = bases(st.context.url or "http://localhost:8501/", machine())
    sheet(kind, found[0] if found else None)
