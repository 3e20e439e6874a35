"""Who is looking: an anonymous number per browser, so that one visitor's click cannot stop another's training.

The number comes with the connection, as a cookie, and the teacher's code is compared here: nothing that a page sends
afterwards changes who it is.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import re
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

_COOKIE, _KEY, _TEACHER, _REFUSED = "vitrm_visitor", "visitor", "is_teacher", "teacher_refused"
CODE = "VITRM_TEACHER_CODE"
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Visitor:
    """Who asks for something."""

    number: str
    is_teacher: bool = False

    def may_control(self, owner: str | None) -> bool:
        """Whether they may pause, stop or remove the run of `owner` (None: it comes from a terminal)."""
        return self.is_teacher or (owner is not None and owner == self.number)


class Door:
    """Where the teacher's code is tried. After a wrong one everybody waits, longer each time: none can be guessed."""

    FIRST_S, LONGEST_S, FORGIVEN_S = 1.0, 60.0, 900.0

    def __init__(self, code: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._code, self._clock, self._lock = _digest(code), clock, threading.Lock()
        self._wrong, self._last = 0, 0.0

    def refusal(self, typed: str, where: str | None) -> str | None:
        """Why somebody is not let in, in words; None: they are. What is typed too early is not even looked at."""
        with self._lock:
            now = self._clock()
            if now - self._last > self.FORGIVEN_S:
                self._wrong = 0
            wait = self._last + self._delay() - now if self._wrong else 0.0
            if wait > 0:
                return f"After a wrong code the next one is looked at in {wait:.0f} s; type it again then."
            if hmac.compare_digest(_digest(typed), self._code):
                self._wrong = 0
                return None
            self._wrong, self._last = self._wrong + 1, now
            _LOG.warning(
                "wrong teacher's code from %s, %d in a row; the next is looked at in %.0f s",
                where or "this machine", self._wrong, self._delay(),
            )  # fmt: skip
            return "That is not the code this server was started with."

    def _delay(self) -> float:
        return min(self.FIRST_S * 2 ** min(self._wrong - 1, 30), self.LONGEST_S)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="replace")).digest()


@st.cache_resource(show_spinner=False, max_entries=1)
def door(code: str) -> Door:
    """One for all visitors."""
    return Door(code)


def number() -> str:
    """This browser's: the same after a reload, a closed lid or a restart of the server; it names nobody."""
    if _KEY not in st.session_state:
        kept = cookie()
        st.session_state[_KEY] = kept if re.fullmatch(r"[0-9a-f]{32}", kept) else secrets.token_hex(16)
    return st.session_state[_KEY]


def visitor() -> Visitor:
    """Who sent what the server is just answering."""
    return Visitor(number(), is_teacher())


def remember() -> None:
    """Leave the number in the browser, for a year, where it has none. Once on a page, outside what is repeated."""
    if cookie() != number():
        line = f"{_COOKIE}={number()}; max-age=31536000; path=/; samesite=strict"
        st.html(f"<script>document.cookie = '{line}'</script>", unsafe_allow_javascript=True)


def is_teacher() -> bool:
    """Whether this visitor may do everything: with the code, if the server was given one, else at its own machine."""
    if os.environ.get(CODE):
        return st.session_state.get(_TEACHER, False)
    return address() is None


def ask_for_code() -> None:
    """A field for the teacher's code, where the server was given one."""
    if not os.environ.get(CODE) or is_teacher():
        return
    with st.popover("I am the teacher", icon=":material/key:"):
        st.text_input("Teacher's code", type="password", key="teacher_code", on_change=_try_code)
        if refused := st.session_state.pop(_REFUSED, None):
            st.error(refused)


def _try_code() -> None:
    typed, code = st.session_state["teacher_code"], os.environ.get(CODE)
    if not typed or not code:
        return
    st.session_state[_REFUSED] = door(code).refusal(typed, address())
    st.session_state[_TEACHER] = st.session_state[_REFUSED] is None


def may_control(owner: str | None) -> bool:
    """Whether this visitor may pause, stop or remove the run of `owner`: what a page offers, and the queue allows."""
    return visitor().may_control(owner)


def cookie() -> str:
    """The number that this browser was left, as it says; "" where it says none."""
    return st.context.cookies.get(_COOKIE, "")


def address() -> str | None:
    """Where the browser is; None for the machine that the server runs on."""
    return st.context.ip_address
