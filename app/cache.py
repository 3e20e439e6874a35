"""Everything the app keeps between reruns, all of it bounded. Importing this does not import torch."""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import logging
import threading
import time
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from app import background
from app.attention.attribution import Attribution
from app.change import parse_edit
from app.compare.comparison import Comparison
from app.compare.table import BATCHES, Speeds, is_measurable
from vitrm.config import Config, GlimpsePolicy
from vitrm.errors import DataError, RunError
from vitrm.judge.mazes import MazeReport, draw_others, measuring
from vitrm.runs.folder import Run, find_run, list_runs
from vitrm.traces.trace import Trace

if TYPE_CHECKING:  # it needs torch
    pass

_PAUSE_S = 0.005  # between two batches of a long work, so that whoever waits for the model gets it
INFERENCE = threading.Lock()  # one model copy for everybody; one image at a time keeps two cores responsive


@dataclass(frozen=True)
class Checkpoint:
    """A finished model as it was found: its name, and which weights that name stood for (`Run.version`).

    Everything kept of a model is kept under this value: a run that is made again under the same name is another one,
    and what belonged to the old one falls out of the caches by itself.
    """

    name: str
    version: str

    @property
    def run(self) -> Run:
        """Its run folder. Raises RunError if it is gone."""
        return find_run(self.name)


def checkpoints() -> dict[str, Checkpoint]:
    """All finished models on this machine by name, the bundled ones first."""
    return {run.name: Checkpoint(run.name, run.version) for run in list_runs() if run.is_complete}


def checkpoint(name: str) -> Checkpoint:
    """The model that a name stands for now. Raises RunError if there is none."""
    return Checkpoint(name, find_run(name).version)


@st.cache_data(max_entries=32, show_spinner=False)
def facts(checkpoint: Checkpoint) -> tuple[Config, dict]:
    """Configuration and summary of a finished run. Raises RunError if it is gone, damaged or not finished."""
    summary = checkpoint.run.summary()
    if summary is None:
        raise RunError(f"'{checkpoint.run.path}' is not finished")
    return checkpoint.run.config(), summary


@st.cache_resource(max_entries=8, show_spinner=False)
def gallery(checkpoint: Checkpoint) -> dict[str, Trace]:
    """Ready-made traces of a checkpoint: on screen before torch has loaded."""
    return checkpoint.run.gallery()


def halting(checkpoint: Checkpoint) -> dict | None:
    """The judgement of a checkpoint's halting, stored with it or made since the server started; None without one."""
    job = judging(checkpoint)
    return checkpoint.run.halting() or (job and job.result)


def glimpses(checkpoint: Checkpoint) -> dict | None:
    """The comparison of who chooses the glimpses, stored with a checkpoint or made since; None without one."""
    job = comparing(checkpoint)
    return checkpoint.run.glimpses() or (job and job.result)


@st.cache_data(max_entries=32, ttl=60, show_spinner=False)
def domain(checkpoint: Checkpoint) -> dict | None:
    """The measured warning about foreign images; None where none has been made."""
    return checkpoint.run.domain()


def mixture(checkpoint: Checkpoint) -> dict | None:
    """The judgement of an SR-ViT's routers, stored with it or made since the server started; None without one."""
    job = judging(checkpoint, "mixture")
    return checkpoint.run.mixture() or (job and job.result)


def judging(checkpoint: Checkpoint, of: str = "halting") -> background.Job | None:
    """The judgement in the making, of the halting or the mixture, if it has been started (see `start_judging`)."""
    return background.find(_judgement(checkpoint, of))


def start_judging(checkpoint: Checkpoint, of: str = "halting") -> background.Job:
    """Judge a checkpoint's halting, or mixture, in the background, once for everybody, and store it with its run."""

    def work(report: background.Report) -> dict:
        from vitrm.judge import halting as halting_report
        from vitrm.judge import mixture as mixture_report

        data, network, run = dataset(checkpoint), model(checkpoint), checkpoint.run
        if of == "halting":
            events, save = (
                halting_report.judging(network, data.val, data.test),
                partial(run.save_halting, test=data.test),
            )
        else:
            events, save = mixture_report.judging(network, data.test), run.save_mixture
        complete = False
        while True:
            with contextlib.nullcontext() if complete else INFERENCE:  # what is left then needs the numbers only
                event = next(events)
            if not isinstance(event, halting_report.Progress | mixture_report.Progress):
                break
            complete = event.done == event.total
            if not report(event.done / event.total):
                raise background.Cancelled
            time.sleep(_PAUSE_S)
        try:
            save(event)
        except OSError as error:  # a folder that cannot be written: kept for as long as the server runs
            logging.getLogger(__name__).warning("the judgement of %s is not kept: %s", checkpoint.name, error)
        return asdict(event) | {"images": {}}

    return background.start(_judgement(checkpoint, of), work)


def comparing(checkpoint: Checkpoint) -> background.Job | None:
    """The comparison of glimpse policies in the making, if it has been started (see `start_comparing`)."""
    return background.find(("glimpses", checkpoint))


