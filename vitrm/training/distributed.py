"""Several processes training one model: `torchrun --nproc-per-node=G -m vitrm train ...`.

Every process draws the same batch and augments it the same way, then works on its own share of the images; gradients
and measurements are averaged, so that all weights stay equal and the result is that of one process, up to rounding
and what is drawn within the model: dropout, dropped paths, noise in the memory and which images go back, which each
process draws for its own. Batch normalisation goes by the whole batch. With one process every method here does nothing.

None waits for ever for one that is gone: its connections close, or PATIENCE_S pass, and LostProcessError says so.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from vitrm.errors import LostProcessError
from vitrm.training.device import mixed_seed

T = TypeVar("T")
# For a process that is still connected but does not answer, while all of them train
PATIENCE_S = float(os.environ.get("VITRM_PATIENCE_S", "600"))


class Group:
    """The processes of this training: `rank` of `size`, rank 0 being the one that writes."""

    def __init__(self, rank: int = 0, size: int = 1, patient: dist.ProcessGroup | None = None) -> None:
        self.rank, self.size = rank, size
        self._patient = patient  # the same processes, for what rank 0 does alone, which may take it very long

    def share_of(self, *tensors: Tensor) -> tuple[tuple[Tensor, ...], float]:
        """This process's images (labels, seeds) of a batch, and how much they weigh in `mean_`: 1 on average."""
        whole = len(tensors[0])
        if whole < self.size:  # too few to go round: everyone takes all of them, for the same mean
            return tensors, 1.0
        shares = tuple(tensor[self.rank :: self.size] for tensor in tensors)
        return shares, len(shares[0]) * self.size / whole

    def draw_apart(self) -> None:
        """Let what is drawn from now on be this process's own, until torch is seeded again, as for each batch."""
        if self.rank > 0:
            torch.manual_seed(mixed_seed(torch.initial_seed(), self.rank))

    def mean_(self, tensors: Iterable[Tensor], weight: float = 1.0) -> None:
        """Replace each tensor by its mean over the processes, `weight` counting this process's share."""
        tensors = list(tensors)
        if self.size == 1 or not tensors:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors]) * (weight / self.size)
        with _expected():
            dist.all_reduce(flat)
        for tensor, part in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))

    def any(self, flag: bool) -> bool:
        """Whether any process says so."""
        return flag if self.size == 1 else self._any(flag)

    def _any(self, flag: bool, group: dist.ProcessGroup | None = None) -> bool:
        flags = torch.tensor([float(flag)])  # on the host: nobody waits for a GPU to answer
        with _expected():
            dist.all_reduce(flags, group=group)
        return bool(flags.item())

    @contextmanager
    def first_goes_ahead(self) -> Iterator[None]:
        """Rank 0 runs the body before the others do, so that they find what it downloaded, however long that takes."""
        if self.rank > 0:
            self._any(False, self._patient)
        yield
        if self.rank == 0 and self.size > 1:
            self._any(False, self._patient)

    def from_first(self, compute: Callable[[], T]) -> T:
        """What rank 0 computes, on every process."""
        if self.size == 1:
            return compute()
        box = [compute() if self.rank == 0 else None]
        with _expected():
            dist.broadcast_object_list(box, group=self._patient)
        return box[0]

    def share_statistics(self, model: nn.Module) -> nn.Module:
        """`model` with every batch normalisation by the mean and variance of the whole batch, over all processes."""
        if self.size == 1:
            return model
        if next(model.parameters()).is_cuda:
            return nn.SyncBatchNorm.convert_sync_batchnorm(model)
        for module in model.modules():
            if type(module) is nn.BatchNorm2d:
                module.__class__ = SharedBatchNorm  # which differs in what it does, not in what it holds
        return model

    def leave(self) -> None:
        """Part in good order: nobody goes while another is still listening. Call it once, when all work is done."""
        if self.size > 1:
            with _expected():
                dist.barrier()
            dist.destroy_process_group()
            # A group's threads end with the last that knows it. One that lets go of a tensor only while the interpreter
            # shuts down would abort the process (pytorch/pytorch#190489).
            self._patient = None


@contextmanager
def _expected() -> Iterator[None]:
    """Around whatever waits for the other processes. Raises LostProcessError if one does not come."""
    try:
        yield
    except RuntimeError as error:  # as every backend says it
        said = str(error).strip().partition("\n")[0]
        detail = re.sub(r"^\[[^]]*\.cc:\d+\] ", "", said).partition(". ")[0]  # without the line of the library
        raise LostProcessError(
            f"process {dist.get_rank()} lost touch with another of the {dist.get_world_size()} processes of this "
            f"training ({detail}); that one was killed, failed (then it says why), or its machine or network is gone"
        ) from error


class SharedBatchNorm(nn.BatchNorm2d):
    """Batch normalisation by the whole batch, of which this process has a share: torch's own is for GPUs alone.

    Gradients are right if each process's loss is weighted by its share of the batch before it is differentiated.
    """

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        if not self.training:
            return super().forward(images)
        places = (0, 2, 3)
        exact = images.to(torch.promote_types(images.dtype, torch.float32))
        count = _Sum.apply(exact.new_tensor([exact.numel() / exact.shape[1]]))
        mean = _Sum.apply(exact.sum(places)) / count
        centred = exact - mean[:, None, None]
        variance = _Sum.apply(centred.square().sum(places)) / count  # of the centred ones: nothing cancels
        with torch.no_grad():
            self.num_batches_tracked.add_(1)
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
        scale = self.weight * (variance + self.eps).rsqrt()
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(images.dtype)


class _Sum(torch.autograd.Function):
    """The sum over all processes; so is its gradient."""

    @staticmethod
    def forward(_, tensor: Tensor) -> Tensor:
        return _Sum._total(tensor)

    @staticmethod
    def backward(_, gradient: Tensor) -> Tensor:
        return _Sum._total(gradient)

    @staticmethod
    def _total(tensor: Tensor) -> Tensor:
        total = tensor.clone(memory_format=torch.contiguous_format)
        with _expected():
            dist.all_reduce(total)
        return total


def join_group(device: str) -> Group:
    """The group that torchrun started this process in, or a group of one."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return Group()
    # Imported later, as by the first optimizer, its functions would keep the group that they find, as a default.
    import torch.distributed.nn

    if device.startswith("cuda"):
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    backend = "cpu:gloo,cuda:nccl" if device.startswith("cuda") else "gloo"
    dist.init_process_group(backend, timeout=timedelta(seconds=PATIENCE_S))
    return Group(dist.get_rank(), size, dist.new_group(backend="gloo", timeout=timedelta(days=30)))
