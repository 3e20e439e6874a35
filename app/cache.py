"""Everything the app keeps between reruns, all of it bounded. Importing this does not import torch."""

from __future__ import annotations

import atexit
import gc
import importlib
import random
import threading
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import streamlit as st

from app import inference, own_data, sources, visitors
from app.change import parse_edit
from vitrm.config import Config, GlimpsePolicy
from vitrm.config.data import ALIASES, BUNDLED, CIFAR10_CLASSES
from vitrm.errors import DataError, RunError
from vitrm.runs.checkpoints import find_run, list_runs
from vitrm.runs.folder import Run
from vitrm.runs.same_data import check_data
from vitrm.runs.summary import Summary
from vitrm.traces.trace import Trace


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
    """All finished models on this machine that this visitor may see, by name, the bundled ones first."""
    found = (Checkpoint(run.name, run.version) for run in list_runs() if run.is_complete)
    return {each.name: each for each in found if _may_be_seen(each)}


def checkpoint(name: str) -> Checkpoint:
    """The model that a name stands for now. Raises RunError if there is none, or not for this visitor."""
    found = Checkpoint(name, find_run(name).version)
    if not _may_be_seen(found):
        raise RunError(f"no run or checkpoint '{name}'; there are: {', '.join(checkpoints())}")
    return found


def _may_be_seen(checkpoint: Checkpoint) -> bool:
    """Whether this visitor may see a model; asked wherever a name becomes a `Checkpoint`, and nowhere else."""
    source = _source(checkpoint)
    return own_data.folder(source) is None or own_data.may_see(source, visitors.visitor())


@lru_cache(maxsize=4096)  # asked of every model at every rerun: Streamlit's own takes longer to find it than all else
def _source(checkpoint: Checkpoint) -> str:
    """Of its data; "" where that cannot be read, which is said where the model is chosen."""
    try:
        return checkpoint.run.config().data.source
    except RunError:
        return ""


@st.cache_data(max_entries=256, show_spinner=False)
def facts(checkpoint: Checkpoint) -> tuple[Config, Summary]:
    """Configuration and summary of a finished run. Raises RunError if it is gone, damaged or not finished."""
    summary = checkpoint.run.summary()
    if summary is None:
        raise RunError(f"'{checkpoint.run.path}' is not finished")
    return checkpoint.run.config(), summary


@st.cache_resource(max_entries=8, show_spinner=False)
def gallery(checkpoint: Checkpoint) -> dict[str, Trace]:
    """Ready-made traces of a checkpoint: on screen before torch has loaded."""
    return checkpoint.run.gallery()


@st.cache_resource(max_entries=8, show_spinner="Loading the model …")
def model(checkpoint: Checkpoint):
    """The trained model, one copy for all sessions; to be used by `inference.run` only.

    Raises LimitError if it is larger than this server allows.
    """
    run = checkpoint.run
    inference.Limits.from_environment().check(run.config().model)
    settle_torch()
    return run.load_model()


def dataset(checkpoint: Checkpoint):
    """The data a run was trained on.

    Raises DataError if it is not on this machine, has changed since, or is none that this server offers.
    """
    config, summary = facts(checkpoint)
    sources.check(config.data.source)
    read = ("val_fraction", "split_seed", "train_images")  # how much memory it takes is not for a run to say
    options = tuple((key, getattr(config.data, key)) for key in read)
    found = shared_dataset(config.data.source, config.model.image_size, config.model.channels, options)
    check_data(checkpoint.name, config, summary, found)
    return found


@st.cache_resource(max_entries=4, show_spinner="Reading the images …")
def shared_dataset(source: str, image_size: int, channels: int, options: tuple[tuple[str, Any], ...]):
    """One copy for all models that read the same."""
    from vitrm.data.sources import load_dataset

    return load_dataset(source, image_size, channels, download=False, **dict(options))  # app/downloads.py is asked


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
    from vitrm.traces.recording import tracing

    pixels, label = test_image(checkpoint, image)
    network = model(checkpoint)
    work = tracing(network, pixels, seed=seed, label=label, policy=policy)
    return inference.run(work, network.config, policy=policy)


