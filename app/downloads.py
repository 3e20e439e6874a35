"""Images that are not on this machine, and can be had: once for everybody, in the background, by the teacher's button.

A download takes disk and a school's network, so whoever may have it started is decided where it is started: the
teacher (`app.visitors`). Everybody sees how far it is, and everybody's pages go on by themselves when it has come.
"""

from __future__ import annotations

import contextlib

import streamlit as st

from app import background, cache, sources, visitors
from vitrm.config import Config
from vitrm.data.fetching import KINDS, MEGABYTES, fetching, is_here
from vitrm.errors import VitrmError
from vitrm.places import home

_LANE = "downloads"
_TITLES = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "fashion": "Fashion-MNIST"}


class NotAllowed(VitrmError):
    """Somebody else than the teacher asked for a download."""


def source_of(config: Config) -> str | None:
    """The set that can be downloaded with which a model's pages have images; None if there is none."""
    if cache.published(config):
        return "cifar10"
    return config.data.source if config.data.source in KINDS else None


def are_missing(config: Config) -> bool:
    """Whether a model's pages have no images because a set that can be downloaded is not here."""
    source = source_of(config)
    return source is not None and not any(map(sources.lies_here, {source, config.data.source}))


def start(source: str, visitor: visitors.Visitor) -> background.Job:
    """Have a set downloaded. Raises NotAllowed unless the teacher asks."""
    if not visitor.is_teacher:
        raise NotAllowed("only the teacher can have this server download images")
    return background.start(_key(source), lambda say: _download(source, say), lane=_LANE)


def offer(config: Config) -> None:
    """The button that brings a model's images, how far they have come, or why they cannot be had; or nothing."""
    source = source_of(config)
    if source is None or is_here(source, home() / "data"):
        return
    title, job = _TITLES[source], background.find(_key(source), _LANE)
    if job is not None and job.is_running:
        _follow(job, title, MEGABYTES[source])
        return
    if job is not None and job.error is not None:
        st.error(f"{title} has not come: {job.error}.")
    if not visitors.is_teacher():
        st.caption(f"The teacher can have this server get {title} ({MEGABYTES[source]} MB), once for everybody.")
        return
    st.button(
        f"Get {title} ({MEGABYTES[source]} MB)",
        icon=":material/download:",
        help="Once for everybody on this server. It goes on where it was if it is broken off, and is checked.",
        key=f"get_{source}",
        on_click=lambda: start(source, visitors.visitor()),
    )


def _key(source: str) -> tuple[str, str]:
    return "download", source


def _download(source: str, say: background.Report) -> None:
    with contextlib.closing(fetching(source, home() / "data")) as steps:
        for step in steps:
            if not say(step.share):
                raise background.Cancelled
    cache.look_again()


def _follow(job: background.Job, title: str, megabytes: int) -> None:
    @st.fragment(run_every=1.0)
    def progress() -> None:
        if not job.is_running:
            st.rerun()
        bar, cancel = st.columns([5, 1], vertical_alignment="bottom")
        bar.progress(job.share, f"Getting {title}: {100 * job.share:.0f} % of {megabytes} MB …")
        if visitors.is_teacher() and cancel.button("Cancel", key="cancel_download"):
            job.cancel()
            st.rerun()

    progress()
