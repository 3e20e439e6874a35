"""Who is looking: an anonymous number per browser, so that one visitor's click cannot stop another's training."""

from __future__ import annotations

import hmac
import os
import re
import secrets

import streamlit as st

_COOKIE, _KEY, _TEACHER = "vitrm_visitor", "visitor", "is_teacher"
CODE = "VITRM_TEACHER_CODE"


def visitor() -> str:
    """This browser's number: the same after a reload, a closed lid or a restart of the server; it names nobody."""
    if _KEY not in st.session_state:
        kept = cookie()
        st.session_state[_KEY] = kept if re.fullmatch(r"[0-9a-f]{32}", kept) else secrets.token_hex(16)
    return st.session_state[_KEY]


def remember() -> None:
    """Leave the number in the browser, for a year, where it has none. Once on a page, outside what is repeated."""
    if cookie() != visitor():
        line = f"{_COOKIE}={visitor()}; max-age=31536000; path=/; samesite=strict"
        st.html(f"<script>document.cookie = '{line}'</script>", unsafe_allow_javascript=True)


def is_teacher() -> bool:
    """Whether this visitor may do everything: with the code, if the server was given one, else at its own machine."""
    if os.environ.get(CODE):
        return st.session_state.get(_TEACHER, False)
    return address() is None


def ask_for_code() -> None:
    """A field for the teacher's code, where the server was given one."""
    code = os.environ.get(CODE)
    if not code or is_teacher():
        return
    with st.popover("I am the teacher", icon=":material/key:"):
        typed = st.text_input("Teacher's code", type="password", key="teacher_code")
        if typed and hmac.compare_digest(typed.encode(), code.encode()):
            st.session_state[_TEACHER] = True
            st.rerun()
        elif typed:
            st.error("That is not the code this server was started with.")


def may_control(owner: str | None) -> bool:
    """Whether this visitor may pause, stop or remove the run of `owner` (None: it comes from a terminal)."""
    return is_teacher() or (owner is not None and owner == visitor())


def cookie() -> str:
    """The number that this browser was left, as it says; "" where it says none."""
    return st.context.cookies.get(_COOKIE, "")


def address() -> str | None:
    """Where the browser is; None for the machine that the server runs on."""
    return st.context.ip_address
