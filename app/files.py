"""Files to keep: made when their button is pressed, and there until the browser has fetched them."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable
from threading import Thread

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import add_script_run_ctx, get_script_run_ctx


def save_button(
    label: str, make: Callable[[], bytes | str], name: str, *, icon: str, disabled: bool = False,
    help: str | None = None, key: str | None = None,
) -> None:  # fmt: skip
    """A button that saves what `make` returns as the file `name`; it is called outside the session, when pressed."""
    session = get_script_run_ctx(suppress_warning=True)
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"

    def made() -> bytes:
        data = make()
        data = data.encode() if isinstance(data, str) else data
        # Streamlit 1.67 counts such a file as nobody's: wherever two pages of any readers are drawn between its making
        # and its fetching, it is gone. Now it is this session's until its page is drawn again.
        keeper = Thread(
            target=runtime.get_instance().media_file_mgr.add,
            args=(data, kind, f"saved: {name}", name),
            kwargs={"is_for_static_download": True},
        )
        add_script_run_ctx(keeper, session)  # it says whose file it is
        keeper.start()
        keeper.join()
        return data

    icon = f":material/{icon}:"
    st.download_button(
        label, made, name, mime=kind, icon=icon, help=help, disabled=disabled, key=key, on_click="ignore"
    )
