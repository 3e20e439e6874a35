"""Work that takes seconds and must not hold up a page: one thread for the whole server, one piece of work at a time.

Whoever asks for the same work (the same key) gets the same job, so that a class waits once. No streamlit in here but
the cache that keeps the registry over hot reloads.
"""

from __future__ import annotations

import atexit
import logging
import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

import streamlit as st

from vitrm.errors import VitrmError

KEPT = 64  # jobs that are remembered with their results

Report = Callable[[float], bool]  # told the share done, 0..1; False: stop now, nobody wants it any more


class Cancelled(Exception):
    """Work that was told to stop raises this."""


class Job:
    """One piece of work. `result` is None until it is done; `error` says in one sentence why it failed."""

    def __init__(self, key: Hashable, wanted: Callable[[Job], bool] = lambda job: True) -> None:
        self.key = key
        self.visitors: set[Hashable] = set()  # who asked for it, or has watched it
        self.wanted_at = time.monotonic()
        self._wanted = wanted
        self.share = 0.0
        self.result: Any = None
        self.error: str | None = None
        self._cancelled = threading.Event()
        self._over = threading.Event()

    @property
    def is_running(self) -> bool:
        """Waiting for its turn, or at work."""
        return not self._over.is_set()

    def report(self, share: float) -> bool:
        self.share = share
        if not self._wanted(self):
            self.cancel()
        return not self._cancelled.is_set()

    def cancel(self) -> None:
        self._cancelled.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Whether it was over within `timeout` seconds."""
        return self._over.wait(timeout)

    def _run(self, work: Callable[[Report], Any]) -> None:
        try:
            if not self._cancelled.is_set():
                self.result = work(self.report)
        except Cancelled:
            pass
        except VitrmError as error:
            self.error = str(error)
        except Exception as error:  # a bug: it must end here, not in silence with a bar that never moves
            logging.getLogger(__name__).exception("background work failed")
            self.error = f"it failed ({type(error).__name__}); the server's log says why"
        finally:
            self._over.set()


class Jobs:
    """All work that is known, and the thread that does it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.known: OrderedDict[Hashable, Job] = OrderedDict()
        self.waiting: queue.SimpleQueue[tuple[Job, Callable[[Report], Any]] | None] = queue.SimpleQueue()
        # A daemon, and no pool: the end of the server would wait for a pool until all of its work was done.
        self.worker = threading.Thread(target=self._serve, name="background", daemon=True)
        self.worker.start()
        atexit.register(self.close)

    def _serve(self) -> None:
        while (next_one := self.waiting.get()) is not None:
            job, work = next_one
            job._run(work)

    def close(self) -> None:
        """Cancel everything, and wait until the work in progress has noticed."""
        with self.lock:
            for job in self.known.values():
                job.cancel()
        self.waiting.put(None)
        self.worker.join(timeout=10)


@st.cache_resource(show_spinner=False)
def registry(lane: str = "") -> Jobs:
    """The server's own; what waits for a network and not for the processor has a lane of its own."""
    return Jobs()


def find(key: Hashable, lane: str = "") -> Job | None:
    """The job of that key, running or done; None if none was started, or it was cancelled, or forgotten since."""
    jobs = registry(lane)
    with jobs.lock:
        job = jobs.known.get(key)
        if job is not None and job._cancelled.is_set():
            return None
        return job


def start(
    key: Hashable, work: Callable[[Report], Any], wanted: Callable[[Job], bool] = lambda job: True, lane: str = ""
) -> Job:
    """The job of that key; `work(report)` is called in the background unless it has been started before.

    It is cancelled as soon as it is not `wanted` any more, which is asked whenever it reports.

    `report(share)` returns False when the work is to stop; it may raise Cancelled then. A job that failed, or came to
    nothing, starts anew.
    """
    jobs = registry(lane)
    with jobs.lock:
        job = jobs.known.get(key)
        if job is None or job._cancelled.is_set() or not (job.is_running or job.result is not None):
            job = jobs.known[key] = Job(key, wanted)
            jobs.waiting.put((job, work))
        jobs.known.move_to_end(key)
        for old in [k for k, j in jobs.known.items() if not j.is_running][: max(0, len(jobs.known) - KEPT)]:
            del jobs.known[old]
    return job
