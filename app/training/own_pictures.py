"""The part of the form in which a visitor uploads pictures to train on."""

from __future__ import annotations

import time

import streamlit as st

from app import own_data, visitors
from app.own_data import LIMITS
from app.training import cache
from vitrm.config import PRESETS
from vitrm.data.images import FORMATS
from vitrm.errors import DataError, RunError

_ROUND, _SAID, _LEFT_OUT = "own_round", "own_said", "own_left_out"
_SHOWN = 20  # files that were left out, by name
_STEP_S = 0.2  # between two looks of the bar


def choose() -> str | None:
    """Upload a ZIP file, or take what was uploaded last; its source."""
    session = st.session_state
    number = session.setdefault(_ROUND, 0)
    file = st.file_uploader(
        f"Your pictures, as one ZIP file: a folder for each class, {LIMITS.each} pictures or more in each",
        type="zip", key=f"own_zip_{number}", max_upload_size=LIMITS.megabytes,
        help=f"Like cats/1.jpg, cats/2.jpg, dogs/1.jpg. At most {LIMITS.pictures:,} pictures in {LIMITS.classes} "
        f"folders, {LIMITS.megabytes} MB; {FORMATS}.",
    )  # fmt: skip
    if file is not None:
        session[_SAID], session[_LEFT_OUT] = _take(file.getvalue())
        session[_ROUND] = number + 1  # an empty widget, and the file out of memory
        st.rerun()
    if session.get(_SAID):
        st.error(session[_SAID])
    source = own_data.latest(visitors.visitor())
    if source is None:
        return None
    try:
        upload = own_data.about(own_data.folder(source))
    except RunError:
        return None  # removed just now
    st.success(
        f"{upload.pictures:,} pictures in {len(upload.classes)} classes: {', '.join(upload.classes)}. Only you and the "
        f"teacher see them, and the model. They are kept at {own_data.MAX_SIDE} pixels, without what the camera wrote "
        "into them, until you delete the last run on them (**Compare**); those that nothing is trained on for an hour."
    )
    _say(session.get(_LEFT_OUT) or [])
    if not own_data.is_used(source, cache.trainings().runs):
        st.button("Remove these pictures", icon=":material/delete:", key="own_remove", on_click=_remove)
    return source


def fitting(source: str) -> dict[str, int]:
    """What a preset has to give up to be trained on so few pictures: a batch is half of them at most; said below."""
    place = own_data.folder(source)
    if place is None:
        return {}
    try:
        half = own_data.about(place).pictures // 2
    except RunError:
        return {}  # removed just now, which the queue says
    if half >= PRESETS["photos"].train.batch_size:
        return {}
    st.caption(f"With so few pictures a batch is {half} of them, where your own settings say nothing else.")
    return {"train.batch_size": half}


def _take(content: bytes) -> tuple[str | None, list[str]]:
    """Why a file cannot be used, if so; and a sentence for each file in it that was left out."""
    bar, last = st.progress(0.0, "Looking at the pictures …"), 0.0
    try:
        for done in cache.trainings().take_pictures(content, visitors.visitor()):
            if isinstance(done, tuple):
                return None, done[1]
            if time.monotonic() - last > _STEP_S:
                last = time.monotonic()
                bar.progress(done, "Looking at the pictures …")
    except DataError as error:
        return f"The ZIP file cannot be used: {error}", []
    except OSError as error:
        return f"The pictures cannot be kept on this server: {error}", []
    return None, []


def _say(left_out: list[str]) -> None:
    if left_out:
        with st.expander(f"{len(left_out)} files were left out", icon=":material/warning:"):
            st.text("\n".join(left_out[:_SHOWN]) + (f"\nand {len(left_out) - _SHOWN} more" * (len(left_out) > _SHOWN)))


def _remove() -> None:
    cache.trainings().remove_pictures(visitors.visitor())
    st.session_state.pop(_LEFT_OUT, None)
