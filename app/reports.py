"""What takes a while to measure: found where it is kept, or asked for with a button and made in the background.

Whoever asks for the same gets the same: it is made once for everybody on this server, and a report is then kept with
its run.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import streamlit as st

from app import background, cache, inference
from app.cache import Checkpoint
from vitrm.errors import LimitError, VitrmError
from vitrm.judge.report import BATCH, Progress, Report, measuring
from vitrm.nets.cost import working_bytes

T = TypeVar("T")
Key = tuple[Hashable, ...]  # what is measured ("halting", "speeds", ..), then of what
_PAUSE_S = 0.005  # between two batches, so that whoever waits for the model gets it
_PATIENCE_S = 30.0  # with work that nobody waits for any more
_STARTED = "started_jobs"  # keys of the jobs that this visitor had started


@dataclass(frozen=True)
class Words:
    """What a page says of something that has not been measured yet."""

    button: str
    working: str  # beside the bar
    failed: str  # before the reason
    missing: str = ""  # above the button
    help: str | None = None
    icon: str = ":material/monitoring:"
    prominent: bool = True  # the button


def ask(key: Key, work: Callable[[background.Report], T], words: Words) -> T | None:
    """The result of some work; until it is there a button that has it done, how far it has come, or why it failed."""
    job = background.find(key)
    if job is not None and job.result is not None:
        return job.result
    if job is not None and job.is_running:
        _follow(job, words.working)
        return None
    if job is not None and job.error is not None:
        st.error(f"{words.failed}: {job.error}")
    if words.missing:
        st.markdown(f"{words.missing} It is done once, for everybody on this server.")
    st.button(
        words.button,
        icon=words.icon,
        help=words.help,
        type="primary" if words.prominent else "secondary",
        key=f"ask_{key[0]}",
        on_click=_start,
        args=(key, work),
    )
    return None


def ask_report(checkpoint: Checkpoint, kind: str, words: Words, **options: Any) -> Report | None:
    """A report of `vitrm.judge.report.KINDS` where it has been made, else the way to it; `options` as it is made with.

    A stored one that is damaged is said, and can be made anew.
    """
    report = readable(checkpoint, kind)
    if report is not None:
        return report
    return ask((kind, checkpoint), lambda say: measure(checkpoint, kind, say, **options), words)


def stored(checkpoint: Checkpoint, kind: str) -> Report | None:
    """A report kept with a checkpoint, or made since the server started; None without one.

    Raises RunError if the one that is kept is damaged, and none has been made since.
    """
    made = result((kind, checkpoint))
    try:
        return _kept(checkpoint, kind, checkpoint.run.report_version(kind)) or made
    except VitrmError:
        if made is None:
            raise
        return made


def readable(checkpoint: Checkpoint, kind: str) -> Report | None:
    """`stored`; one that is damaged is said, and counts as none."""
    try:
        return stored(checkpoint, kind)
    except VitrmError as error:
        st.error(str(error))
        return None


def has(checkpoint: Checkpoint, kind: str) -> bool:
    """Whether there is a report that can be read; one that is damaged is left for `ask_report` to say."""
    try:
        return stored(checkpoint, kind) is not None
    except VitrmError:
        return False


def result(key: Key) -> Any:
    """What some work came to, if it has been done since the server started; else None."""
    job = background.find(key)
    return job and job.result


def _wanted(job: background.Job) -> bool:
    """Whether somebody who asked for it, or has watched it, is still here; a page that is loaded anew has its time."""
    now = time.monotonic()
    if any(map(inference.is_here, tuple(job.visitors))) or not job.visitors:
        job.wanted_at = now
    return now - job.wanted_at < _PATIENCE_S


@st.cache_resource(max_entries=64, show_spinner=False)
def _kept(checkpoint: Checkpoint, kind: str, written_at: int | None) -> Report | None:
    return None if written_at is None else checkpoint.run.report(kind)


def measure(checkpoint: Checkpoint, kind: str, say: background.Report, **options: Any) -> Report:
    """Make a report, batch by batch, letting others have the model in between, and keep it with its run."""
    data, network = cache.dataset(checkpoint), cache.model(checkpoint)
    limits = inference.Limits.from_environment()
    limits.check(network.config)
    limits.check_cost(0, working_bytes(network.config, images=BATCH))
    events = measuring(kind, network, data, **options)
    event = next(events)
    with contextlib.closing(events):
        while isinstance(event, Progress):
            if not say(event.share):
                raise background.Cancelled
            time.sleep(_PAUSE_S)
            with contextlib.nullcontext() if event.is_complete else inference.INFERENCE:
                event = next(events)
    try:
        if checkpoint.run.version == checkpoint.version:  # else it was made again meanwhile: this is of other weights
            checkpoint.run.keep(event)
    except OSError as error:  # a folder that cannot be written: kept for as long as the server runs
        logging.getLogger(__name__).warning("the %s report of %s is not kept: %s", kind, checkpoint.name, error)
    return event


@contextlib.contextmanager
def in_turns(say: background.Report) -> Iterator[Callable[[float], None]]:
    """Hold the model for some work. What is yielded is told the share done, between whose calls others have a turn."""

    def between(share: float) -> None:
        inference.INFERENCE.release()
        time.sleep(_PAUSE_S)  # without it this thread would have the lock back before others wake up
        inference.INFERENCE.acquire()
        if not say(share):
            raise background.Cancelled

    with inference.INFERENCE:
        yield between


def _start(key: Key, work: Callable[[background.Report], Any]) -> None:
    st.session_state.setdefault(_STARTED, set()).add(key)
    job = background.start(key, lambda say: work(_until_its_end(say)), _wanted)
    job.visitors.add(inference.visitor())


def _until_its_end(say: background.Report, clock: Callable[[], float] = time.monotonic) -> background.Report:
    """The same, until it is told of some work that has taken longer than the server allows: it raises LimitError."""
    minutes = inference.Limits.from_environment().report_minutes
    began = clock()

    def told(share: float) -> bool:
        if clock() - began > 60 * minutes:
            raise LimitError(
                f"it was stopped after {minutes:,g} minutes with {100 * share:.0f} % done, and the server allows no "
                f"more ({inference.VARIABLES['report_minutes']}); choose a smaller model"
            )
        return say(share)

    return told


def _follow(job: background.Job, label: str) -> None:
    """How far a job has got; the page runs again when it is over.

    Everybody who waits for the same is shown it; only the visitor who had it started can cancel it.
    """

    @st.fragment(run_every=0.5)
    def progress() -> None:
        if not job.is_running:
            st.rerun()
        job.visitors.add(inference.visitor())
        bar, cancel = st.columns([5, 1], vertical_alignment="bottom")
        bar.progress(min(1.0, job.share), label)
        if job.key in st.session_state.get(_STARTED, ()) and cancel.button("Cancel", key="cancel_job"):
            job.cancel()  # it need not be over: it counts as gone, and may be behind others in the queue
            st.rerun()

    progress()
