"""What is timed, and how: variants take turns, so that a noisy machine disturbs all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from vitrm.config import TrainConfig
from vitrm.losses import classification_loss, halting_loss
from vitrm.model import State, ViTRM
from vitrm.nets.base import OneStep
from vitrm.training.starts import come_to


def median_times(variants: Sequence[Callable[[], None]], repeats: int, device: str) -> list[float]:
    """Median seconds of each variant; they take turns, after one warm-up each."""
    wait = _waiting(device)
    times: list[list[float]] = [[] for _ in variants]
    for repeat in range(repeats + 1):
        for variant, measured in zip(variants, times, strict=True):
            wait()
            start = time.perf_counter()
            variant()
            wait()
            if repeat:
                measured.append(time.perf_counter() - start)
    return [statistics.median(measured) for measured in times]


def _waiting(device: str) -> Callable[[], None]:
    """What waits until a device has done all that was queued for it; the CPU queues nothing."""
    if device.startswith("cuda"):
        return lambda: torch.cuda.synchronize(device)
    return torch.mps.synchronize if device.startswith("mps") else lambda: None


def training_step(
    model: ViTRM | OneStep,
    images: torch.Tensor,
    labels: torch.Tensor,
    fused: bool = True,
    *,
    train: TrainConfig,
    unlearned: int = 0,
) -> Callable[[], None]:
    """The supervision steps of one batch, after `unlearned` without gradient, and their updates: `train` says how far a
    loss reaches back and how often the weights move. The rest of it is not looked at.
    """
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=fused or None)

    def run() -> None:
        model.train()
        start, total = None, 0.0
        if unlearned:
            last = come_to(model.steps(images, unlearned, backprop="all"))
            start = State(last.answer, last.memory)
        for step in model.steps(images, backprop=train.backprop, start=start):
            loss = classification_loss(step.logits, labels)
            if step.halt_logit is not None:
                loss = loss + halting_loss(step.halt_logit, step.logits, labels)
            total = total + loss
            if train.update == "step":
                update(total)
                total = 0.0
        if train.update == "batch":
            update(total)

    def update(loss: torch.Tensor) -> None:
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return run


def inference(model: ViTRM | OneStep, images: torch.Tensor) -> Callable[[], None]:
    """One pass over a batch, in evaluation mode and without gradient."""

    @torch.inference_mode()
    def run() -> None:
        model.eval()(images)

    return run


def matmul(
    width_in: int, width_out: int, rows: int, device: str, dtype: torch.dtype = torch.float32
) -> tuple[Callable[[], None], int]:
    """A linear map, often enough to be timed, and its floating-point operations."""
    times = max(1, int(2e10 / (2 * rows * width_in * width_out)))
    if device.startswith("cuda"):
        times = max(times, 20)
    tokens = torch.randn(rows, width_in, device=device, dtype=dtype)
    weight = torch.randn(width_out, width_in, device=device, dtype=dtype)

    def run() -> None:
        for _ in range(times):
            F.linear(tokens, weight)

    return run, times * 2 * rows * width_in * width_out


def count_flops(run: Callable[[], None]) -> int:
    """Floating-point operations of the matrix products in one call (a multiply-add counts as two)."""
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        run()
    return counter.get_total_flops()
