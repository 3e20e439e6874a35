"""What is measured of every supervision step of a training, and its means."""

from __future__ import annotations

import torch
from torch import Tensor

from vitrm.losses import accuracy
from vitrm.nets.base import Step

MEASURED = ("loss", "halt_loss", "accuracy", "halt_prob", "answer_norm", "memory_norm")  # of each supervision step


def measure(step: Step, targets: Tensor, loss: Tensor, halt_loss: Tensor | None) -> Tensor:
    """(6,) the measurements of a supervision step, in the order of `MEASURED`; 0 for what it has none of."""
    none = loss.new_zeros(())
    halts = step.halt_logit is not None
    return torch.stack([
        loss.detach(),
        halt_loss.detach() if halts else none,
        accuracy(step.logits.float(), targets),
        step.halt_logit.detach().float().sigmoid().mean() if halts else none,
        step.answer.detach().float().norm(dim=-1).mean(),
        step.memory.detach().float().norm(dim=-1).mean() if halts else none,
    ])  # fmt: skip


class Means:
    """Running sums per supervision step; kept as tensors, so that adding never waits for the device."""

    def __init__(self, steps: int, device: torch.device) -> None:
        precise = torch.float32 if device.type == "mps" else torch.float64  # MPS has no float64
        self.sums = torch.zeros(len(MEASURED) + 1, steps, dtype=precise, device=device)  # row 0 counts

    def add(self, index: int, measured: Tensor) -> None:
        """Take in the measurements of supervision step `index`, in the order of `MEASURED`."""
        self.sums[0, index] += 1
        self.sums[1:, index] += measured

    def read(self) -> dict[str, tuple[float, ...]]:
        """By name, one mean for each supervision step that was run; under "count", how often that was."""
        count, *rows = self.sums.cpu()
        done = count > 0
        means = {name: tuple((row[done] / count[done]).tolist()) for name, row in zip(MEASURED, rows, strict=True)}
        means["count"] = tuple(count[done].tolist())
        return means