def start_comparing(checkpoint: Checkpoint) -> background.Job:
    """Compare who chooses the glimpses in the background, once for everybody, and store that with the run."""

    def work(report: background.Report) -> dict:
        from vitrm.judge.glimpses import comparing as compare
        from vitrm.judge.halting import Progress

        data, network = dataset(checkpoint), model(checkpoint)
        events = compare(network, data.val, data.test, training_seed=facts(checkpoint)[0].train.seed)
        while True:
            with INFERENCE:
                event = next(events)
            if not isinstance(event, Progress):
                break
            if not report(event.done / event.total):
                raise background.Cancelled
            time.sleep(_PAUSE_S)
        try:
            checkpoint.run.save_glimpses(event)
        except OSError as error:  # a folder that cannot be written: kept for as long as the server runs
            logging.getLogger(__name__).warning("the comparison of %s is not kept: %s", checkpoint.name, error)
        return asdict(event)

    return background.start(("glimpses", checkpoint), work)


def _judgement(checkpoint: Checkpoint, of: str) -> tuple[str, Checkpoint]:
    """What a judgement is known by."""
    return of, checkpoint


@st.cache_resource(max_entries=8, show_spinner="Loading the model …")
def model(checkpoint: Checkpoint):
    """The trained model, one copy for all sessions. Use it under the inference lock only."""
    settle_torch()
    return checkpoint.run.load_model()


def dataset(checkpoint: Checkpoint):
    """The data a run was trained on. Raises DataError if it is not on this machine."""
    config, _ = facts(checkpoint)
    read = ("val_fraction", "split_seed", "train_images", "memory_gb")
    options = tuple((key, getattr(config.data, key)) for key in read)
    return _dataset(config.data.source, config.model.image_size, config.model.channels, options)


@st.cache_resource(max_entries=4, show_spinner="Reading the images …")
def _dataset(source: str, image_size: int, channels: int, options: tuple[tuple[str, Any], ...]):
    """One copy for all models that read the same."""
    from vitrm.data.sources import load_dataset

    return load_dataset(source, image_size, channels, **dict(options))


@st.cache_data(max_entries=32, ttl=60, show_spinner=False)
def images_here(checkpoint: Checkpoint) -> bool:
    """Whether the images that a checkpoint was tested on can be had."""
    try:
        dataset(checkpoint)
    except DataError:
        return False
    return True


def trace(checkpoint: Checkpoint, image: str, seed: int, policy: GlimpsePolicy = "random") -> Trace:
    """The trace of a test image under a checkpoint: ready-made where there is one, computed (once) where not."""
    ready = gallery(checkpoint).get(image)
    if ready is not None and (ready.seed, ready.policy) == (seed, policy):
        return ready
    return _computed_trace(checkpoint, image, seed if policy == "random" else 0, policy)  # nothing else is drawn


@st.cache_resource(max_entries=128, show_spinner="Running the model …")
def _computed_trace(checkpoint: Checkpoint, image: str, seed: int, policy: GlimpsePolicy) -> Trace:
    from vitrm.traces.recording import trace as make_trace

    pixels, label = test_image(checkpoint, image)
    with INFERENCE:
        return make_trace(model(checkpoint), pixels, seed=seed, label=label, policy=policy)


def test_image(checkpoint: Checkpoint, image: str) -> tuple[np.ndarray, int]:
    """Pixels (C, H, W) uint8 and true class of a test image; without the data set where a ready-made trace has them."""
    ready = gallery(checkpoint).get(image)
    if ready is not None and ready.label is not None:
        return ready.pixels, ready.label
    index, split = int(image.removeprefix("test-")), dataset(checkpoint).test
    return split.images[index].numpy(), int(split.labels[index])


@st.cache_resource(max_entries=32, show_spinner="Running more steps …")
def deeper_trace(checkpoint: Checkpoint, image: str, seed: int, depth: int) -> Trace:
    """The same over `depth` times the trained supervision steps, without the attention that makes traces large."""
    from vitrm.traces.recording import trace as make_trace

    trained = trace(checkpoint, image, seed)
    with INFERENCE:
        made = make_trace(
            model(checkpoint), trained.pixels, depth * trained.trained_steps, seed=seed, label=trained.label
        )
    return replace(made, patch_attention=None, state_attention=None, answer_attention=None)


@st.cache_resource(max_entries=64, show_spinner="Running the model again …")
def changed_trace(checkpoint: Checkpoint, image: str, seed: int, edit: str) -> Trace:
    """The same under the edit that a link or the edits panel names. Raises ConfigError if it cannot be made."""
    from vitrm.traces.recording import trace as make_trace

    unchanged = trace(checkpoint, image, seed)
    change = parse_edit(edit, unchanged)
    with INFERENCE:
        return make_trace(
            model(checkpoint), unchanged.pixels, seed=seed, label=unchanged.label, edit=change.edit, **change.counts
        )


