"""From a configuration, or a run that was left off, to a run folder in which it is trained."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from textwrap import shorten

from vitrm.config import Config
from vitrm.config.words import value
from vitrm.data.dataset import Dataset
from vitrm.data.sources import load_dataset
from vitrm.errors import ConfigError
from vitrm.runs.checkpoints import create_run, find_run
from vitrm.runs.folder import Run
from vitrm.runs.same_data import check_data
from vitrm.runs.state import State
from vitrm.training.commands import train_command
from vitrm.training.device import find_device
from vitrm.training.distributed import Group
from vitrm.training.events import Event
from vitrm.training.precision import settled
from vitrm.training.recording import explain, record
from vitrm.training.trainer import Trainer


def fit(
    config: Config,
    folder: str | Path,
    dataset: Dataset | None = None,
    *,
    resume: bool = False,
    device: str = "auto",
    data_root: str | Path | None = None,
    watch: Callable[[Event], object] = lambda event: None,
) -> Run:
    """Train into a run folder, as `vitrm train` does, and return the run.

    The folder holds all that the app and the other commands read: weights, metrics, model card. While it trains it can
    be watched on the Train page, and paused or stopped with `vitrm ask`; then, and only then, the run that is returned
    is not complete. `dataset` defaults to what `config.data.source` names (downloads go to `data_root`); the number of
    classes is taken from it. `watch` is called with every event (see `vitrm.training.events`). With `resume` a run that
    is in the folder already goes on from its last saved state, bit for bit; a complete one is returned as it is.

    >>> run = vitrm.fit(vitrm.preset("digits"), "runs/mine")
    >>> run.summary().test.accuracy

    Raises ConfigError or DataError before the first step if settings, data or device cannot be used, or the folder
    holds a run of other settings, RunError if it holds a run (and `resume` is not given) or one that is being trained,
    and TrainingDiverged if the loss is no longer a number. The run keeps its last saved state whatever ends it.
    """
    device, run = find_device(device), Run(Path(folder))
    known = dataset

    def load(wanted: Config) -> Dataset:
        return known or read_data(wanted, data_root)

    if resume and run.has_config:
        auto = [name for name in ("train.precision", "train.compile") if value(config, name) == "auto"]
        decided = {*_DECIDED_BY_DATA, *auto} - ({"data.source"} if dataset is None else set())
        odd = [name for name in run.config().differences(config) if name not in decided]
        if odd:
            raise ConfigError(f"'{run.path}' holds a run with another {odd[0]}; choose another folder")
        if run.is_complete:
            return run
        run, trainer = go_on(run, load, device)
    else:
        data = load(config)
        command = train_command(config) if dataset is None else "vitrm.fit(config, folder, dataset)"
        wanted = settled(for_classes(config, data), data, device)
        run, trainer = begin(wanted, data, folder, command, device)
    with closing(record(run, trainer)) as events:
        for event in events:
            watch(event)
    return run


_FOUND_IN_DATA = ("source", "classes", "mean", "std", "fingerprint")
_DECIDED_BY_DATA = ("model.num_classes", *(f"data.{name}" for name in _FOUND_IN_DATA))


def begin(
    config: Config, dataset: Dataset, folder: str | Path, command: str, device: str, *, group: Group | None = None
) -> tuple[Run | None, Trainer]:
    """A new run folder, held by this process, and what trains into it; no folder in the processes beside the first.

    `command` is what the model card says it was made with. Raises as `fit` does.
    """
    trainer = _trainer(config, dataset, device, group)
    if config.train.start:
        _begin_with(trainer, config.train.start)
    if trainer.group.rank > 0:
        return None, trainer
    return create_run(folder, trainer.config, command, device), trainer


def go_on(
    run: Run, load: Callable[[Config], Dataset], device: str, *, group: Group | None = None
) -> tuple[Run | None, Trainer]:
    """The same for a run that was left off, as its last saved state has it. Raises as `fit` does."""
    if run.is_complete:
        raise ConfigError(f"'{run.path}' is complete; nothing to resume")
    group = group or Group()
    first = group.rank == 0
    if first:
        run.acquire()
        run.set_status(State.STARTING)
        run.forget_orders()
    try:
        config, state = run.config(), run.load_state()
        with group.first_goes_ahead():
            dataset = load(config)
        check_data(str(run.path), config, None, dataset)
        trainer = _trainer(config, _normalised_as(config, dataset), device, group)
        trainer.load_state_dict(state)
    except BaseException as error:  # a damaged state, what it was trained on is gone, a full disk
        if first:
            failure, cause = explain(error)
            run.set_status(State.FAILED, cause, failure)
            run.release()
        raise
    if not first:
        return None, trainer
    run.set_status(State.RUNNING)
    return run, trainer


def _normalised_as(config: Config, dataset: Dataset) -> Dataset:
    """The same images, normalised as the run began: versions before measured others of them, or all."""
    if not config.data.mean:
        return dataset
    return replace(dataset, preprocess=replace(dataset.preprocess, mean=config.data.mean, std=config.data.std))


def read_data(
    config: Config, root: str | Path | None = None, say: Callable[[str], object] = lambda line: None
) -> Dataset:
    """What a configuration is trained on; `say` is told what takes long. Raises DataError."""
    model, data = config.model, config.data
    return load_dataset(
        data.source,
        model.image_size,
        model.channels,
        val_fraction=data.val_fraction,
        split_seed=data.split_seed,
        train_images=data.train_images,
        root=root,
        memory_gb=data.memory_gb,
        say=say,
    )


def for_classes(config: Config, dataset: Dataset) -> Config:
    """`config` with as many classes as the data have."""
    return config.with_fields({"model.num_classes": len(dataset.classes)})


def _trainer(config: Config, dataset: Dataset, device: str, group: Group | None) -> Trainer:
    if config.train.batch_size > len(dataset.train):
        raise ConfigError(
            f"train.batch_size={config.train.batch_size}, but {dataset.source} has {len(dataset.train):,} training "
            "images; use that many or fewer"
        )
    return Trainer(config, dataset, device, group)


def _begin_with(trainer: Trainer, name: str) -> None:
    """Give the trainer the weights of a run or checkpoint. Raises VitrmError if there are none, or none that fit."""
    weights = find_run(name).load_model(trainer.device).state_dict()
    try:
        for model in (trainer.model, trainer.averaged):
            model.load_state_dict(weights)
    except RuntimeError as error:
        reason = shorten(str(error).partition("\n")[2].partition("\n")[0], 160, placeholder=" …")
        raise ConfigError(
            f"train.start={name}: its weights do not fit this model ({reason}); name a run of the same shape"
        ) from None
