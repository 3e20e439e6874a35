"""Training as a generator of events. It neither prints nor writes files: see cli.py and runs.py for that.

    trainer = Trainer(config, dataset)
    for event in trainer.events():
        ...

`trainer.stop()` ends the training after the batch in progress; `trainer.hold()` makes it wait before the next update,
where `trainer.step()` lets it make exactly one. `trainer.state_dict()` is valid after such an end and after every event
but those of a pause inside a batch, and `load_state_dict` continues from it exactly: all randomness of a batch is
derived from (seed, epoch, batch).
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from vitrm.config import Config, ResNetConfig
from vitrm.data.dataset import Dataset
from vitrm.data.stored import StoredImages, ahead
from vitrm.errors import ConfigError
from vitrm.families import make_model
from vitrm.judge.evaluation import evaluate, predict_steps
from vitrm.losses import accuracy, classification_loss, halting_loss
from vitrm.training.augment import augment, mix
from vitrm.training.distributed import Group

REPORT_EVERY = 10  # batches between two Progress events
WATCHED = 8  # validation images that are looked at again and again
_LOOK_S = 0.02  # between two looks, during a pause, whether it is over
MEASURED = ("loss", "halt_loss", "accuracy", "halt_prob", "answer_norm", "memory_norm")  # of each supervision step


class TrainingDiverged(RuntimeError):
    """The loss is no longer a number; the message says where, and the last saved state is still good."""


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


class _Means:
    """Running sums per supervision step; kept as tensors, so that adding never waits for the device."""

    def __init__(self, steps: int, device: torch.device) -> None:
        precise = torch.float32 if device.type == "mps" else torch.float64  # MPS has no float64
        self.sums = torch.zeros(len(MEASURED) + 1, steps, dtype=precise, device=device)  # row 0 counts

    def add(self, index: int, measured: Tensor) -> None:
        self.sums[0, index] += 1
        self.sums[1:, index] += measured

    def read(self) -> dict[str, tuple[float, ...]]:
        count, *rows = self.sums.cpu()
        done = count > 0
        means = {name: tuple((row[done] / count[done]).tolist()) for name, row in zip(MEASURED, rows, strict=True)}
        means["count"] = tuple(count[done].tolist())
        return means


class Trainer:
    """One training run in memory. `model` holds the raw weights, `averaged` their moving average (EMA).

    Raises ConfigError or DataError before the first step if config and data do not fit.
    """

    def __init__(
        self, config: Config, dataset: Dataset, device: torch.device | str = "cpu", group: Group | None = None
    ) -> None:
        self.config = fit_config(config, dataset)
        self.group = group or Group()
        self.device = torch.device(device)
        self.dataset = dataset
        self.train_split, self.val_split = dataset.train.to(self.device), dataset.val.to(self.device)
        torch.manual_seed(config.train.seed)
        self.model = make_model(self.config.model).to(self.device)
        self.averaged = deepcopy(self.model).requires_grad_(False)
        self.model = self.group.share_statistics(self.model)
        if config.train.compile:
            torch._dynamo.config.recompile_limit = max(64, torch._dynamo.config.recompile_limit)
            for module in self.model.repeated:
                module.compile(dynamic=False)  # one graph for each shape; the last batch of an epoch is the odd one
        decayed = [p for p in self.model.parameters() if p.ndim > 1]
        plain = [p for p in self.model.parameters() if p.ndim <= 1]
        decay = config.train.weight_decay
        self.optimizer = torch.optim.AdamW(
            [
                {"params": decayed, "weight_decay": decay},
                {"params": plain, "weight_decay": decay if config.train.decay == "all" else 0.0},
            ],
            lr=config.train.lr,
            betas=config.train.betas,
            fused=True,
        )
        self.epoch_images = min(config.train.epoch_images or len(self.train_split), len(self.train_split))
        self.batches = math.ceil(self.epoch_images / config.train.batch_size)
        self.epoch, self.batch, self.updates, self.seconds = 0, 0, 0, 0.0  # epoch from 0: the one in progress
        self.best_epoch, self.best_val_accuracy = 0, -1.0
        self.epoch_means, self.recent_means = self._means(), self._means()
        self.looks_ahead = self.device.type == "cuda"  # the next step is queued before it is known whether it is made
        self.stopping = self.stopped = False  # asked to, by this process; done so, in all of them
        self.holding, self.singles, self.paused = False, 0, False  # asked to wait; single updates asked for; waiting
        self.single, self.gradient_norm = False, math.nan  # the next update is one of those; the last one's
        self.watched = dataset.val.few(WATCHED)

    def stop(self) -> None:
        """End `events` after the batch in progress, without a Finished event. Safe to call from a signal handler."""
        self.stopping = True

    def hold(self) -> None:
        """Wait before the next update, with a Paused event. This, `step` and `go` are safe to call from any thread."""
        self.holding = True

    def step(self) -> None:
        """Make one update and wait again, with an Updated event. Only after `hold`."""
        self.singles += 1

    def go(self) -> None:
        """End the wait."""
        self.holding, self.singles = False, 0

    def events(self) -> Iterator[Event]:
        """Train from where `state_dict` left off, to the end or until `stop`."""
        with _reproducible(self.config.train.deterministic):
            yield from self._events()

    def _events(self) -> Iterator[Event]:
        train = self.config.train
        while self.epoch < train.epochs:
            if train.patience and self.epoch - self.best_epoch >= train.patience:
                yield self._finished(f"no better validation accuracy for {train.patience} epochs")
                return
            yield from self._epoch()
            if self.stopped:
                return
        yield self._finished(f"all {train.epochs} epochs done")

    def lr_at(self, epoch: float) -> float:
        """Learning rate at a fractional epoch: linear warm-up from one batch's share, then cosine to min_lr.

        With schedule="epoch" it is constant within an epoch, and the warm-up starts from 0.
        """
        train, first = self.config.train, 1 / self.batches
        if train.schedule == "epoch":
            epoch, first = math.floor(epoch), 0.0
        if epoch < train.warmup_epochs:
            return train.lr * (epoch + first) / (train.warmup_epochs + first)
        done = (epoch - train.warmup_epochs) / max(train.epochs - train.warmup_epochs, 1e-9)
        return train.min_lr + (train.lr - train.min_lr) * (1 + math.cos(math.pi * min(done, 1.0))) / 2

    def train_batch(self, images: Tensor, labels: Tensor) -> Iterator[tuple[int, Tensor, bool]]:
        """Deep supervision on one batch of uint8 images (Eq. 5, 6), one item per supervision step n that was run.

        Each item is (n, measurements, whether it is the last), the measurements in the order of `MEASURED`. With
        update="step" the weights have moved when it is yielded; with "batch" they move at the end.
        """
        train, model = self.config.train, self.model.train()
        images, labels = images.to(self.device, non_blocking=True), labels.to(self.device, non_blocking=True)
        images, targets = self.dataset.preprocess.normalize(augment(images, train)), labels
        if self.epoch < train.epochs * (1 - train.unmixed_share):
            images, targets = mix(images, labels, self.config.model.num_classes, train)
        seeds = torch.randint(2**31, (len(images),), device=self.device)
        (images, targets, labels, seeds), weight = self.group.share_of(images, targets, labels, seeds)
        halt_targets = targets if train.halt_target == "share" else labels
        total = 0.0
        steps = _each_under(self._autocast, model.steps(images, seeds=seeds, backprop=train.backprop))
        step = next(steps)
        for n in range(self.config.model.supervision_steps):
            logits = step.logits.float()
            loss = both = classification_loss(logits, targets, train.label_smoothing)
            halt_loss = halt_prob = memory_norm = loss.new_zeros(())  # without recursion there are none
            if step.halt_logit is not None:
                halt_logit = step.halt_logit.float()
                halt_loss = halting_loss(halt_logit, logits, halt_targets)
                halt_prob = halt_logit.detach().sigmoid().mean()
                memory_norm = step.memory.detach().float().norm(dim=-1).mean()
                both = loss + train.halt_weight * halt_loss
            if train.update == "step":
                self._update(both, weight)
            else:
                total = total + both
            measured = torch.stack([
                loss.detach(),
                halt_loss.detach(),
                accuracy(logits, targets),
                halt_prob,
                step.answer.detach().float().norm(dim=-1).mean(),
                memory_norm,
            ])  # fmt: skip
            self.group.mean_([measured], weight)
            last = n == self.config.model.supervision_steps - 1
            if not last:
                enough = None
                if train.stop_unrolling:
                    enough = _on_its_way(measured[3] > self.config.model.halt_threshold)
                    last = not self.looks_ahead and enough()
                step = None if last else next(steps)
                if enough is not None and not last:
                    last = enough()  # a step that was queued in vain is dropped: its weights have not moved
            yield n, measured, last
            if last:
                break
        if train.update == "batch":
            self._update(total / (n + 1), weight)

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to continue exactly: tensors and plain values only."""
        return {
            "model": self.model.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "epoch_sums": self.epoch_means.sums,
            "recent_sums": self.recent_means.sums,
            **{name: getattr(self, name) for name in _COUNTERS},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state_dict`'s result. Raises ConfigError if it belongs to another configuration."""
        try:
            self.model.load_state_dict(state["model"])
            self.averaged.load_state_dict(state["averaged"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.epoch_means.sums = state["epoch_sums"].to(self.device)
            self.recent_means.sums = state["recent_sums"].to(self.device)
            for name in _COUNTERS:
                setattr(self, name, state[name])
        except (KeyError, RuntimeError, ValueError) as error:
            raise ConfigError(f"the saved state does not fit this configuration: {error}") from None

    # One epoch

    def _epoch(self) -> Iterator[Event]:
        train = self.config.train
        if self.dataset.draw and self.epoch:
            self.train_split = self.dataset.draw(self.epoch).to(self.device)
        order = torch.randperm(len(self.train_split), generator=self._generator(self.epoch))
        order = order[: math.ceil(self.epoch_images / train.repeats)].repeat_interleave(train.repeats)
        order = order[: self.epoch_images].to(self.train_split.images.device)
        batches = self._read(order.split(train.batch_size)[self.batch :])
        started, started_at = time.perf_counter(), self.seconds
        reported, reported_at = self.batch, started
        while self.batch < self.batches:
            waited = yield from self._wait(0)
            started, reported_at = started + waited, reported_at + waited
            self.stopped = self.group.any(self.stopping)  # the one place to stop at, or processes would wait in vain
            if self.stopped:
                self.seconds = started_at + time.perf_counter() - started
                return
            torch.manual_seed(_mixed_seed(train.seed, self.epoch, self.batch + 1))
            lr = self.lr_at(self.epoch + self.batch / self.batches)
            for group in self.optimizer.param_groups:
                group["lr"] = lr
            waited = yield from self._batch(*next(batches))
            started, reported_at = started + waited, reported_at + waited
            self.batch += 1
            if self.batch % REPORT_EVERY == 0 or self.batch == self.batches:
                now = time.perf_counter()
                self.seconds = started_at + now - started
                images = min(self.batch * train.batch_size, len(order)) - reported * train.batch_size
                speed = images / (now - reported_at)
                means, self.recent_means = self.recent_means.read(), self._means()
                self._check_finite(means["loss"])
                done = (self.epoch * self.batches + self.batch) / (train.epochs * self.batches)
                left = self.seconds * (1 - done) / done
                yield self._progress(means, lr, speed, left)
                reported, reported_at = self.batch, time.perf_counter()
        scores = self.group.from_first(lambda: evaluate(self.averaged, self.dataset.preprocess, self.val_split))
        self._check_finite(scores.loss)
        means, self.epoch_means = self.epoch_means.read(), self._means()
        self.epoch, self.batch = self.epoch + 1, 0
        self.seconds = started_at + time.perf_counter() - started
        best = scores.accuracy[-1] > self.best_val_accuracy
        if best:
            self.best_epoch, self.best_val_accuracy = self.epoch, scores.accuracy[-1]
        yield EpochEnd(
            epoch=self.epoch,
            train_loss=means["loss"],
            train_accuracy=means["accuracy"],
            val_loss=scores.loss,
            val_accuracy=scores.accuracy,
            val_halt_prob=scores.halt_prob,
            val_halt_auroc=scores.halt_auroc,
            best=best,
            lr=self.optimizer.param_groups[0]["lr"],
            seconds=self.seconds,
        )

    def _read(self, batches: Sequence[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """Images and labels by their numbers; those that are not on the device are brought there while it works."""
        split = self.train_split
        if not isinstance(split.images, StoredImages):
            return ((split.images[index], split.labels[index]) for index in batches)

        def read(index: Tensor) -> tuple[Tensor, Tensor]:
            both = split.images[index], split.labels[index]
            return tuple(tensor.pin_memory() for tensor in both) if self.device.type == "cuda" else both

        return ahead(batches, read)

    def _batch(self, images: Tensor, labels: Tensor) -> Generator[Event, None, float]:
        """One batch, with a wait before each of its updates if that is asked for; returns the seconds not trained."""
        train, waited = self.config.train, 0.0
        steps, last, n = self.train_batch(images, labels), False, 0
        single = self._look() if self.single else None
        while not last:
            if n > 0 and train.update == "step":
                waited += yield from self._wait(n)
                single = self._look() if self.single else None
            n, measured, last = next(steps)
            self.recent_means.add(n, measured)
            self.epoch_means.add(n, measured)
            if last:
                next(steps, None)  # with update="batch" the weights move now
            if single is not None and (last or train.update == "step"):
                began = time.perf_counter()
                yield self._updated(n, len(images), measured, single)
                waited += time.perf_counter() - began
            n += 1
        return waited

    def _wait(self, n: int) -> Generator[Event, None, float]:
        """Where a training that is held waits, before an update; returns for how many seconds.

        In a group all processes go round here together, so that none waits in vain for the others.
        """
        self.single = False
        began = time.perf_counter()
        if not self.group.any(self.holding) or self.group.any(self.stopping):
            yield from self._resumed()
            return time.perf_counter() - began
        if not self.paused:
            self.paused = True
            yield Paused(self.epoch + 1, self.batch, n, self.updates)
        while self.group.any(self.holding and not self.singles) and not self.group.any(self.stopping):
            time.sleep(_LOOK_S)
        if self.group.any(self.singles > 0):
            self.singles = max(0, self.singles - 1)
            self.single = self.group.rank == 0
        else:
            yield from self._resumed()
        return time.perf_counter() - began

    def _resumed(self) -> Iterator[Resumed]:
        if self.paused and not self.stopping:
            yield Resumed(self.updates)
        self.paused = False

    def _look(self) -> dict[str, Any]:
        """The raw weights as they are, and what they make of the watched images. Draws no random number."""
        model = deepcopy(self.averaged)  # the raw weights in a model that is not compiled and not in training mode
        model.load_state_dict(self.model.state_dict())
        outputs = predict_steps(model, self.dataset.preprocess, self.val_split.subset(self.watched))
        return {
            "weights": {name: weight.detach().clone() for name, weight in self.model.named_parameters()},
            "probs": outputs.logits[-1].softmax(dim=-1),
            "halt_prob": None if outputs.halt_logit is None else outputs.halt_logit[-1].sigmoid(),
        }

    def _updated(self, n: int, images: int, measured: Tensor, before: dict[str, Any]) -> Updated:
        after, labels = self._look(), self.val_split.labels[self.watched].cpu()
        both, halts = (before, after), self.config.model.halts
        values = dict(zip(MEASURED, measured.tolist(), strict=True))
        if not halts:
            values |= {"halt_loss": None, "halt_prob": None}
        self._check_finite((values["loss"],))
        return Updated(
            epoch=self.epoch + 1,
            batch=self.batch,
            supervision_step=n,
            updates=self.updates,
            images=images,
            **{name: values[name] for name in ("loss", "halt_loss", "accuracy", "halt_prob")},
            lr=self.optimizer.param_groups[0]["lr"],
            gradient_norm=float(self.gradient_norm),
            moved=_moved(before["weights"], after["weights"]),
            watched=tuple(f"val-{index}" for index in self.watched.tolist()),
            labels=tuple(labels.tolist()),
            answers=tuple(tuple(side["probs"].argmax(dim=-1).tolist()) for side in both),
            true_prob=tuple(tuple(side["probs"].gather(1, labels[:, None])[:, 0].tolist()) for side in both),
            watched_halt_prob=tuple(tuple(side["halt_prob"].tolist()) for side in both) if halts else (),
        )

    def _update(self, loss: Tensor, weight: float) -> None:
        """One optimizer step and one step of the moving average; `weight` is this process's share of the batch."""
        train = self.config.train
        self.optimizer.zero_grad(set_to_none=True)
        (loss * weight).backward()  # weighted before it is differentiated: batch statistics tie the processes together
        self.group.mean_([p.grad for p in self.model.parameters() if p.grad is not None])
        if train.grad_clip or self.single:
            limit = train.grad_clip or math.inf
            self.gradient_norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), limit)
        self.optimizer.step()
        self.updates += 1
        decay = train.ema_decay
        if train.ema_warmup:  # a short memory while there is little to keep
            decay = min(decay, self.updates / (self.updates + 10))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.averaged.parameters()), list(self.model.parameters()), 1 - decay)
            for averaged, raw in zip(self.averaged.buffers(), self.model.buffers(), strict=True):
                averaged.copy_(raw)  # running statistics of a batch norm are averages already

    def _autocast(self):
        if self.config.train.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)

    def _means(self) -> _Means:
        return _Means(self.config.model.supervision_steps, self.device)

    def _generator(self, *numbers: int) -> torch.Generator:
        return torch.Generator().manual_seed(_mixed_seed(self.config.train.seed, *numbers))

    def _progress(self, means: dict[str, tuple[float, ...]], lr: float, speed: float, left: float) -> Progress:
        return Progress(
            epoch=self.epoch + 1,
            batch=self.batch,
            batches=self.batches,
            loss=means["loss"],
            halt_loss=means["halt_loss"] if self.config.model.halts else (),
            accuracy=means["accuracy"],
            halt_prob=means["halt_prob"] if self.config.model.halts else (),
            answer_norm=means["answer_norm"][-1],
            memory_norm=means["memory_norm"][-1] if self.config.model.halts else None,
            steps_run=sum(means["count"]) / means["count"][0],
            lr=lr,
            images_per_s=speed,
            time_left_s=left,
        )

    def _check_finite(self, losses: tuple[float, ...]) -> None:
        if not all(math.isfinite(loss) for loss in losses):
            raise TrainingDiverged(
                f"the loss became {losses} in epoch {self.epoch + 1}, batch {self.batch}; "
                f"lower --train.lr (now {self.config.train.lr}) or --train.grad_clip ({self.config.train.grad_clip})"
            )

    def _finished(self, reason: str) -> Finished:
        return Finished(reason, self.epoch, self.best_epoch, self.best_val_accuracy, self.seconds)


_COUNTERS = ("epoch", "batch", "updates", "seconds", "best_epoch", "best_val_accuracy")


def fit_config(config: Config, dataset: Dataset) -> Config:
    """`config` with what the data turned out to be filled in. Raises ConfigError if the model cannot take it."""
    images = min(config.train.epoch_images or len(dataset.train), len(dataset.train))
    left_over = images % config.train.batch_size or config.train.batch_size
    if isinstance(config.model, ResNetConfig) and left_over == 1:
        raise ConfigError(
            f"{images:,} training images make a batch of a single one at batch_size="
            f"{config.train.batch_size}, which batch normalisation cannot take; use --train.batch_size "
            f"{config.train.batch_size + 1}"
        )
    classes, shape = dataset.classes, tuple(dataset.train.images.shape[1:])
    if config.model.num_classes != len(classes):
        raise ConfigError(
            f"num_classes={config.model.num_classes}, but {dataset.source} has {len(classes)} classes; "
            f"use --model.num_classes {len(classes)}"
        )
    expected = (config.model.channels, config.model.image_size, config.model.image_size)
    if shape != expected:
        raise ConfigError(f"{dataset.source} has images of shape {shape}, the model expects {expected}")
    found = replace(
        config.data,
        source=dataset.source,
        classes=classes,
        mean=dataset.preprocess.mean,
        std=dataset.preprocess.std,
    )
    return replace(config, data=found)


def _each_under(context, iterator: Iterator) -> Iterator:
    """The same items, each computed inside a fresh `context()` that is left before the item is handed on."""
    while True:
        with context():
            item = next(iterator, None)
        if item is None:
            return
        yield item


def _moved(before: dict[str, Tensor], after: dict[str, Tensor]) -> dict[str, float]:
    """By part of the model (each layer of the block is one): length of the change over length of the weights."""
    sums: dict[str, list[float]] = {}
    for name, weight in before.items():
        words = name.split(".")
        part = ".".join(words[: words.index("layers") + 2 if "layers" in words else 1])
        change, length = sums.setdefault(part, [0.0, 0.0])
        sums[part] = [
            change + float((after[name] - weight).double().square().sum()),
            length + float(weight.double().square().sum()),
        ]
    return {part: math.sqrt(change / length) if length else 0.0 for part, (change, length) in sums.items()}


def _on_its_way(flag: Tensor) -> Callable[[], bool]:
    """Begin to bring a truth value to the host. The call waits for it, but for nothing that was queued after it."""
    if flag.device.type != "cuda":
        return lambda: bool(flag)
    there = torch.empty((), dtype=torch.bool, pin_memory=True)
    there.copy_(flag, non_blocking=True)
    with torch.cuda.device(flag.device):  # whose stream the event is to be noted in
        arrived = torch.cuda.Event()
        arrived.record()

    def answer() -> bool:
        arrived.synchronize()
        return bool(there)

    return answer


@contextmanager
def _reproducible(wanted: bool) -> Iterator[None]:
    """Deterministic algorithms for as long as the body lasts. Raises RuntimeError where an operation has none."""
    if not wanted:
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # asked for by cuBLAS, before its first use
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def _mixed_seed(*numbers: int) -> int:
    """One 63-bit seed out of several numbers."""
    seed = 0
    for number in numbers:
        seed = (seed * 6_364_136_223_846_793_005 + number + 1_442_695_040_888_963_407) % 2**63
    return seed
