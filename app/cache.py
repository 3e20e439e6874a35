"""Everything the app keeps between reruns, all of it bounded. Importing this does not import torch."""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import shutil
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from app.compare import comparison
from app.compare.comparison import Comparison
from app.compare.pair.answers import Answer
from app.mazes import maze as mazes
from app.player import Change, parse_edit
from app.training import figures as training_figures
from app.training.curves import payload
from app.training.history import History
from app.training.jobs import Trainings
from vitrm.config import Config, GlimpsePolicy
from vitrm.data.mazes import MazeSettings, cells_of, draw_mazes, render
from vitrm.errors import ConfigError, DataError, RunError, VitrmError
from vitrm.judge.mazes import check_size
from vitrm.runs.checkpoints import find_run, list_runs
from vitrm.runs.folder import Run
from vitrm.sweep.run import list_tables, read_table
from vitrm.traces.mixture import MixtureTrace
from vitrm.traces.trace import Trace

if TYPE_CHECKING:  # it needs torch
    from vitrm.traces.answers import Answers

DRAWS = 64  # of the glimpses of one image
DECK_IMAGES = 6  # of a game
_POOL, _POOL_BEYOND, _POOL_SEED = 24, 6, 20_261_121  # mazes of each length to choose from
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
    from vitrm.data.dataset import load_dataset

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

    pixels, label = _test_image(checkpoint, image)
    with INFERENCE:
        return make_trace(model(checkpoint), pixels, seed=seed, label=label, policy=policy)


def _test_image(checkpoint: Checkpoint, image: str) -> tuple[np.ndarray, int]:
    """Pixels (C, H, W) uint8 and true class of a test image; without the data set where a ready-made trace has them."""
    ready = gallery(checkpoint).get(image)
    if ready is not None and ready.label is not None:
        return ready.pixels, ready.label
    index, split = int(image.removeprefix("test-")), dataset(checkpoint).test
    return split.images[index].numpy(), int(split.labels[index])


@st.cache_resource(max_entries=64, show_spinner="Drawing other glimpses …")
def draws(checkpoint: Checkpoint, image: str) -> Answers:
    """What a test image is answered under `DRAWS` draws of the glimpses, seeds 0, 1, 2, …"""
    from vitrm.traces.answers import answers

    pixels, _ = _test_image(checkpoint, image)
    with INFERENCE:
        return answers(model(checkpoint), pixels[None], range(DRAWS))


@st.cache_resource(max_entries=64, show_spinner="Running the model …")
def orders(checkpoint: Checkpoint, image: str) -> dict[str, Answers]:
    """The same under the policies that draw nothing."""
    from vitrm.traces.answers import answers

    pixels, _ = _test_image(checkpoint, image)
    with INFERENCE:
        return {policy: answers(model(checkpoint), pixels[None], policy=policy) for policy in ("fixed", "learned")}


@st.cache_resource(max_entries=256, show_spinner=False)
def picked(checkpoint: Checkpoint, image: str, patches: tuple[tuple[int, ...], ...]) -> Answers:
    """What a test image is answered when each step reads the patches that somebody chose. Raises ConfigError."""
    from vitrm.traces.answers import answers

    pixels, _ = _test_image(checkpoint, image)
    with INFERENCE:
        return answers(model(checkpoint), pixels[None], patches=patches)


@st.cache_resource(max_entries=32, show_spinner="Shuffling the images …")
def deck(checkpoint: Checkpoint, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, Answers]:
    """Test images for a game, drawn by `number`: their indices, pixels and labels, and what they are answered."""
    from vitrm.traces.answers import answers

    split = dataset(checkpoint).test
    indices = np.random.default_rng(abs(number)).permutation(len(split))[:DECK_IMAGES]
    pixels = split.images[indices].numpy()
    with INFERENCE:
        made = answers(model(checkpoint), pixels, [number * DECK_IMAGES + k for k in range(len(indices))])
    return indices, pixels, split.labels[indices].numpy(), made


@st.cache_resource(max_entries=128, show_spinner="Running the model …")
def answer(checkpoint: Checkpoint, image: str) -> Answer:
    """What a model that answers once says of a test image."""
    import torch

    pixels, label = _test_image(checkpoint, image)
    network = model(checkpoint)
    with INFERENCE, torch.inference_mode():
        probs = network(network.transform.normalize(torch.tensor(pixels))[None])[0].softmax(-1)
    return Answer(network.class_names, pixels, label, probs.numpy())


