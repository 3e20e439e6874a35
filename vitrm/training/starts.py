"""Where the recursion of a batch begins: where the model has learned to, near that, or where images of the batch before
came to, that stay for this one.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from vitrm.config import TrainConfig
from vitrm.errors import ConfigError
from vitrm.model import State, ViTRM
from vitrm.nets.base import Step
from vitrm.training.batches import log_uniform

Batch = tuple[Tensor, Tensor, Tensor]  # images (B, C, H, W) as they are learned from, their targets, those of halting


class Starts:
    """`start_noise`, `rewind_wrong`, `keep_right` and `keep_wrong` of a training; nothing is drawn where they are 0.

    Full batches of one size follow one another: what stays of one takes its place in the next. Raises ConfigError for
    several processes, which would each keep images of their own.
    """

    def __init__(self, train: TrainConfig, processes: int = 1) -> None:
        self.train = train
        self.kept: dict[torch.Size, list[Tensor]] = {}  # by size: the batch, y, z, and which of it stays (B,)
        if train.keeps and processes > 1:
            raise ConfigError(
                f"keep_right={train.keep_right:g}, keep_wrong={train.keep_wrong:g}: images stay in one process, not in "
                f"{processes}; train with one, or keep none"
            )

    def begin(self, model: ViTRM, batch: Batch) -> tuple[Batch, State | None]:
        """The batch with those that stay from the one before, and where each goes on from; None: the learned start."""
        if not (self.train.start_noise or self.train.keeps):
            return batch, None
        start = self._start(model, batch[0])
        *before, answer, memory, stays = self.kept.get(batch[0].shape, [None] * 6)
        if stays is None or any(old.shape != new.shape for old, new in zip(before, batch, strict=True)):
            return batch, start  # the first, or the first that is mixed no longer
        joined = tuple(_where(stays, old, new) for old, new in zip(before, batch, strict=True))
        return joined, State(_where(stays, answer, start.answer), _where(stays, memory, start.memory))

    def go_on(self, model: ViTRM, batch: Batch, steps: Iterator[Step], count: int) -> State:
        """Where `count` supervision steps without gradient come to. Of those that the last one answers wrongly a share
        `rewind_wrong` is back where an earlier one came to, which is drawn log-uniformly; 0 is the learned start.
        """
        share = self.train.rewind_wrong
        if not share:
            last = come_to(steps)
            return State(last.answer, last.memory)
        back = log_uniform(count - 1)
        earlier = come_to(itertools.islice(steps, back)) if back else self._start(model, batch[0])
        last = come_to(steps)
        wrong = ~_right(batch, last)
        again = wrong & (torch.rand(wrong.shape, device=wrong.device) < share)
        return State(_where(again, earlier.answer, last.answer), _where(again, earlier.memory, last.memory))

    def keep(self, batch: Batch, last: Step) -> None:
        """Draw which images of a batch stay, by whether the last step that was made answers them rightly."""
        if not self.train.keeps or len(batch[0]) < self.train.batch_size:  # the odd one comes once in an epoch
            return
        right, train = _right(batch, last), self.train
        stays = torch.rand(right.shape, device=right.device) < torch.where(right, train.keep_right, train.keep_wrong)
        self.kept[batch[0].shape] = [*batch, last.answer.detach(), last.memory.detach(), stays]

    def state_dict(self) -> list[list[Tensor]]:
        return list(self.kept.values())

    def load_state_dict(self, state: Sequence[Sequence[Tensor]], device: torch.device) -> None:
        batches = [[tensor.to(device) for tensor in each] for each in state]
        self.kept = {each[0].shape: each for each in batches}

    def _start(self, model: ViTRM, images: Tensor) -> State:
        """The learned start of images, with noise in its memory if there is to be any."""
        start, noise = model.state_for(images), self.train.start_noise
        return replace(start, memory=start.memory + noise * torch.randn_like(start.memory)) if noise else start


@torch.no_grad()
def come_to(steps: Iterator[Step]) -> Step:
    """The last of some supervision steps, made without gradient."""
    (last,) = deque(steps, maxlen=1)  # one is held at a time
    return last


def _right(batch: Batch, step: Step) -> Tensor:
    """Whether a step answers each image (B,) with its class, the one that has most of it where images are mixed."""
    labels = batch[1] if batch[1].ndim == 1 else batch[1].argmax(dim=-1)
    return step.logits.argmax(dim=-1) == labels


def _where(chosen: Tensor, yes: Tensor, no: Tensor) -> Tensor:
    """`yes` for the chosen images (B,), `no` for the others."""
    return torch.where(chosen.reshape(-1, *[1] * (no.ndim - 1)), yes, no)
