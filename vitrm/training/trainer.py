"""Training as a generator of events. It neither prints nor writes files: see `recording` for that.

    trainer = Trainer(config, dataset)
    for event in trainer.events():
        ...

`trainer.stop()` ends the training after the batch in progress; `trainer.hold()` makes it wait before the next update,
where `trainer.step()` lets it make exactly one. `trainer.state_dict()` is valid after such an end and after every event
but those of a pause inside a batch, and `load_state_dict` continues from it exactly: all randomness of a batch is
derived from (seed, epoch, batch).
"""

from __future__ import annotations

import itertools
import math
import operator
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor

from vitrm.config import Config
from vitrm.data.dataset import Dataset, Split
from vitrm.errors import ConfigError, TrainingDiverged
from vitrm.families import load_weights, make_model
from vitrm.judge.evaluation import StepScores, join, predict_steps, score
from vitrm.losses import classification_loss, halting_loss
from vitrm.nets.base import Step
from vitrm.training.augment import augment, mix
from vitrm.training.batches import draw_batches, draw_unlearned, noise_in_memory, read_batches
from vitrm.training.checks import fit_config
from vitrm.training.compiling import compile_each, explained
from vitrm.training.device import autocast, each_under, mixed_seed, on_its_way, reproducible
from vitrm.training.distributed import Group
from vitrm.training.events import EpochEnd, Event, Finished, Paused, Progress, Updated
from vitrm.training.means import MEASURED, Means, measure
from vitrm.training.optimizer import follow, learning_rate, make_optimizer
from vitrm.training.pause import Pause
from vitrm.training.single import WATCHED, Look, compared, look
from vitrm.training.stopwatch import Stopwatch

REPORT_EVERY = 10  # batches between two Progress events


