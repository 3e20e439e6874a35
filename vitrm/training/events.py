"""What a training says while it goes on. Whoever only reads events need not wait for torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """Means over the batches since the last report, one entry per supervision step that was run.

    `loss` is the cross-entropy in nats (ln C is chance), `halt_loss` the halting loss; `accuracy` counts mixed labels
    by share. `steps_run` is the mean number of supervision steps before Eq. 6 stopped the unrolling. A model without
    recursion has one step, no entry in `halt_loss` and `halt_prob`, and no memory.
    """

    epoch: int  # from 1
    batch: int  # batches done in this epoch
    batches: int  # batches in an epoch
    loss: tuple[float, ...]
    halt_loss: tuple[float, ...]
    accuracy: tuple[float, ...]
    halt_prob: tuple[float, ...]
    answer_norm: float  # mean length of y after the last step
    memory_norm: float | None  # mean length of a token of z after the last step
    steps_run: float
    lr: float
    images_per_s: float
    time_left_s: float  # if no early stop


@dataclass(frozen=True)
class EpochEnd:
    """Validation scores of the averaged weights after an epoch (policy: every supervision step runs)."""

    epoch: int
    train_loss: tuple[float, ...]  # means over the epoch, per supervision step
    train_accuracy: tuple[float, ...]
    val_loss: tuple[float, ...]
    val_accuracy: tuple[float, ...]
    val_halt_prob: tuple[float, ...]
    val_halt_auroc: tuple[float | None, ...]
    best: bool  # the last step's validation accuracy is the best so far
    lr: float
    seconds: float  # training time so far, all sessions


@dataclass(frozen=True)
class Finished:
    """The end of a training that ran to its end."""

    reason: str
    epoch: int
    best_epoch: int
    best_val_accuracy: float
    seconds: float


@dataclass(frozen=True)
class Paused:
    """The training waits before an update: of supervision step `supervision_step` (from 0) of the coming batch."""

    epoch: int  # from 1
    batch: int  # batches done in this epoch
    supervision_step: int  # 0: between two batches, where `state_dict` is valid
    updates: int  # made so far


@dataclass(frozen=True)
class Resumed:
    """The pause is over."""

    updates: int


@dataclass(frozen=True)
class Updated:
    """What a single update changed, made on its own during a pause.

    The batch is augmented; the watched images are validation images as they are, judged in evaluation mode by the raw
    weights after the last supervision step. Probabilities are 0..1, losses in nats.
    """

    epoch: int
    batch: int
    supervision_step: int  # from 0; with update="batch" the last one, the update being that of the whole batch
    updates: int  # made so far, this one included
    images: int  # in the batch
    loss: float  # of the batch, before the update
    halt_loss: float | None  # without recursion there is none, nor the next
    accuracy: float
    halt_prob: float | None
    lr: float
    gradient_norm: float  # before clipping
    moved: dict[str, float]  # length of the change over length of the weights, by part of the model
    watched: tuple[str, ...]  # names of the watched images, "val-INDEX"
    labels: tuple[int, ...]
    answers: tuple[tuple[int, ...], tuple[int, ...]]  # predicted classes, before and after
    true_prob: tuple[tuple[float, ...], tuple[float, ...]]  # probability of the true class, before and after
    watched_halt_prob: tuple[tuple[float, ...], ...]  # before and after; empty without recursion


Event = Progress | EpochEnd | Finished | Paused | Resumed | Updated
