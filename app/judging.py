"""Judging a model's halting in the background: one thread in the server, shared by all who look."""

from __future__ import annotations

import atexit
import logging
import threading
import time
from dataclasses import asdict, dataclass, field
from typing import Any

import streamlit as st

from app import cache
from vitrm.errors import VitrmError
from vitrm.runs import find_run

_KEPT = 16  # jobs remembered
_PAUSE_S = 0.005  # between two batches, so that whoever waits for the model gets it


@dataclass
class Job:
    """One judgement, wanted by somebody. Only its own thread changes it, but for `stopping`."""

    name: str
    state: str = "waiting"  # then running, and finished, failed or stopped
    done: int = 0  # images that have been run
    total: int = 0  # 0 until the data has been read
    error: str = ""
    report: dict[str, Any] | None = None  # only where it could not be stored with the run
    stopping: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None

    @property
    def is_open(self) -> bool:
        return self.state in ("waiting", "running")


class Judge:
    """Judgements by name of the run, one at a time; whoever asks for one that is being made joins it."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._asking = threading.Lock()
        self._turn = threading.Lock()
        atexit.register(self.close)

    def job(self, name: str) -> Job | None:
        """The latest judgement of a run that was asked for since the server started."""
        return self._jobs.get(name)

    def start(self, name: str) -> Job:
        """Begin to judge a run, unless that is under way."""
        with self._asking:
            job = self._jobs.pop(name, None)
            if job is None or not job.is_open:
                job = Job(name)
                job.thread = threading.Thread(target=self._work, args=(job,), name=f"judge {name}", daemon=True)
                job.thread.start()
            self._jobs[name] = job
            for old in [n for n, other in self._jobs.items() if not other.is_open][: max(0, len(self._jobs) - _KEPT)]:
                del self._jobs[old]
            return job

    def close(self) -> None:
        """Stop everything and wait for it."""
        jobs = list(self._jobs.values())
        for job in jobs:
            job.stopping.set()
        for job in jobs:
            job.thread.join(timeout=10)

    def _work(self, job: Job) -> None:
        while not self._turn.acquire(timeout=0.2):
            if job.stopping.is_set():
                job.state = "stopped"
                return
        try:
            job.state = "running"
            job.state = "finished" if self._judge(job) else "stopped"
        except VitrmError as error:
            job.error, job.state = str(error), "failed"
        except Exception as error:  # the thread has nobody to tell, the page has
            logging.getLogger(__name__).exception("judging the halting of %s", job.name)
            job.error, job.state = f"{type(error).__name__}: {error}", "failed"
        finally:
            self._turn.release()

    def _judge(self, job: Job) -> bool:
        """Whether it came to its end."""
        from vitrm.halting_report import Progress, judging

        data, model = cache.dataset(job.name), cache.model(job.name)
        job.total = len(data.val) + len(data.test)
        events = judging(model, data.val, data.test)
        while not job.stopping.is_set():
            if job.done < job.total:
                with cache.inference_lock():
                    event = next(events)
                time.sleep(_PAUSE_S)
            else:
                event = next(events)  # this needs the numbers only, not the model
            if isinstance(event, Progress):
                job.done = event.done
                continue
            try:
                find_run(job.name).save_halting(event, data.test)
            except OSError as error:  # a folder that cannot be written: it is kept for as long as the server runs
                logging.getLogger(__name__).warning("the judgement of %s is not kept: %s", job.name, error)
                job.report = asdict(event) | {"images": {}}
            return True
        return False


@st.cache_resource(show_spinner=False)
def judge() -> Judge:
    """The one of this server."""
    return Judge()


def judgement(checkpoint: str) -> dict[str, Any] | None:
    """The judgement of a checkpoint's halting; where there is none, what is needed to have it made."""
    job = judge().job(checkpoint)
    report = cache.halting(checkpoint) or (job and job.report)
    if report is None:
        watching = job is not None and job.is_open
        st.fragment(_make, run_every=0.5 if watching else None)(checkpoint, watching)
    return report


def _make(checkpoint: str, watching: bool) -> None:
    """A button that starts the judgement; while it is being made, how far it is."""
    job = judge().job(checkpoint)
    if watching and not job.is_open:
        st.rerun()  # the whole page: it has something to show, and need not be asked again and again
    if job is not None and job.is_open:
        if job.state == "waiting":
            st.progress(0.0, "Waiting for another judgement to end …")
        elif job.total == 0:
            st.progress(0.0, "Reading the images …")
        else:
            st.progress(
                job.done / job.total,
                f"Judging the halting of {checkpoint}: {job.done:,} of {job.total:,} validation and test images",
            )
        st.caption("It is made once, for everybody on this server. You may go on with the image meanwhile.")
        st.button("Stop", icon=":material/cancel:", on_click=job.stopping.set, key="stop_judging")
        return
    if job is not None and job.state == "failed":
        st.error(f"It cannot be judged here: {job.error}")
    st.markdown("The halting of this model has not been judged yet.")
    if st.button("Judge its halting now", icon=":material/monitoring:", type="primary", key="start_judging"):
        judge().start(checkpoint)
        st.rerun()
