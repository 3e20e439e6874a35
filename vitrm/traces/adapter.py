"""Another recursive model, traced: whatever says how it begins and what it would answer at each moment gets a `Trace`.

Nothing here runs a recursion: the model runs its own, in its own library, and hands over numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from vitrm.errors import RunError
from vitrm.traces.trace import Trace

Values = Any  # an array, a tensor (on any device), or numbers


@dataclass(frozen=True)
class Moment:
    """Where a model stands after one memory iteration: its memory, and the answer that it would give now.

    C classes, K memory tokens of width D, `depth` layers with H heads, S patches.
    """

    logits: Values  # (C,)
    halt_logit: Values  # (1,) or a number; above 0 it would rather stop than go on
    answer: Values  # (D,), y
    memory: Values  # (K, D), z
    patch_attention: Values | None = None  # (depth, H, K, S), rows as in `Trace`; None where there is none
    state_attention: Values | None = None  # (depth, H, K, 1+K)
    answer_attention: Values | None = None  # (depth, H, 1+K)


class Recursive(Protocol):
    """What `trace_of` has to be told of a model."""

    class_names: Sequence[str]
    patch_size: int  # pixels; of the patches that its input is drawn in
    halt_threshold: float  # 0..1, the halting probability beyond which it stops
    steps: tuple[int, int, int]  # N supervision steps, T recursion steps in each, M memory iterations in each of those

    def start(self) -> tuple[Values, Values]:
        """The answer (D,) and the memory (K, D) before the first iteration."""
        ...

    def moments(self, pixels: np.ndarray) -> Iterable[Moment]:
        """What happens to an image (C, H, W) uint8: N * T * M moments, in their order."""
        ...


def trace_of(model: Recursive, pixels: np.ndarray, label: int | None = None) -> Trace:
    """The trace of an image (C, H, W) uint8 under any recursive model; `label`, its true class, is only noted down.

    Every patch counts as read in every step. Raises RunError, naming the field, if the moments are not as many as
    `steps` says, or what they hold does not fit.
    """
    shape = tuple(model.steps)
    moments = list(model.moments(pixels))
    if len(moments) != np.prod(shape):
        raise RunError(f"{len(moments)} moments; steps={shape} asks for {np.prod(shape)}")
    answer, memory = model.start()
    patches = np.arange((pixels.shape[-1] // model.patch_size) ** 2)
    made = Trace(
        class_names=tuple(model.class_names),
        patch_size=model.patch_size,
        halt_threshold=model.halt_threshold,
        trained_steps=shape[0],
        seed=0,
        label=label,
        pixels=np.array(pixels),
        patches=np.tile(patches, (shape[0], 1)),
        initial_answer=_array(answer),
        initial_memory=_array(memory),
        **{name: _stacked(name, moments, shape) for name in Moment.__dataclass_fields__},
    )
    made.check()
    return made


def _stacked(name: str, moments: list[Moment], shape: tuple[int, ...]) -> np.ndarray | None:
    values = [getattr(moment, name) for moment in moments]
    if all(value is None for value in values):
        return None
    if any(value is None for value in values):
        raise RunError(f"{name}: given at some moments and absent at others")
    try:
        stacked = np.stack([_array(value) for value in values])
        return stacked.reshape(shape if name == "halt_logit" else (*shape, *stacked.shape[1:]))
    except (TypeError, ValueError) as error:
        raise RunError(f"{name}: expected numbers of one shape at every moment ({error})") from None


def _array(values: Values) -> np.ndarray:
    """A copy as float32, wherever a tensor lies and whether or not it has a gradient."""
    if hasattr(values, "detach"):
        values = values.detach().cpu().float().numpy()
    return np.array(values, dtype=np.float32)
