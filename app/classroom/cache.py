"""The classes of this server, kept once for everybody."""

from __future__ import annotations

import streamlit as st

from app.classroom.classes import Classes
from app.classroom.questions import QUESTIONS


@st.cache_resource(show_spinner=False)
def classes() -> Classes:
    """One for all sessions."""
    return Classes(QUESTIONS)
