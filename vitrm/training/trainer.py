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

import math
import operator
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from vitrm.config import Config
from vitrm.data.dataset import Dataset, Split
from vitrm.errors import ConfigError, TrainingDiverged
from vitrm.families import load_weights
from vitrm.judge.evaluation import StepScores, join, predict_steps, score
from vitrm.training.batches import draw_batches, read_batches
from vitrm.training.checks import fit_config
from vitrm.training.deep_supervision import DeepSupervision
from vitrm.training.device import mixed_seed, reproducible
from vitrm.training.distributed import Group
from vitrm.training.events import EpochEnd, Event, Finished, Paused, Progress, Updated
from vitrm.training.means import MEASURED, Means
from vitrm.training.optimizer import learning_rate
from vitrm.training.pause import Pause
from vitrm.training.single import WATCHED, Look, compared, look
from vitrm.training.stopwatch import Stopwatch

REPORT_EVERY = 10  # batches between two Progress events


class Trainer(DeepSupervision):
    """One training run in memory: epochs of deep supervision, validated after each. Reads no files and writes none.

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
        super().__init__(fit_config(config, dataset), dataset.preprocess, device, group or Group())
        self.dataset = dataset
        self.train_splits = [each.train.to(self.device) for each in (dataset, *dataset.others)]
        self.val_splits = [each.val.to(self.device) for each in (dataset, *dataset.others)]
        self.watched = dataset.val.few(WATCHED)
        self.batch = 0  # the next one of this epoch
        self.batches = len(self._draw())  # in each epoch
        self.best_epoch, self.best_val_accuracy = 0, -1.0
        self.epoch_means, self.recent_means = self._means(), self._means()
        self.stopping = self.stopped = False  # asked to, by this process; done so, in all of them
        self.finished = False  # the last event was Finished
        self.pause, self.watch = Pause(self.group), Stopwatch(clock)

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
        """After how many supervision steps validation ends, and by which of them the best weights are chosen."""
        return self.config.deepest

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
        train, reason = self.config.train, f"all {self.config.train.epochs} epochs done"
        with reproducible(train.deterministic):
            while self.epoch < train.epochs:
                if train.patience and self.epoch - self.best_epoch >= train.patience:
                    reason = f"no better validation accuracy for {train.patience} epochs"
                    break
                yield from self._epoch()
                if self.stopped:
                    return
                yield self._validated()
            self.finished = True
            yield Finished(reason, self.epoch, self.best_epoch, self.best_val_accuracy, self.seconds)

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to continue exactly: tensors and plain values only."""
        return {
            "model": self.model.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "kept": self.starts.state_dict(),
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
            self.starts.load_state_dict(state.get("kept", []), self.device)
            self.epoch_means.sums = state["epoch_sums"].to(self.device)
            self.recent_means.sums = state["recent_sums"].to(self.device)
            for name in _COUNTERS:
                setattr(self, name, state[name])
        except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise ConfigError(f"the saved state does not fit this configuration: {error}") from None

    # One epoch

    def _epoch(self) -> Iterator[Event]:
        """The batches that this epoch has left, each drawn from (seed, epoch, batch) alone."""
        train = self.config.train
        if self.epoch:
            for place, each in enumerate((self.dataset, *self.dataset.others)):
                if each.draw:
                    self.train_splits[place] = each.draw(self.epoch).to(self.device)
        order = self._draw()
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
            epochs = self.epoch + self.batch / self.batches  # that are over
            self.done, lr = epochs / train.epochs, learning_rate(train, self.batches, epochs)
            for group in self.optimizer.param_groups:
                group["lr"] = lr
            yield from self._batch(*next(batches))
            self.batch += 1
            if self.batch % REPORT_EVERY == 0 or self.batch == self.batches:
                images = sum(len(index) for _, index in order[reported : self.batch])
                yield self._progress(images, reported_at)
                reported, reported_at = self.batch, self.seconds

    def _draw(self) -> list[tuple[Split, Tensor]]:
        """The batches of this epoch."""
        generator = torch.Generator().manual_seed(mixed_seed(self.config.train.seed, self.epoch))
        return draw_batches(self.train_splits, self.config.train, generator)

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
        return look(self.model, self.averaged, self.preprocess, self.val_split.subset(self.watched))

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

    def _progress(self, images: int, since: float) -> Progress:
        """What was learned from so many images since the last report, which was made after so many seconds."""
        means, self.recent_means = self.recent_means.read(), self._means()
        self._check_finite(means["loss"])
        seconds, recurrent = self.seconds, self.config.model.recurrent
        done = (self.epoch + self.batch / self.batches) / self.config.train.epochs
        return Progress(
            epoch=self.epoch + 1,
            batch=self.batch,
            batches=self.batches,
            loss=means["loss"],
            halt_loss=means["halt_loss"] if recurrent else (),
            accuracy=means["accuracy"],
            halt_prob=means["halt_prob"] if recurrent else (),
            answer_norm=means["answer_norm"][-1],
            memory_norm=means["memory_norm"][-1] if recurrent else None,
            steps_run=sum(means["count"]) / means["count"][0],
            lr=self.optimizer.param_groups[0]["lr"],
            images_per_s=images / (seconds - since),
            time_left_s=seconds * (1 - done) / done,
        )

    def _validated(self) -> EpochEnd:
        """The end of an epoch: what the averaged weights are worth on the validation images of all sizes, run as deep
        as is trained, and whether that is the best so far.
        """
        scores = self.group.from_first(self._validate)
        self._check_finite(scores.loss)
        means, self.epoch_means = self.epoch_means.read(), self._means()
        self.epoch, self.batch = self.epoch + 1, 0
        self.watch.stop()
        better = operator.ge if self.deepest > self.config.model.supervision_steps else operator.gt
        best = better(scores.accuracy[-1], self.best_val_accuracy)
        if best:
            self.best_epoch, self.best_val_accuracy = self.epoch, scores.accuracy[-1]
        return EpochEnd(
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

    def _validate(self) -> StepScores:
        parts = [predict_steps(self.averaged, self.preprocess, split, self.deepest) for split in self.val_splits]
        return score(join(parts), torch.cat([split.labels for split in self.val_splits]))

    def _means(self) -> Means:
        return Means(self.config.model.supervision_steps, self.device)

    def _check_finite(self, losses: tuple[float, ...]) -> None:
        if not all(math.isfinite(loss) for loss in losses):
            clip = self.config.train.grad_clip
            raise TrainingDiverged(
                f"the loss became {', '.join(f'{loss:g}' for loss in losses)} in epoch {self.epoch + 1}, batch "
                f"{self.batch}: the updates were too large. Choose a smaller train.lr={self.config.train.lr}, or "
                + (f"a smaller train.grad_clip={clip}" if clip else f"clip gradients (train.grad_clip={clip}) at 1")
            )


_COUNTERS = ("epoch", "batch", "updates", "seconds", "best_epoch", "best_val_accuracy")
