"""What a training says while it goes on. Whoever only reads events need not wait for torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, get_args

from vitrm.errors import RunError
from vitrm.reading import Count, Positive, Share, expect, read


@dataclass(frozen=True)
class Progress:
    """Means over the batches since the last report, one entry per supervision step that was run.

    `loss` is the cross-entropy in nats (ln C is chance), `halt_loss` the halting loss; `accuracy` counts mixed labels
    by share. `steps_run` is the mean number of supervision steps before Eq. 6 stopped the unrolling. A model without
    recursion has one step, no entry in `halt_loss` and `halt_prob`, and no memory.
    """

    epoch: Positive  # from 1
    batch: Count  # batches done in this epoch
    batches: Positive  # batches in an epoch
    loss: tuple[float, ...]
    halt_loss: tuple[float, ...]
    accuracy: tuple[Share, ...]
    halt_prob: tuple[Share, ...]
    answer_norm: float  # mean length of y after the last step
    memory_norm: float | None  # mean length of a token of z after the last step
    steps_run: float
    lr: float
    images_per_s: float
    time_left_s: float  # if no early stop


@dataclass(frozen=True)
class EpochEnd:
    """Validation scores of the averaged weights after an epoch (policy: every supervision step runs)."""

    epoch: Positive
    train_loss: tuple[float, ...]  # means over the epoch, per supervision step
    train_accuracy: tuple[Share, ...]
    val_loss: tuple[float, ...]
    val_accuracy: tuple[Share, ...]
    val_halt_prob: tuple[Share, ...]
    val_halt_auroc: tuple[Share | None, ...]
    best: bool  # the last step's validation accuracy is the best so far
    lr: float
    seconds: float  # training time so far, all sessions


@dataclass(frozen=True)
class Finished:
    """The end of a training that ran to its end."""

    reason: str
    epoch: Count
    best_epoch: Count
    best_val_accuracy: Share
    seconds: float


@dataclass(frozen=True)
class Paused:
    """The training waits before an update: of supervision step `supervision_step` (from 0) of the coming batch."""

    epoch: Positive  # from 1
    batch: Count  # batches done in this epoch
    supervision_step: Count  # 0: between two batches, where `state_dict` is valid
    updates: Count  # made so far


@dataclass(frozen=True)
class Resumed:
    """The pause is over."""

    updates: Count


@dataclass(frozen=True)
class Updated:
    """What a single update changed, made on its own during a pause.

    The batch is augmented; the watched images are validation images as they are, judged in evaluation mode by the raw
    weights after the last supervision step. Probabilities are 0..1, losses in nats.
    """

    epoch: Positive
    batch: Count
    supervision_step: Count  # from 0; with update="batch" the last one, the update being that of the whole batch
    updates: Count  # made so far, this one included
    images: Positive  # in the batch
    loss: float  # of the batch, before the update
    halt_loss: float | None  # without recursion there is none, nor the next
    accuracy: Share
    halt_prob: Share | None
    lr: float
    gradient_norm: float  # before clipping
    moved: dict[str, float]  # length of the change over length of the weights, by part of the model
    watched: tuple[str, ...]  # names of the watched images, "val-INDEX"
    labels: tuple[Count, ...]
    answers: tuple[tuple[Count, ...], tuple[Count, ...]]  # predicted classes, before and after
    true_prob: tuple[tuple[Share, ...], tuple[Share, ...]]  # probability of the true class, before and after
    watched_halt_prob: tuple[tuple[Share, ...], ...]  # before and after; empty without recursion


Event = Progress | EpochEnd | Finished | Paused | Resumed | Updated
_KINDS = {kind.__name__: kind for kind in get_args(Event)}


def event_of(values: Any) -> Event:
    """The event that a line of metrics.jsonl holds. Raises RunError, naming the field, for what cannot be one."""
    expect(isinstance(values, dict), "it holds no named values")
    kind = _KINDS.get(str(values.get("event")))
    expect(kind is not None, f"it is no event of a training; expected one of {', '.join(_KINDS)}")
    event = read(kind, {name: value for name, value in values.items() if name != "event"})
    if isinstance(event, Progress):
        expect(bool(event.loss), "loss has no entries")
        expect(event.batch <= event.batches, f"batch={event.batch}: expected at most {event.batches}")
        expect(len(event.accuracy) == len(event.loss), "accuracy: expected an entry for each of loss")
    elif isinstance(event, EpochEnd):
        steps = {len(event.val_loss), len(event.val_accuracy)}
        expect(steps == {len(event.val_loss)} and bool(event.val_loss), "val_accuracy: expected an entry for each step")
        expect(bool(event.train_loss) and bool(event.train_accuracy), "train_loss has no entries")
    elif isinstance(event, Updated):
        sides = (event.labels, *event.answers, *event.true_prob, *event.watched_halt_prob)
        expect({len(side) for side in sides} == {len(event.watched)}, "watched: expected an entry in each list")
        expect(bool(event.watched), "watched has no entries")
        expect(len(event.watched_halt_prob) in (0, 2), "watched_halt_prob: expected before and after")
    return event


def events_of(lines: Iterable[Any]) -> list[Event]:
    """`event_of` each; what cannot be one is left out."""
    found = []
    for line in lines:
        try:
            found.append(event_of(line))
        except RunError:
            continue
    return found