def test_image(checkpoint: Checkpoint, image: str) -> tuple[np.ndarray, int]:
    """Pixels (C, H, W) uint8 and true class of a test image; without the data set where a ready-made trace has them."""
    ready = gallery(checkpoint).get(image)
    if ready is not None and ready.label is not None:
        return ready.pixels, ready.label
    number, few = int(image.removeprefix("test-")), bundled_images(checkpoint)
    index, split = (number, dataset(checkpoint).test) if few is None else (few.find(number), few.images)
    if index is None:
        source = facts(checkpoint)[0].data.source
        raise DataError(f"{image} is not among the {few.words}; `vitrm download {source}` brings all of them")
    return split.images[index].numpy(), int(split.labels[index])


def images(checkpoint: Checkpoint):
    """The test images that can be shown of a checkpoint, all or a few of them; DataError where there are none."""
    from vitrm.data.bundled import every

    return bundled_images(checkpoint) or every(dataset(checkpoint).test)


def bundled_images(checkpoint: Checkpoint):
    """The test images that stand in for those a run was tested on, where these are not on this machine, or None.

    For photographs of CIFAR-10 in files of a run's own, these are CIFAR-10 as published, once that is here.
    """
    config, _ = facts(checkpoint)
    if published(config) and not images_here(checkpoint) and sources.lies_here("cifar10"):
        from vitrm.data.bundled import every

        test = shared_dataset("cifar10", config.model.image_size, config.model.channels, ()).test
        return replace(every(test), instead_of=config.data.title)
    if ALIASES.get(config.data.source, config.data.source) != BUNDLED:
        return None  # without importing torch
    return _stand_in(config.data.source, config.model.image_size, config.model.channels)


@st.cache_data(max_entries=256, ttl=60, show_spinner=False)
def has_images(checkpoint: Checkpoint) -> bool:
    """Whether there is any test image to show of a model, as far as can be told without reading them."""
    config, _ = facts(checkpoint)
    if sources.lies_here(config.data.source) or (published(config) and sources.lies_here("cifar10")):
        return True
    return checkpoint.run.has_ready_made


def published(config: Config) -> bool:
    """Whether a run was trained on CIFAR-10's photographs in files of its own, which nobody can download."""
    return config.data.source.startswith("parquet:") and config.data.classes == CIFAR10_CLASSES


def look_again() -> None:
    """Forget which images are not on this machine: some have come."""
    for kept in (images_here, has_images, _stand_in):
        kept.clear()


@st.cache_resource(max_entries=4, ttl=60, show_spinner=False)
def _stand_in(source: str, image_size: int, channels: int):
    from vitrm.data.sources import stand_in

    return stand_in(source, image_size, channels)


def any_image(checkpoint: Checkpoint, shown: str) -> str:
    """The name of a test image by chance, of those that can be shown here: another one than the one `shown`."""
    few = bundled_images(checkpoint)
    numbers = range(facts(checkpoint)[1].split_sizes["test"]) if few is None else few.numbers.tolist()
    names = [f"test-{number}" for number in numbers]
    return random.choice([name for name in names if name != shown] or names)


@st.cache_resource(max_entries=32, show_spinner="Running more steps …")
def deeper_trace(checkpoint: Checkpoint, image: str, seed: int, depth: int) -> Trace:
    """The same over `depth` times the trained supervision steps, without the attention that makes traces large."""
    from vitrm.traces.recording import tracing

    trained, network = trace(checkpoint, image, seed), model(checkpoint)
    steps = depth * network.config.supervision_steps
    work = tracing(network, trained.pixels, steps, seed=seed, label=trained.label, attention=False)
    return inference.run(work, network.config, supervision_steps=steps)


@st.cache_resource(max_entries=64, show_spinner="Running the model again …")
def changed_trace(checkpoint: Checkpoint, image: str, seed: int, edit: str) -> Trace:
    """The same under the edit that a link or the edits panel names. Raises ConfigError if it cannot be made."""
    from vitrm.traces.recording import tracing

    unchanged, network = trace(checkpoint, image, seed), model(checkpoint)
    change = parse_edit(edit, unchanged)
    work = tracing(network, unchanged.pixels, seed=seed, label=unchanged.label, edit=change.edit, **change.counts)
    return inference.run(work, network.config, **change.counts)


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
