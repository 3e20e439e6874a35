"""What an act of a visitor came to, said once on the page that is drawn after it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from vitrm.errors import VitrmError

_SAID = "class_said"


def do(act: Callable[[], Any], done: str = "") -> None:
    """Do it in a callback; what was wrong, or `done`, is said by `say`."""
    try:
        act()
    except VitrmError as error:
        st.session_state[_SAID] = (st.warning, str(error))
    else:
        if done:
            st.session_state[_SAID] = (st.success, done)


def say() -> None:
    """Say it, where there is anything to say."""
    if found := st.session_state.pop(_SAID, None):
        show, text = found
        show(text)