class Trainer:
    """One training run in memory. `model` holds the raw weights, `averaged` their moving average (EMA).

    Raises ConfigError or DataError before the first step if config and data do not fit.
    """

    def __init__(
        self,
        config: Config,
        dataset: Dataset,
        device: torch.device | str = "cpu",
        group: Group | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.config = fit_config(config, dataset)
        self.group = group or Group()
        self.device = torch.device(device)
        self.dataset = dataset
        self.train_splits = [each.train.to(self.device) for each in (dataset, *dataset.others)]
        self.val_splits = [each.val.to(self.device) for each in (dataset, *dataset.others)]
        torch.manual_seed(config.train.seed)
        self.model = make_model(self.config.model).to(self.device)
        self.averaged = deepcopy(self.model).requires_grad_(False)
        self.model = self.group.share_statistics(self.model)
        compile_each(self.model.repeated, config.train.compile)
        self.optimizer = make_optimizer(self.model, config.train)
        self.epoch, self.batch, self.updates = 0, 0, 0  # epoch from 0: the one in progress
        self.batches = len(self._draw())  # in each epoch
        self.best_epoch, self.best_val_accuracy = 0, -1.0
        self.epoch_means, self.recent_means = self._means(), self._means()
        self.looks_ahead = self.device.type == "cuda"  # the next step is queued before it is known whether it is made
        self.stopping = self.stopped = False  # asked to, by this process; done so, in all of them
        self.finished = False  # the last event was Finished
        self.pause, self.watch = Pause(self.group), Stopwatch(clock)
        self.gradient_norm = math.nan  # of the last single update, or the last one that was clipped
        self.watched = dataset.val.few(WATCHED)

    @property
    def train_split(self) -> Split:
        """The training images of this epoch; the first of several splits, where there are."""
        return self.train_splits[0]

    @property
    def val_split(self) -> Split:
        """The validation images; the first of several splits, where there are."""
        return self.val_splits[0]

    @property
    def deepest(self) -> int:
        """The most supervision steps that a batch makes, with gradient or without."""
        return self.config.model.supervision_steps + self.config.train.progress_steps

    def first_of_each(self) -> list[tuple[Tensor, Tensor]]:
        """Images and labels of the first batch of each training split."""
        some = slice(0, self.config.train.batch_size)
        return [(split.images[some], split.labels[some]) for split in self.train_splits]

    def stop(self) -> None:
        """End `events` after the batch in progress, without a Finished event. Safe to call from a signal handler."""
        self.stopping = True

    def hold(self) -> None:
        """Wait before the next update, with a Paused event. This, `step` and `go` are safe to call from any thread."""
        self.pause.hold()

    def step(self) -> None:
        """Make one update and wait again, with an Updated event. Only after `hold`."""
        self.pause.step()

    def go(self) -> None:
        """End the wait."""
        self.pause.go()

    @property
    def seconds(self) -> float:
        """Training time so far, over all sessions, without pauses."""
        return self.watch.seconds

    @seconds.setter
    def seconds(self, value: float) -> None:
        self.watch.seconds = value

    def events(self) -> Iterator[Event]:
        """Train from where `state_dict` left off, to the end or until `stop`."""
        with reproducible(self.config.train.deterministic):
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

    @explained
    def train_batch(
        self, images: Tensor, labels: Tensor, unlearned: int | None = None
    ) -> Iterator[tuple[int, Tensor, bool]]:
        """Deep supervision on one batch of uint8 images (Eq. 5, 6), one item per supervision step n that was run, after
        `unlearned` steps without gradient (drawn as `progress_steps` says, where it is None).

        Each item is (n, measurements, whether it is the last), the measurements in the order of `MEASURED`. With
        update="step" the weights have moved when it is yielded; with "batch" they move at the end.
        """
        train, model = self.config.train, self.model.train()
        images, targets, halt_targets = self.prepare(images, labels)
        seeds = torch.randint(2**31, (len(images),), device=self.device)
        (images, targets, halt_targets, seeds), weight = self.group.share_of(images, targets, halt_targets, seeds)
        total, learning = 0.0, self.config.model.supervision_steps
        unlearned = draw_unlearned(train) if unlearned is None else unlearned
        count, noise = unlearned + learning, noise_in_memory(train)
        every = model.steps(images, count, seeds, train.backprop, edit=noise, unlearned=unlearned)
        steps = itertools.islice(each_under(autocast(train.precision, self.device), every), unlearned, None)
        step = next(steps)
        for n in range(learning):
            loss, halt_loss = self.losses(step, targets, halt_targets)
            both = loss if halt_loss is None else loss + train.halt_weight * halt_loss
            if train.update == "step":
                self.update(both, weight)
            else:
                total = total + both
            measured = measure(step, targets, loss, halt_loss)
            self.group.mean_([measured], weight)
            last = n == learning - 1
            if not last:
                enough = None
                if train.stop_unrolling:
                    enough = on_its_way(measured[3] > self.config.model.halt_threshold)
                    last = not self.looks_ahead and enough()
                step = None if last else next(steps)
                if enough is not None and not last:
                    last = enough()  # a step that was queued in vain is dropped: its weights have not moved
            yield n, measured, last
            if last:
                break
        if train.update == "batch":
            self.update(total / (n + 1), weight)

    def prepare(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """A batch as it is trained on: augmented images, their targets (B,) or mixed (B, C), those of halting."""
        train = self.config.train
        images, labels = images.to(self.device, non_blocking=True), labels.to(self.device, non_blocking=True)
        images, targets = self.dataset.preprocess.normalize(augment(images, train)), labels
        if self.epoch < train.epochs * (1 - train.unmixed_share):
            images, targets = mix(images, labels, self.config.model.num_classes, train)
        return images, targets, targets if train.halt_target == "share" else labels

    def losses(self, step: Step, targets: Tensor, halt_targets: Tensor) -> tuple[Tensor, Tensor | None]:
        """Classification and halting loss of a supervision step (Eq. 5) in nats; no second without recursion."""
        logits = step.logits.float()
        loss = classification_loss(logits, targets, self.config.train.label_smoothing)
        if step.halt_logit is None:
            return loss, None
        return loss, halting_loss(step.halt_logit.float(), logits, halt_targets)

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
            load_weights(self.model, state["model"])
            load_weights(self.averaged, state["averaged"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.epoch_means.sums = state["epoch_sums"].to(self.device)
            self.recent_means.sums = state["recent_sums"].to(self.device)
            for name in _COUNTERS:
                setattr(self, name, state[name])
        except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise ConfigError(f"the saved state does not fit this configuration: {error}") from None

    # One epoch

    def _epoch(self) -> Iterator[Event]:
        train = self.config.train
        if self.epoch:
            for place, each in enumerate((self.dataset, *self.dataset.others)):
                if each.draw:
                    self.train_splits[place] = each.draw(self.epoch).to(self.device)
        order = self._draw()
        sizes = [len(index) for _, index in order]
        batches = read_batches(order[self.batch :], self.device)
        self.watch.start()
        reported, reported_at = self.batch, self.seconds
        while self.batch < self.batches:
            yield from self._wait(0)
            self.stopped = self.group.any(self.stopping)  # the one place to stop at, or processes would wait in vain
            if self.stopped:
                self._check_finite(self.recent_means.read()["loss"])  # before it replaces a state that is good
                self.watch.stop()
                return
            torch.manual_seed(mixed_seed(train.seed, self.epoch, self.batch + 1))
            lr = learning_rate(train, self.batches, self.epoch + self.batch / self.batches)
            for group in self.optimizer.param_groups:
                group["lr"] = lr
            yield from self._batch(*next(batches))
            self.batch += 1
            if self.batch % REPORT_EVERY == 0 or self.batch == self.batches:
                seconds = self.seconds
                speed = sum(sizes[reported : self.batch]) / (seconds - reported_at)
                means, self.recent_means = self.recent_means.read(), self._means()
                self._check_finite(means["loss"])
                done = (self.epoch * self.batches + self.batch) / (train.epochs * self.batches)
                left = seconds * (1 - done) / done
                yield self._progress(means, lr, speed, left)
                reported, reported_at = self.batch, self.seconds
        scores = self.group.from_first(self._validate)
        self._check_finite(scores.loss)
        means, self.epoch_means = self.epoch_means.read(), self._means()
        self.epoch, self.batch = self.epoch + 1, 0
        self.watch.stop()
        better = operator.ge if train.progress_steps else operator.gt
        best = better(scores.accuracy[-1], self.best_val_accuracy)
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

    def _draw(self) -> list[tuple[Split, Tensor]]:
        """The batches of this epoch."""
        return draw_batches(self.train_splits, self.config.train, self._generator(self.epoch))

    def _validate(self) -> StepScores:
        """Scores of the averaged weights on the validation images of all sizes, as deep as is trained."""
        model, preprocess = self.averaged, self.dataset.preprocess
        parts = [predict_steps(model, preprocess, split, self.deepest) for split in self.val_splits]
        return score(join(parts), torch.cat([split.labels for split in self.val_splits]))

    def _batch(self, images: Tensor, labels: Tensor) -> Iterator[Event]:
        """One batch, with a wait before each of its updates if that is asked for."""
        by_step = self.config.train.update == "step"
        steps, last, n = self.train_batch(images, labels), False, 0
        before = self._look()
        while not last:
            if n > 0 and by_step:
                yield from self._wait(n)
                before = self._look()
            n, measured, last = next(steps)
            self.recent_means.add(n, measured)
            self.epoch_means.add(n, measured)
            if last:
                next(steps, None)  # with update="batch" the weights move now
            if before is not None and (last or by_step):
                with self.watch.off():
                    yield self._updated(n, len(images), measured, before)
            n += 1

    def _wait(self, n: int) -> Iterator[Event]:
        """Where a training that is held waits, before the update of supervision step n."""
        with self.watch.off():
            place = Paused(self.epoch + 1, self.batch, n, self.updates)
            for event in self.pause.wait(place, lambda: self.stopping):
                if event is place and n == 0:  # then the state is kept
                    self._check_finite(self.recent_means.read()["loss"])
                yield event

    def _look(self) -> Look | None:
        """At the weights before a single update, or after it; None before any other."""
        if not self.pause.single:
            return None
        return look(self.model, self.averaged, self.dataset.preprocess, self.val_split.subset(self.watched))

    def _updated(self, n: int, images: int, measured: Tensor, before: Look) -> Updated:
        values = dict(zip(MEASURED, measured.tolist(), strict=True))
        if not self.config.model.recurrent:
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
            watched=tuple(f"val-{index}" for index in self.watched.tolist()),
            **compared(before, self._look(), self.val_split.labels[self.watched].cpu()),
        )

    def update(self, loss: Tensor, weight: float) -> None:
        """One optimizer step and one step of the moving average; `weight` is this process's share of the batch."""
        train = self.config.train
        self.optimizer.zero_grad(set_to_none=True)
        (loss * weight).backward()  # weighted before it is differentiated: batch statistics tie the processes together
        self.group.mean_([p.grad for p in self.model.parameters() if p.grad is not None])
        if train.grad_clip or self.pause.single:
            limit = train.grad_clip or math.inf
            self.gradient_norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), limit)
        self.optimizer.step()
        self.updates += 1
        follow(self.averaged, self.model, train, self.updates)

    def _means(self) -> Means:
        return Means(self.config.model.supervision_steps, self.device)

    def _generator(self, *numbers: int) -> torch.Generator:
        return torch.Generator().manual_seed(mixed_seed(self.config.train.seed, *numbers))

    def _progress(self, means: dict[str, tuple[float, ...]], lr: float, speed: float, left: float) -> Progress:
        return Progress(
            epoch=self.epoch + 1,
            batch=self.batch,
            batches=self.batches,
            loss=means["loss"],
            halt_loss=means["halt_loss"] if self.config.model.recurrent else (),
            accuracy=means["accuracy"],
            halt_prob=means["halt_prob"] if self.config.model.recurrent else (),
            answer_norm=means["answer_norm"][-1],
            memory_norm=means["memory_norm"][-1] if self.config.model.recurrent else None,
            steps_run=sum(means["count"]) / means["count"][0],
            lr=lr,
            images_per_s=speed,
            time_left_s=left,
        )

    def _check_finite(self, losses: tuple[float, ...]) -> None:
        if not all(math.isfinite(loss) for loss in losses):
            raise TrainingDiverged(
                f"the loss became {', '.join(f'{loss:g}' for loss in losses)} in epoch {self.epoch + 1}, batch "
                f"{self.batch}: the updates were too large. Choose a smaller train.lr={self.config.train.lr}, or a "
                f"smaller train.grad_clip={self.config.train.grad_clip}"
            )

    def _finished(self, reason: str) -> Finished:
        self.finished = True
        return Finished(reason, self.epoch, self.best_epoch, self.best_val_accuracy, self.seconds)


_COUNTERS = ("epoch", "batch", "updates", "seconds", "best_epoch", "best_val_accuracy")
