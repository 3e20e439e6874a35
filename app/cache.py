"""Everything the app keeps between reruns, all of it bounded. Importing this does not import torch."""

from __future__ import annotations

import atexit
import gc
import importlib
import threading

import numpy as np
import streamlit as st

from app import background
from app.attribution import Attribution
from app.player import parse_edit
from vitrm.config import Config
from vitrm.errors import DataError, RunError
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


def halting(name: str) -> dict | None:
    """The stored judgement of a checkpoint's halting; None where none has been made (yet: it is read anew)."""
    return find_run(name).halting()


def inference_lock() -> threading.Lock:
    """What to hold while a model computes, for tenths of a second at most: everybody else waits for it."""
    return _INFERENCE


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


@st.cache_data(max_entries=32, ttl=60, show_spinner=False)
def images_here(name: str) -> bool:
    """Whether the images that a checkpoint was tested on can be had."""
    try:
        dataset(name)
    except DataError:
        return False
    return True


def trace(name: str, image: str, seed: int, depth: int = 1) -> Trace:
    """The trace of a test image under a checkpoint: ready-made where there is one, computed (once) where not.

    `depth` multiplies the number of supervision steps the checkpoint was trained with.
    """
    ready = gallery(name).get(image)
    if ready is not None and ready.seed == seed and depth == 1:
        return ready
    return _computed_trace(name, image, seed, depth)


@st.cache_resource(max_entries=128, show_spinner="Running the model …")
def _computed_trace(name: str, image: str, seed: int, depth: int) -> Trace:
    from vitrm.tracing import trace as make_trace

    index = int(image.removeprefix("test-"))
    pixels, label = _test_image(name, image, index)
    steps = depth * facts(name)[0].model.supervision_steps
    with _INFERENCE:
        return make_trace(model(name), pixels, steps, seed=seed, label=label)


def _test_image(name: str, image: str, index: int) -> tuple[np.ndarray, int | None]:
    """Pixels (C, H, W) and true class: of the ready-made trace where there is one, else from the data."""
    ready = gallery(name).get(image)
    if ready is not None:
        return ready.pixels, ready.label
    split = dataset(name).test
    return split.images[index].numpy(), int(split.labels[index])


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
