"""Every session key and its default, in one place."""

from __future__ import annotations

import streamlit as st

CHECKPOINT = "checkpoint"  # name of the model on show
IMAGE = "image"  # "test-17": number 17 of the test split the model was trained with
GLIMPSE_SEED = "glimpse_seed"
POSITION = "position"  # in the player, in moves; None: where it starts by itself
VIEW = "view"  # layer.head.token.patch of the attention panel
EDIT = "edit"  # what the edits panel changes

DEFAULTS = {CHECKPOINT: "digits-glimpse", IMAGE: "test-9", GLIMPSE_SEED: 0, POSITION: None, VIEW: "", EDIT: ""}
IN_URL = {
    CHECKPOINT: str,
    IMAGE: str,
    GLIMPSE_SEED: int,
    POSITION: int,
    VIEW: str,
    EDIT: str,
}  # what a link carries, and its type


def start(**defaults: object) -> None:
    """Give every key its value: what the session has, else what the link says, else the default."""
    for key, default in (DEFAULTS | defaults).items():
        if key not in st.session_state:
            st.session_state[key] = _from_url(key, default)


def to_url() -> None:
    """Write what differs from the defaults into the address, so that it can be shared."""
    for key in IN_URL:
        if st.session_state[key] != DEFAULTS[key]:
            st.query_params[key] = str(st.session_state[key])
        else:
            st.query_params.pop(key, None)


def _from_url(key: str, default: object) -> object:
    if key not in IN_URL or key not in st.query_params:
        return default
    try:
        return IN_URL[key](st.query_params[key])
    except ValueError:
        return default
