"""What a training makes of one batch: deep supervision (Eq. 5, 6), and the updates of the weights."""

from __future__ import annotations

import math
from collections.abc import Iterator
from copy import deepcopy

import torch
from torch import Tensor

from vitrm.config import Config
from vitrm.data.dataset import Preprocess
from vitrm.families import make_model
from vitrm.losses import classification_loss, halting_loss
from vitrm.nets.base import Step
from vitrm.nets.glimpses import glimpse_patches
from vitrm.training.augment import augment, mix
from vitrm.training.batches import draw_unlearned, noise_in_memory
from vitrm.training.compiling import compile_each, explained
from vitrm.training.device import autocast, each_under, on_its_way
from vitrm.training.distributed import Group
from vitrm.training.means import MEASURED, measure
from vitrm.training.optimizer import follow, make_optimizer
from vitrm.training.starts import Batch, Starts


class DeepSupervision:
    """A model that learns, batch by batch. `model` holds the raw weights, `averaged` their moving average (EMA).

    Everything that is drawn comes from torch's default generator: whoever seeds it gets the same batch again. Raises
    ConfigError for an optimizer that the model has nothing for, or an "auto" that is not decided.
    """

    def __init__(self, config: Config, preprocess: Preprocess, device: torch.device | str, group: Group) -> None:
        self.config, self.preprocess = config, preprocess
        self.device, self.group = torch.device(device), group
        torch.manual_seed(config.train.seed)
        self.model = make_model(config.model).to(self.device)
        self.averaged = deepcopy(self.model).requires_grad_(False)
        self.model = group.share_statistics(self.model)
        compile_each(self.model.repeated, config.train.compile)
        self.optimizer = make_optimizer(self.model, config.train)
        self.starts = Starts(config.train, group.size)
        self.epoch, self.updates = 0, 0  # epoch from 0: the last ones are not mixed
        self.done: float | None = None  # share of the training that is over; None outside of one
        self.gradient_norm: float | Tensor = math.nan  # of the last update, before clipping
        self.looks_ahead = self.device.type == "cuda"  # the next step is queued before it is known whether it is made

    @explained
    def train_batch(
        self, images: Tensor, labels: Tensor, unlearned: int | None = None
    ) -> Iterator[tuple[int, Tensor, bool]]:
        """Learn from uint8 images (B, C, H, W) and their labels (B,), one item per supervision step n that was run,
        after `unlearned` steps without gradient (drawn as `progress_steps` says, where it is None). Some are images of
        the batch before in their place, that go on from where they are (see `Starts`).

        Each item is (n, measurements, whether it is the last), the measurements in the order of `MEASURED`. With
        update="step" the weights have moved when it is yielded; with "batch" they move at the end. Raises ConfigError
        where torch cannot compile the block.
        """
        train = self.config.train
        self.model.train()
        images, targets, halt_targets = self.prepare(images, labels)
        seeds = torch.randint(2**31, (len(images),), device=self.device)
        (*mine, seeds), weight = self.group.share_of(images, targets, halt_targets, seeds)
        unlearned = draw_unlearned(train, self.done) if unlearned is None else unlearned  # as many in every process
        self.group.draw_apart()
        batch, steps = self._begun(tuple(mine), seeds, unlearned)
        _, targets, halt_targets = batch
        total, learning, step = 0.0, self.config.model.supervision_steps, next(steps)
        for n in range(learning):
            loss, halt_loss = self.losses(step, targets, halt_targets)
            both = loss if halt_loss is None else loss + train.halt_weight * halt_loss
            if train.update == "step":
                self.update(both, weight)
            else:
                total = total + both
            measured = measure(step, targets, loss, halt_loss)
            self.group.mean_([measured], weight)
            last, step = step, self._next(steps, measured) if n < learning - 1 else None
            if step is None:
                self.starts.keep(batch, last)
            yield n, measured, step is None
            if step is None:
                break
        if train.update == "batch":
            self.update(total / (n + 1), weight)

    def _begun(self, batch: Batch, seeds: Tensor, unlearned: int) -> tuple[Batch, Iterator[Step]]:
        """What is learned from: the batch, with the images that stay from the one before in the place of some, and the
        supervision steps after `unlearned` without gradient, computed as they are asked for.
        """
        train, model = self.config.train, self.model
        precision, noise = autocast(train.precision, self.device), noise_in_memory(train)
        batch, start = self.starts.begin(model, batch)
        images, more = batch[0], {}
        if unlearned:
            before = model.steps(images, unlearned, seeds, "all", edit=noise, start=start)  # embedded once
            start = self.starts.go_on(model, batch, each_under(precision, before), unlearned)
            more = self._glimpses_after(unlearned, images, seeds)
        steps = model.steps(
            images, self.config.model.supervision_steps, seeds, train.backprop, edit=noise, start=start, **more
        )
        return batch, each_under(precision, steps)

    def _next(self, steps: Iterator[Step], measured: Tensor) -> Step | None:
        """The supervision step to learn from next; None where what was measured of the last is enough (Eq. 6)."""
        if not self.config.train.stop_unrolling:
            return next(steps)
        halt_prob = measured[MEASURED.index("halt_prob")]
        enough = on_its_way(halt_prob > self.config.model.halt_threshold)
        if not self.looks_ahead:
            return None if enough() else next(steps)
        step = next(steps)
        return None if enough() else step  # which was queued in vain: no weights have moved by it

    def _glimpses_after(self, unlearned: int, images: Tensor, seeds: Tensor) -> dict[str, Tensor]:
        """Which patches the steps that learn see, so that they go on with the cycle that was begun without gradient."""
        model = self.config.model
        if model.glimpse_patches is None:
            return {}
        steps = range(unlearned, unlearned + model.supervision_steps)
        return {"patches": torch.stack([glimpse_patches(n, seeds, len(images), model, images.device) for n in steps])}

    def prepare(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """A batch as it is trained on: augmented images, their targets (B,) or mixed (B, C), those of halting."""
        train = self.config.train
        images, labels = images.to(self.device, non_blocking=True), labels.to(self.device, non_blocking=True)
        images, targets = self.preprocess.normalize(augment(images, train)), labels
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

    def update(self, loss: Tensor, weight: float) -> None:
        """One optimizer step and one step of the moving average; `weight` is this process's share of the batch."""
        train = self.config.train
        self.optimizer.zero_grad(set_to_none=True)
        (loss * weight).backward()  # weighted before it is differentiated: batch statistics tie the processes together
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        self.group.mean_(gradients)
        self.gradient_norm = torch.nn.utils.get_total_norm(gradients)
        if train.grad_clip:
            torch.nn.utils.clip_grads_with_norm_(self.model.parameters(), train.grad_clip, self.gradient_norm)
        self.optimizer.step()
        self.updates += 1
        follow(self.averaged, self.model, train, self.updates)
