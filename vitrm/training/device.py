"""The device of a training: which one, in which precision, the same numbers again, and values on their way from it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TypeVar

import torch
from torch import Tensor

from vitrm.errors import ConfigError

T = TypeVar("T")


def find_device(name: str = "auto") -> str:
    """The device to use: a GPU where there is one, for "auto". Raises ConfigError if it is not there."""
    here = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return next(each for each in ("cuda", "mps", "cpu") if here[each])
    try:
        if torch.empty(1, device=name).device.type not in here:
            raise RuntimeError("nothing is computed there")
    except (RuntimeError, AssertionError):  # no such device, not built for it, or not so many of it
        usable = ", ".join(each for each, found in here.items() if found)
        raise ConfigError(f"device '{name}' is not available here; usable: {usable}") from None
    if name.startswith("cuda:"):
        torch.cuda.set_device(name)  # streams and events belong to the current one
    return name


def autocast(precision: str, device: torch.device) -> Callable[[], AbstractContextManager]:
    """What makes contexts in which a model computes in "fp32" or "bf16"; its weights stay as they are.

    Raises ConfigError for anything else: "auto" is decided before (`vitrm.training.precision`).
    """
    if precision not in ("fp32", "bf16"):
        raise ConfigError(f"train.precision={precision} is not decided yet: expected fp32 or bf16")
    return nullcontext if precision == "fp32" else lambda: torch.autocast(device.type, torch.bfloat16)


def each_under(context: Callable[[], AbstractContextManager], iterator: Iterator[T]) -> Iterator[T]:
    """The same items, each computed inside a fresh `context()` that is left before the item is handed on."""
    while True:
        with context():
            item = next(iterator, None)
        if item is None:
            return
        yield item


@contextmanager
def reproducible(wanted: bool) -> Iterator[None]:
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


def on_its_way(flag: Tensor) -> Callable[[], bool]:
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


def mixed_seed(*numbers: int) -> int:
    """One 63-bit seed out of several numbers."""
    seed = 0
    for number in numbers:
        seed = (seed * 6_364_136_223_846_793_005 + number + 1_442_695_040_888_963_407) % 2**63
    return seed