@st.cache_resource(max_entries=8, show_spinner=False)
def mixtures(checkpoint: Checkpoint) -> dict[str, MixtureTrace]:
    """Ready-made traces of an SR-ViT, as `gallery`."""
    return checkpoint.run.mixtures()


def mixture_trace(checkpoint: Checkpoint, image: str) -> MixtureTrace:
    """The trace of a test image under an SR-ViT: ready-made where there is one, computed (once) where not."""
    return mixtures(checkpoint).get(image) or _computed_mixture(checkpoint, image)


@st.cache_resource(max_entries=128, show_spinner="Running the model …")
def _computed_mixture(checkpoint: Checkpoint, image: str) -> MixtureTrace:
    from vitrm.traces.recording import mixture_trace as make_trace

    pixels, label = _test_image(checkpoint, image)
    network = model(checkpoint)
    with INFERENCE:
        return make_trace(network, pixels, label=label)


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


def comparisons() -> tuple[list[Comparison], list[str]]:
    """What can be compared, the most trainings first; and a sentence for each run or table that cannot be read."""
    runs = tuple(checkpoints().values())
    tables = tuple((name, str(file), file.stat().st_mtime_ns) for name, file in list_tables().items())
    return _comparisons(runs, tables)


@st.cache_resource(max_entries=4, ttl=60, show_spinner=False)
def _comparisons(
    runs: tuple[Checkpoint, ...], tables: tuple[tuple[str, str, int], ...]
) -> tuple[list[Comparison], list[str]]:
    known, mixtures, results, unread = {}, {}, {}, []
    for checkpoint in runs:
        try:
            if (mixture := checkpoint.run.report("mixture")) is not None:
                mixtures[checkpoint.name] = mixture
            known[checkpoint.name] = facts(checkpoint)
        except VitrmError as error:
            unread.append(str(error))
    for name, file, _ in tables:
        try:
            results[name] = read_table(file)
        except VitrmError as error:
            unread.append(str(error))
    grids, models = comparison.of_tables(results), comparison.of_models(known, mixtures)
    return sorted([*grids, *models], key=lambda each: -each.trainings), unread


@st.cache_resource(show_spinner=False, on_release=Trainings.close)
def trainings() -> Trainings:
    """The queue of trainings, one for all sessions, looked after by a thread of its own."""
    return Trainings().start()


@st.cache_resource(show_spinner=False)
def look_after_queue() -> None:
    """Once per server, whichever page is opened first: who waited when the last server ended gets their turn."""
    with contextlib.suppress(RunError, ConfigError):  # the Train page says what is wrong
        if any(Path("runs").glob("*/job.json")):
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
    """The run that a name stands for now. Raises RunError if there is none."""
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
    return payload(training_figures.live_charts(history(watched), _config))


@st.cache_resource(max_entries=8, show_spinner="Loading the latest weights …")
def latest_model(watched: Watched, written_at: int):
    """The weights of a run as they stood at `written_at`, for all sessions. Use it under the inference lock only."""
    settle_torch()
    return watched.run.load_model(latest=True)


@st.cache_resource(max_entries=64, show_spinner="Running the model …")
def latest_trace(watched: Watched, written_at: int, image: str) -> Trace:
    """The trace of a validation image ("val-17") under the latest weights of a run that may still be training."""
    from vitrm.traces.recording import trace as make_trace

    kept = snapshot(watched, 0)[image]  # its pixels, without reading the data set
    with INFERENCE:
        return make_trace(latest_model(watched, written_at), kept.pixels, seed=kept.seed, label=kept.label)


@st.cache_resource(max_entries=64, show_spinner=False)
def snapshot(watched: Watched, epoch: int) -> dict[str, Trace]:
    """What a run's model made of the watched images after an epoch."""
    return watched.run.snapshot(epoch)


