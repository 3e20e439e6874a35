"""Everything the app keeps between reruns, all of it bounded. Importing this does not import torch."""

from __future__ import annotations

import atexit
import gc
import importlib
import threading
from dataclasses import asdict

import streamlit as st

from app import background
from app.attribution import Attribution
from app.player import parse_edit
from vitrm.config import Config
from vitrm.errors import RunError
from vitrm.runs import find_run, list_runs
from vitrm.traces import Trace

_INFERENCE = threading.Lock()  # one model copy for everybody; one image at a time keeps two cores responsive


def checkpoints() -> list[str]:
    """Names of all finished models on this machine, the bundled ones first."""
    return [run.name for run in list_runs() if run.is_complete]


@st.cache_data(max_entries=32, ttl=60, show_spinner=False)
def facts(name: str) -> tuple[Config, dict]:
    """Configuration and summary of a finished run. Raises RunError if there is none of that name."""
    run = find_run(name)
    summary = run.summary()
    if summary is None:
        raise RunError(f"'{run.path}' is not finished")
    return run.config(), summary


@st.cache_resource(max_entries=8, show_spinner=False)
def gallery(name: str) -> dict[str, Trace]:
    """Ready-made traces of a checkpoint: on screen before torch has loaded."""
    return find_run(name).gallery()


@st.cache_data(max_entries=32, ttl=60, show_spinner=False)
def halting(name: str) -> dict | None:
    """The stored judgement of a checkpoint's halting; None where none has been made."""
    return find_run(name).halting()


@st.cache_data(max_entries=8, show_spinner="Judging the halting on validation and test …")
def judged_halting(name: str) -> dict:
    """The judgement made now, for a checkpoint that has none stored."""
    from vitrm.halting_report import halting_report

    data = dataset(name)
    with _INFERENCE:
        return asdict(halting_report(model(name), data.val, data.test))


@st.cache_resource(max_entries=8, show_spinner="Loading the model …")
def model(name: str):
    """The trained model, one copy for all sessions. Use it under the inference lock only."""
    _settle_torch()
    return find_run(name).load_model()


@st.cache_resource(max_entries=2, show_spinner="Reading the images …")
def dataset(name: str):
    """The data a run was trained on. Raises DataError if it is not on this machine."""
    from vitrm.data import load_dataset

    config, _ = facts(name)
    return load_dataset(
        config.data.source,
        config.model.image_size,
        config.model.channels,
        val_fraction=config.data.val_fraction,
        split_seed=config.data.split_seed,
    )


def trace(name: str, image: str, seed: int) -> Trace:
    """The trace of a test image under a checkpoint: ready-made where there is one, computed (once) where not."""
    ready = gallery(name).get(image)
    return ready if ready is not None and ready.seed == seed else _computed_trace(name, image, seed)


@st.cache_resource(max_entries=128, show_spinner="Running the model …")
def _computed_trace(name: str, image: str, seed: int) -> Trace:
    from vitrm.tracing import trace as make_trace

    index = int(image.removeprefix("test-"))
    split = dataset(name).test
    with _INFERENCE:
        return make_trace(model(name), split.images[index], seed=seed, label=int(split.labels[index]))


@st.cache_resource(max_entries=64, show_spinner="Running the model again …")
def changed_trace(name: str, image: str, seed: int, edit: str) -> Trace:
    """The same under the edit that a link or the edits panel names. Raises ConfigError if it cannot be made."""
    from vitrm.tracing import trace as make_trace

    unchanged = trace(name, image, seed)
    change = parse_edit(edit, unchanged)
    with _INFERENCE:
        return make_trace(
            model(name), unchanged.pixels, seed=seed, label=unchanged.label, edit=change.edit, **change.counts
        )


def attribution(name: str, image: str, seed: int) -> background.Job | None:
    """The attribution of the last answer, if it has been started (see `start_attribution`)."""
    return background.find(("attribution", name, image, seed))


def start_attribution(name: str, image: str, seed: int) -> None:
    """Attribute the last answer of that trace to the patches, in the background, once for everybody."""

    def work(report: background.Report) -> Attribution:
        from app.attribution import attribute

        shown = trace(name, image, seed)
        steps, target = len(shown.logits), int(shown.logits[-1, -1, -1].argmax())
        network = model(name)

        def between(share: float) -> None:
            _INFERENCE.release()  # others may have their turn after every few images
            _INFERENCE.acquire()
            if not report(share):
                raise background.Cancelled

        with _INFERENCE:
            return attribute(network, shown.pixels, target, supervision_steps=steps, seed=seed, progress=between)

    background.start(("attribution", name, image, seed), work)


@st.cache_resource(show_spinner=False)
def warm_up() -> threading.Thread:
    """Import what the first computed trace needs, in the background: the page on screen does not wait for it."""

    def load() -> None:
        importlib.import_module("vitrm.tracing")
        importlib.import_module("sklearn.datasets")

    thread = threading.Thread(target=load, name="warm-up", daemon=True)
    thread.start()
    return thread


def _settle_torch() -> None:
    """One thread is fastest for one small image; torch's many objects stay out of the garbage collector's way."""
    import torch

    torch.set_num_threads(1)
    gc.collect()
    gc.freeze()
    atexit.register(gc.unfreeze)  # or libraries that count their objects at exit report them as leaked
