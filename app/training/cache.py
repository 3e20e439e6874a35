"""The queue of trainings, and what runs have said so far: kept once for everybody."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass

import streamlit as st

from app import inference, own_data
from app.cache import settle_torch
from app.training.curves.curves import payload
from app.training.figures import live_charts
from app.training.history import History
from app.training.queue import Trainings
from vitrm.config import Config
from vitrm.errors import ConfigError, RunError
from vitrm.places import home
from vitrm.runs.checkpoints import find_run
from vitrm.runs.folder import Run
from vitrm.traces.trace import Trace


@st.cache_resource(show_spinner=False, on_release=Trainings.close)
def trainings() -> Trainings:
    """The queue of trainings, one for all sessions, looked after by a thread of its own."""
    return Trainings().start()


@st.cache_resource(show_spinner=False)
def look_after_queue() -> None:
    """Once per server, whichever page is opened first: who waited when the last server ended gets their turn."""
    own_data.tidy()
    with contextlib.suppress(RunError, ConfigError):  # the Train page says what is wrong
        if any((home() / "runs").glob("*/job.json")):
            trainings()


@dataclass(frozen=True)
class Watched:
    """A run that may still be training: its name, and when that was begun (`Run.begun`); as `Checkpoint` otherwise."""

    name: str
    begun: int | None

    @property
    def run(self) -> Run:
        """Its run folder. Raises RunError if it is gone."""
        return find_run(self.name)


def watched(name: str) -> Watched:
    """The run that a name stands for now; which of them a visitor may see, `choices.seen` says. Raises RunError."""
    return Watched(name, find_run(name).begun)


@st.cache_data(max_entries=64, show_spinner=False)
def settings(watched: Watched) -> Config:
    """What a run is set to. Raises RunError if that is gone or damaged."""
    return watched.run.config()


@st.cache_resource(max_entries=32, show_spinner=False)
def history(watched: Watched) -> History:
    """What a run has said so far; everybody who watches reads on from the same place."""
    return History(watched.run)


@st.cache_data(max_entries=32, show_spinner=False)
def live_curves(watched: Watched, version: int, _config: Config) -> dict:
    """The live figures of a run as the browser is sent them; made once for everybody."""
    return payload(live_charts(history(watched), _config))


@st.cache_resource(max_entries=8, show_spinner="Loading the latest weights …")
def latest_model(watched: Watched, written_at: int):
    """The weights of a run as they stood at `written_at`, or later where those are gone, and when that was; for all
    sessions. To be used by `inference.run` only.
    """
    run, before, network = watched.run, None, None
    inference.Limits.from_environment().check(run.config().model)
    settle_torch()
    while network is None or run.latest_at != before:  # they were replaced while they were read
        before = run.latest_at
        network = run.load_model(latest=True)
    return network, before


@st.cache_resource(max_entries=64, show_spinner="Running the model …")
def latest_trace(watched: Watched, written_at: int, image: str) -> tuple[Trace, int]:
    """The trace of a validation image ("val-17") under the latest weights of a run that may still be training, and when
    those were written, in ns.
    """
    from vitrm.traces.recording import tracing

    kept = snapshot(watched, 0)[image]  # its pixels, without reading the data set
    network, at = latest_model(watched, written_at)
    return inference.run(tracing(network, kept.pixels, seed=kept.seed, label=kept.label), network.config), at


@st.cache_resource(max_entries=64, show_spinner=False)
def snapshot(watched: Watched, epoch: int) -> dict[str, Trace]:
    """What a run's model made of the watched images after an epoch."""
    return watched.run.snapshot(epoch)


@st.cache_data(max_entries=4096, show_spinner=False)
def snapshot_answers(watched: Watched, epoch: int, image: str) -> tuple[list[float], float]:
    """Class probabilities and halting probability after the last step, of one watched image after an epoch."""
    made = watched.run.snapshot(epoch)[image]
    return made.probs[-1, -1, -1].tolist(), float(made.halt_prob[-1, -1, -1])


@st.cache_data(show_spinner=False)
def gpu() -> str | None:
    """The name of the GPU, where there is one that torch can use; None elsewhere, and until torch has been loaded."""
    if shutil.which("nvidia-smi") is None:  # on most machines there is nothing to wait for
        return None
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else None
