"""Causal edits: the recursion runs as always, except for one thing. What changes then is what that thing was worth."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from vitrm.errors import ConfigError

if TYPE_CHECKING:  # reading an edit from a link needs no torch
    from vitrm.model import State


@dataclass(frozen=True)
class Edit:
    """What to change. Patches are row-major indices, memory tokens count from 0.

    Hidden patches get the colour of the training mean (0 after normalisation). After every memory update, zeroed
    tokens are set to 0, frozen ones put back to what they were before it, and with `shuffled` all tokens change places.
    """

    hidden_patches: tuple[int, ...] = ()
    zeroed: tuple[int, ...] = ()
    frozen: tuple[int, ...] = ()
    shuffled: bool = False

    def __bool__(self) -> bool:
        return bool(self.hidden_patches or self.zeroed or self.frozen or self.shuffled)

    def check(self, patches: int, tokens: int) -> None:
        """Raises ConfigError if it names a patch or a memory token that does not exist."""
        _check_range("patch", self.hidden_patches, patches)
        _check_range("memory token", (*self.zeroed, *self.frozen), tokens)

    def pixels(self, pixels: np.ndarray, patch_size: int, mean: tuple[float, ...]) -> np.ndarray:
        """(C, H, W) uint8 with the hidden patches painted over."""
        edited = pixels.copy()
        across = pixels.shape[-1] // patch_size
        colour = np.round(np.array(mean) * 255).astype(np.uint8)[:, None, None]
        for patch in self.hidden_patches:
            row, column = divmod(patch, across)
            edited[:, row * patch_size :][:, :patch_size, column * patch_size :][..., :patch_size] = colour
        return edited

    def state(self, before: State, after: State) -> State:
        """The state to go on with after a memory update."""
        memory = after.memory.clone()
        memory[:, list(self.zeroed)] = 0
        memory[:, list(self.frozen)] = before.memory[:, list(self.frozen)]
        if self.shuffled:
            memory = memory[:, np.random.default_rng(0).permutation(memory.shape[1]).tolist()]
        return replace(after, memory=memory)


def _check_range(what: str, indices: Iterable[int], count: int) -> None:
    for index in indices:
        if not 0 <= index < count:
            raise ConfigError(f"there is no {what} {index}: expected 0 to {count - 1}")
