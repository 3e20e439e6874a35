"""Compiling the modules that do nearly all of a model's work, and whether it pays."""

from __future__ import annotations

import functools
import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import ParamSpec, TypeVar

import torch
from torch import nn

from vitrm.errors import ConfigError

P, T = ParamSpec("P"), TypeVar("T")
GAIN = 1.1  # less than this is noise
USUAL_S = 60.0  # what compiling takes, about, on a machine that does nothing else
TRIED = 4  # batches of the training as it is that are compared with
SHARE = 0.1  # of a training may go into trying, which brings a fifth or a quarter if it brings anything


def compile_each(modules: Iterable[nn.Module], wanted: bool) -> None:
    """Let torch compile these when they are first called, if that is wanted: one graph for each shape of their input.

    Raises ConfigError for "auto", which is decided before (`vitrm.training.precision`).
    """
    if wanted not in (True, False):
        raise ConfigError(f"train.compile={wanted} is not decided yet: expected true or false")
    if not wanted:
        return
    logging.getLogger("torch.utils.cpp_extension").addFilter(_matters)
    torch._dynamo.config.recompile_limit = max(64, torch._dynamo.config.recompile_limit)
    for module in modules:
        module.compile(dynamic=False)  # the last batch of an epoch is the odd one


def explained(generate: Callable[P, Iterator[T]]) -> Callable[P, Iterator[T]]:
    """The same generator. It raises ConfigError where torch cannot compile what computes an item."""

    @functools.wraps(generate)
    def explaining(*args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        try:
            yield from generate(*args, **kwargs)
        except RuntimeError as error:
            compiler = sys.modules.get("torch._dynamo.exc")  # loaded where something was to be compiled
            if compiler is None or not isinstance(error, compiler.TorchDynamoException):
                raise
            raise ConfigError(
                f"train.compile=true: torch cannot compile here ({reason(error)}). Install a C++ compiler, such as "
                "g++, and for a GPU Triton, or set train.compile to false. If they are there, one may have been killed "
                f"at its work: delete the folder '{torch._inductor.runtime.cache_dir_utils.cache_dir()}'"
            ) from error

    return explaining


def reason(error: BaseException) -> str:
    """The kind of a failure and the first line of what torch says of it."""
    found = getattr(error, "inner_exception", error)  # what went wrong inside torch's compiler
    return f"{type(found).__name__}: {str(found).strip().partition(chr(10))[0]}"


def _matters(record: logging.LogRecord) -> bool:
    """Whether a line of torch's log says more than that CUDA's tools are on a machine without a GPU."""
    return not record.getMessage().startswith("No CUDA runtime is found")


def crowded() -> float:
    """How many programs there are to each core of this machine, 1 at least: so much longer does compiling take."""
    if not hasattr(os, "getloadavg"):  # on Windows
        return 1.0
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def worth_trying(training_s: float, batch_s: float, crowd: float) -> bool:
    """Whether a training of so many seconds, each batch so many, is long enough for compiling to be tried."""
    return crowd * USUAL_S + TRIED * batch_s <= SHARE * training_s


def pays(eager_s: float, compiled_s: float, compiling_s: float, batches: int) -> bool:
    """Whether a training of so many batches ends sooner compiled, and a batch of it (in seconds) by more than noise.

    What was compiled to find out is used by the training, but the odd last batch of an epoch takes as long again.
    """
    return eager_s > GAIN * compiled_s and batches * (eager_s - compiled_s) > compiling_s
