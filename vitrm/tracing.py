"""Everything that happens while the model looks at one image, as arrays: `trace(model, image) -> Trace`.

Besides the read-out after each recursion step, a trace holds the read-out INSIDE it: after every memory iteration
the answer update and the heads are applied to the memory as it stands, which says what the model would answer if
it had to answer now. The last of these is the real answer update.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vitrm.model import State, ViTRM


@dataclass(frozen=True)
class Trace:
    """One image's recursion. N supervision steps, T recursion steps, M memory iterations, C classes, K, D as in model.py.

    At [n, t, m] stands the moment after memory iteration m; the last m of a recursion step is its real answer.
    """

    pixels: np.ndarray  # (C, H, W) uint8, exactly what the model was given, before normalisation
    class_names: tuple[str, ...]
    patch_size: int
    halt_threshold: float  # tau of the configuration
    trained_steps: int  # N the model was trained with; later steps go beyond its training
    seed: int  # of the glimpses
    patches: np.ndarray  # (N, S) row-major indices of the patches read in each supervision step
    logits: np.ndarray  # (N, T, M, C) float32
    halt_logit: np.ndarray  # (N, T, M) float32
    answer: np.ndarray  # (N, T, M, D) float32
    memory: np.ndarray  # (N, T, M, K, D) float32

    @property
    def probs(self) -> np.ndarray:
        """(N, T, M, C) class probabilities."""
        shifted = np.exp(self.logits - self.logits.max(axis=-1, keepdims=True))
        return shifted / shifted.sum(axis=-1, keepdims=True)

    @property
    def halt_prob(self) -> np.ndarray:
        """(N, T, M) halting probability, 0..1."""
        return 1 / (1 + np.exp(-self.halt_logit))

    @property
    def halt_step(self) -> int | None:
        """First supervision step (from 0) whose halting probability exceeds the threshold; None if none does."""
        above = np.flatnonzero(self.halt_prob[:, -1, -1] > self.halt_threshold)
        return int(above[0]) if len(above) else None


@torch.inference_mode()
def trace(
    model: ViTRM, image: Image.Image | Tensor | np.ndarray, supervision_steps: int | None = None, seed: int = 0
) -> Trace:
    """The trace of one image: a PIL image, or its (C, H, W) uint8 pixels as a tensor or array.

    Every supervision step runs (no halting). `seed` draws the glimpses. Raises ValueError if the pixels do not fit.
    """
    config = model.config
    pixels = model.transform.pixels(image) if isinstance(image, Image.Image) else np.asarray(image)
    if pixels.dtype != np.uint8:
        raise ValueError(f"pixels are {pixels.dtype}, expected uint8 (0..255) or a PIL image")
    device = next(model.parameters()).device
    images = model.transform.normalize(torch.tensor(pixels, device=device))[None]
    patches, states, logits, halts = [], [], [], []
    was_training = model.training
    model.eval()
    for move in model.moves(images, supervision_steps, seed):
        if move.memory_step is None:
            continue  # the read-out after the last memory iteration is this very update
        if move.memory_step == 0 and move.recursion_step == 0:
            patches.append(torch.arange(config.num_patches) if move.patches is None else move.patches[0].cpu())
        answered, _ = model.update_answer(move.state)
        class_logits, halt_logit = model.read_out(answered.answer)
        states.append(State(answered.answer[0, 0], answered.memory[0]))
        logits.append(class_logits[0])
        halts.append(halt_logit[0])
    model.train(was_training)
    moments = (len(patches), config.recursion_steps, config.memory_steps)

    def array(values: list[Tensor]) -> np.ndarray:
        stacked = torch.stack(values).float().cpu().numpy()
        return stacked.reshape(*moments, *stacked.shape[1:])

    return Trace(
        pixels=pixels,
        class_names=model.class_names,
        patch_size=config.patch_size,
        halt_threshold=config.halt_threshold,
        trained_steps=config.supervision_steps,
        seed=seed,
        patches=torch.stack(patches).numpy(),
        logits=array(logits),
        halt_logit=array(halts),
        answer=array([state.answer for state in states]),
        memory=array([state.memory for state in states]),
    )