def speeds(compared: Comparison) -> background.Job | None:
    """The measurement of these models' latency, if it has been started (see `start_measuring`)."""
    return background.find(_measurement(compared))


def start_measuring(compared: Comparison) -> background.Job:
    """Measure latency and memory of these models in the background, once for everybody."""

    def work(report: background.Report) -> Speeds:
        import torch

        from vitrm.bench.latency import latencies
        from vitrm.runs.folder import provenance

        settle_torch()
        configs = list(dict.fromkeys(entry.config for entry in compared.entries if is_measurable(entry)))

        def between(share: float) -> None:
            INFERENCE.release()  # others may have their turn after every run
            time.sleep(_PAUSE_S)
            INFERENCE.acquire()
            if not report(share):
                raise background.Cancelled

        with INFERENCE:
            found = latencies(configs, BATCHES, progress=between)
        hardware = provenance("cpu")["hardware"]
        return Speeds(dict(zip(configs, found, strict=True)), hardware, torch.get_num_threads())

    return background.start(_measurement(compared), work)


def _measurement(compared: Comparison) -> tuple:
    return "speeds", compared.key, tuple(entry.config for entry in compared.entries)


def attribution(checkpoint: Checkpoint, image: str, seed: int) -> background.Job | None:
    """The attribution of the last answer, if it has been started (see `start_attribution`)."""
    return background.find(_attributed(checkpoint, image, seed))


def start_attribution(checkpoint: Checkpoint, image: str, seed: int) -> background.Job:
    """Attribute the last answer of that trace to the patches, in the background, once for everybody."""

    def work(report: background.Report) -> Attribution:
        from app.attention.attribution import attribute

        shown = trace(checkpoint, image, seed)
        steps, target = len(shown.logits), int(shown.logits[-1, -1, -1].argmax())
        network = model(checkpoint)

        def between(share: float) -> None:
            INFERENCE.release()  # others may have their turn after every few images
            time.sleep(_PAUSE_S)  # without it this thread would have the lock back before they wake up
            INFERENCE.acquire()
            if not report(share):
                raise background.Cancelled

        with INFERENCE:
            return attribute(network, shown.pixels, target, supervision_steps=steps, seed=seed, progress=between)

    return background.start(_attributed(checkpoint, image, seed), work)


def _attributed(checkpoint: Checkpoint, image: str, seed: int) -> tuple:
    return "attribution", checkpoint, image, seed


def maze_report(checkpoint: Checkpoint) -> MazeReport | None:
    """What a model makes of mazes by length, stored with it or measured since the server started; None without."""
    job = measuring_mazes(checkpoint)
    return _stored_maze_report(checkpoint) or (job and job.result)


@st.cache_resource(max_entries=8, ttl=60, show_spinner=False)
def _stored_maze_report(checkpoint: Checkpoint) -> MazeReport | None:
    return checkpoint.run.mazes()


def measuring_mazes(checkpoint: Checkpoint) -> background.Job | None:
    """The report in the making, if it has been started (see `start_maze_report`)."""
    return background.find(_maze_measurement(checkpoint))


def start_maze_report(checkpoint: Checkpoint) -> background.Job:
    """Measure a model on mazes in the background, once for everybody, and store the report with its run."""

    def work(report: background.Report) -> MazeReport:
        data, network, settings = dataset(checkpoint), model(checkpoint), facts(checkpoint)[0].data.mazes
        events = measuring(network, data, settings, *draw_others(network.config, settings))
        while True:
            with INFERENCE:
                event = next(events)
            if isinstance(event, MazeReport):
                break
            if not report(event.done / event.total):
                raise background.Cancelled
            time.sleep(_PAUSE_S)
        try:
            checkpoint.run.save_mazes(event)
        except OSError as error:  # a folder that cannot be written: kept for as long as the server runs
            logging.getLogger(__name__).warning("the report of %s is not kept: %s", checkpoint.name, error)
        return event

    return background.start(_maze_measurement(checkpoint), work)


def _maze_measurement(checkpoint: Checkpoint) -> tuple[str, Checkpoint]:
    return "mazes", checkpoint


def difficulty(checkpoint: Checkpoint) -> dict | None:
    """How a model does by difficulty, beside a control, stored with it; None without one."""
    return checkpoint.run.difficulty()


@st.cache_resource(show_spinner=False)
def warm_up() -> threading.Thread:
    """Import what the first computed trace needs, in the background: the page on screen does not wait for it."""

    first = ("vitrm.traces.recording",)
    thread = threading.Thread(target=importlib.import_module, args=first, name="warm-up", daemon=True)
    thread.start()
    return thread


def settle_torch() -> None:
    """One thread is fastest for one small image; torch's many objects stay out of the garbage collector's way."""
    import torch

    torch.set_num_threads(1)
    gc.collect()
    gc.freeze()
    atexit.register(gc.unfreeze)  # or libraries that count their objects at exit report them as leaked