@st.cache_data(max_entries=4096, show_spinner=False)
def snapshot_answers(watched: Watched, epoch: int, image: str) -> tuple[list[float], float]:
    """Class probabilities and halting probability after the last step, of one watched image after an epoch."""
    trace = watched.run.snapshot(epoch)[image]
    return trace.probs[-1, -1, -1].tolist(), float(trace.halt_prob[-1, -1, -1])


@st.cache_data(show_spinner=False)
def gpu() -> str | None:
    """The name of the GPU, where there is one that torch can use; None elsewhere, and until torch has been loaded."""
    if shutil.which("nvidia-smi") is None:  # on most machines there is nothing to wait for
        return None
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


def unshared_trace(checkpoint: Checkpoint, pixels: np.ndarray, seed: int, change: Change | None = None) -> Trace:
    """The trace of pixels (C, H, W) that belong to one session: made for it, and kept nowhere here."""
    from vitrm.traces.recording import trace as make_trace

    change = change or Change()
    network = model(checkpoint)
    with INFERENCE:
        return make_trace(network, pixels, seed=seed, edit=change.edit, **change.counts)


def maze_models() -> dict[str, Config]:
    """The finished models on this machine that were trained on mazes, by name."""
    found = {}
    for checkpoint in checkpoints().values():
        with contextlib.suppress(VitrmError):  # what is wrong with a model is said where it is chosen
            config, _ = facts(checkpoint)
            if config.data.mazes is not None:
                found[checkpoint.name] = config
    return found


@st.cache_data(max_entries=64, show_spinner="Drawing mazes …")
def maze_pool(source: str, length: int) -> tuple[str, ...]:
    """Mazes as text, each with a shortest path of `length`, the same for all; none if they are too rare to be drawn."""
    settings = MazeSettings.parse(source)
    if settings.shortest <= length <= settings.longest:
        return _trained_lengths(source)[length]
    try:
        beyond = replace(settings, shortest=length, longest=length)
        drawn = draw_mazes(beyond, _POOL_BEYOND, (_POOL_SEED, length), patience=0)
    except DataError:
        return ()
    return tuple(map(mazes.to_text, drawn.cells))


@st.cache_data(max_entries=16, show_spinner="Drawing mazes …")
def _trained_lengths(source: str) -> dict[int, tuple[str, ...]]:
    """A pool for each length of the training, all of them drawn at once."""
    settings = MazeSettings.parse(source)
    lengths = range(settings.shortest, settings.longest + 1)
    drawn = draw_mazes(settings, _POOL * len(lengths), (_POOL_SEED,))
    return {n: tuple(map(mazes.to_text, drawn.cells[drawn.lengths == n])) for n in lengths}


@st.cache_resource(max_entries=8, show_spinner=False)
def ready_mazes(checkpoint: Checkpoint) -> dict[str, Trace]:
    """Ready-made traces of a model trained on mazes, by maze as text: on screen before torch has loaded."""
    size = facts(checkpoint)[0].data.mazes.size
    return {
        mazes.to_text(cells_of(trace.pixels[None], size)[0]): replace(trace, label=None)
        for trace in gallery(checkpoint).values()
    }


def maze_trace(checkpoint: Checkpoint, maze: str, depth: int) -> Trace:
    """The trace of a maze given as text, over `depth` times the trained supervision steps; its label is left out."""
    ready = ready_mazes(checkpoint).get(maze) if depth == 1 else None
    return ready or _computed_maze_trace(checkpoint, maze, depth)


@st.cache_resource(max_entries=128, show_spinner="Running the model …")
def _computed_maze_trace(checkpoint: Checkpoint, maze: str, depth: int) -> Trace:
    from vitrm.traces.recording import trace as make_trace

    cells = mazes.from_text(maze)
    network = maze_model(checkpoint, len(cells))
    pixels = render(cells[None], network.config.image_size)[0]
    with INFERENCE:
        return make_trace(network, pixels, depth * network.config.supervision_steps)


@st.cache_resource(max_entries=8, show_spinner=False)
def maze_model(checkpoint: Checkpoint, size: int):
    """The model for mazes of size x size cells. Raises ConfigError if it cannot be given any of that size."""
    network = model(checkpoint)
    check_size(network.config, size)
    if size * network.config.patch_size == network.config.image_size:
        return network
    from vitrm.families import resized

    return resized(network, size * network.config.patch_size)


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
