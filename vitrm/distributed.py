"""Several processes training one model: `torchrun --nproc-per-node=G -m vitrm train ...`.

Every process draws the same batch and augments it the same way, then works on its own share of the images; gradients
and measurements are averaged, so that all weights stay equal and the result is that of one process, up to rounding
(and dropout, whose draws differ). With one process every method here does nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

T = TypeVar("T")


class Group:
    """The processes of this training: `rank` of `size`, rank 0 being the one that writes."""

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank, self.size = rank, size

    def share_of(self, *tensors: Tensor) -> tuple[tuple[Tensor, ...], float]:
        """This process's images (labels, seeds) of a batch, and how much they weigh in `mean_`: 1 on average."""
        whole = len(tensors[0])
        if whole < self.size:  # too few to go round: everyone takes all of them, for the same mean
            return tensors, 1.0
        shares = tuple(tensor[self.rank :: self.size] for tensor in tensors)
        return shares, len(shares[0]) * self.size / whole

    def mean_(self, tensors: Iterable[Tensor], weight: float = 1.0) -> None:
        """Replace each tensor by its mean over the processes, `weight` counting this process's share."""
        tensors = list(tensors)
        if self.size == 1 or not tensors:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors]) * (weight / self.size)
        dist.all_reduce(flat)
        for tensor, part in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))

    def any(self, flag: bool) -> bool:
        """Whether any process says so."""
        if self.size == 1:
            return flag
        flags = torch.tensor([float(flag)])  # on the host: nobody waits for a GPU to answer
        dist.all_reduce(flags)
        return bool(flags.item())

    @contextmanager
    def first_goes_ahead(self) -> Iterator[None]:
        """Rank 0 runs the body before the others do, so that they find what it downloaded."""
        if self.rank > 0:
            self.any(False)
        yield
        if self.rank == 0:
            self.any(False)

    def from_first(self, compute: Callable[[], T]) -> T:
        """What rank 0 computes, on every process."""
        if self.size == 1:
            return compute()
        box = [compute() if self.rank == 0 else None]
        dist.broadcast_object_list(box)
        return box[0]

    def leave(self) -> None:
        """Part in good order: nobody goes while another is still listening. Call it once, when all work is done."""
        if self.size > 1:
            dist.barrier()
            dist.destroy_process_group()


def join_group(device: str) -> Group:
    """The group that torchrun started this process in, or a group of one."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return Group()
    if device.startswith("cuda"):
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("cpu:gloo,cuda:nccl" if device.startswith("cuda") else "gloo")
    return Group(dist.get_rank(), size)
