"""A training into a run folder: what the trainer says is written down, and so is how it ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from dataclasses import asdict

import torch

from vitrm.data.dataset import Dataset
from vitrm.errors import LostProcessError, TrainingDiverged, VitrmError
from vitrm.families import equip
from vitrm.judge.evaluation import evaluate
from vitrm.runs.folder import Run
from vitrm.runs.state import Failure, State
from vitrm.runs.summary import Scores, Summary
from vitrm.traces.recording import gallery
from vitrm.training.control import obeying
from vitrm.training.events import EpochEnd, Event, Finished, Paused, Progress, Resumed, Updated
from vitrm.training.tensorboard import Board
from vitrm.training.trainer import Trainer

SAVE_EVERY_S = 20.0
SNAPSHOT_IMAGES = 6


def record(
    run: Run, trainer: Trainer, board: Board | None = None, *, clock: Callable[[], float] = time.monotonic
) -> Iterator[Event]:
    """Train into a run folder that this process holds; each event is handed on when it has been written down.

    What is asked of the folder meanwhile is obeyed. After the Finished event the best weights are tested, once, and the
    model card is written: the run is complete. A training that was stopped is saved instead. However it ends, by an
    error, a KeyboardInterrupt or because the generator is closed: the status says so, and the folder is released.

    Raises what `Trainer.events` raises, and OSError if the folder cannot be written.
    """
    event = None
    try:
        with closing(board) if board else nullcontext(), obeying(run, trainer):
            if trainer.updates == 0:
                _look(run, trainer, 0)
            saved = clock()
            for event in trainer.events():
                run.record(event)
                if board:
                    board.record(event)
                if _keep(run, trainer, event, overdue=clock() - saved > SAVE_EVERY_S):
                    saved = clock()
                yield event
            if not isinstance(event, Finished):
                run.save_state(trainer.state_dict())
            trainer.group.leave()
        if isinstance(event, Finished):
            run.set_status(State.FINISHING)
            run.finish(summarize(run, trainer.dataset, event, trainer.device))
        else:
            run.set_status(State.STOPPED)
    except (KeyboardInterrupt, GeneratorExit):
        run.set_status(State.STOPPED)
        raise
    except BaseException as error:
        failure, cause = explain(error)
        run.set_status(State.FAILED, cause, failure)
        raise
    finally:
        run.release()


def _keep(run: Run, trainer: Trainer, event: Event, overdue: bool) -> bool:
    """Keep the weights and the state as they are after an event, where it is time to; whether the state was kept."""
    overdue = overdue and isinstance(event, Progress)
    between_batches = isinstance(event, Paused) and event.supervision_step == 0
    if isinstance(event, EpochEnd):
        if event.best:
            run.save_weights(trainer.averaged)
        _look(run, trainer, event.epoch)
    elif isinstance(event, Paused | Updated) or overdue:
        run.save_latest(trainer.averaged)
    whole = isinstance(event, EpochEnd) or overdue or between_batches
    if whole:
        run.save_state(trainer.state_dict())
    if isinstance(event, Paused | Resumed):
        run.set_status(State.PAUSED if isinstance(event, Paused) else State.RUNNING)
    return whole


def _look(run: Run, trainer: Trainer, epoch: int) -> None:
    """Keep the weights as they are and what they make of the watched images, for whoever wants to look inside."""
    run.save_latest(trainer.averaged)
    if not trainer.config.model.recurrent:
        return
    model = equip(trainer.averaged, trainer.config)
    run.save_snapshot(epoch, gallery(model, trainer.val_split, SNAPSHOT_IMAGES, "val"))


def summarize(run: Run, dataset: Dataset, finished: Finished, device: torch.device | str) -> Summary:
    """The run's last word. Test is touched here, once, with the weights that validation chose."""
    model, config = run.load_model(device), run.config()
    steps = config.model.supervision_steps
    scores = evaluate(model, model.transform, dataset.test, 2 * steps if steps > 1 else 1)
    return Summary(
        data=config.data.source,
        split_sizes=dataset.sizes,
        skipped=len(dataset.skipped),
        parameters=sum(p.numel() for p in model.parameters()),
        reason=finished.reason,
        epochs=finished.epoch,
        best_epoch=finished.best_epoch,
        best_val_accuracy=finished.best_val_accuracy,
        test=Scores(**asdict(scores), policy=scores.policy, seed=0),
        seconds=finished.seconds,
        seed=config.train.seed,
    )


def explain(error: BaseException) -> tuple[Failure, str]:
    """What kind of thing ended a training, and why in a sentence."""
    on_cpu = "can't allocate memory" in str(error)  # torch has a type for it on a GPU only
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or on_cpu:
        detail = str(error).partition("\n")[0]
        remedy = "choose a smaller train.batch_size or model, or end other programs"
        return Failure.MEMORY, f"memory ran out ({detail}); {remedy}"
    kinds = {
        TrainingDiverged: Failure.DIVERGED,
        LostProcessError: Failure.LOST_PROCESS,
        OSError: Failure.SYSTEM,
        VitrmError: Failure.INPUT,
    }
    for kind, failure in kinds.items():
        if isinstance(error, kind):
            return failure, str(error)
    return Failure.FAULT, f"{type(error).__name__}: {error}"
