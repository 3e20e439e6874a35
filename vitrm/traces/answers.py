"""What many images, or many glimpses of one image, are answered after each supervision step: one pass, no attention."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from vitrm.config import GlimpsePolicy, require_recursion
from vitrm.errors import ConfigError
from vitrm.model import ViTRM
from vitrm.nets.base import evaluating
from vitrm.nets.glimpses import choose
from vitrm.traces.recording import check_finite, drained, given_patches


@dataclass(frozen=True, eq=False)
class Answers:
    """B images (or B draws of one) over N supervision steps; C classes, S patches a step. Every step runs."""

    probs: np.ndarray  # (B, N, C) class probabilities
    halt_prob: np.ndarray  # (B, N)
    patches: np.ndarray  # (B, N, S) row-major indices of what each step read
    attended: np.ndarray  # (B, 1+N, S) what the memory's attention would have read at step n, and after the last one

    @property
    def labels(self) -> np.ndarray:
        """(B, N) the most probable class."""
        return self.probs.argmax(axis=-1)


def answers(
    model: ViTRM,
    pixels: np.ndarray,
    seeds: Sequence[int] = (0,),
    *,
    policy: GlimpsePolicy = "random",
    patches: Sequence[Sequence[int]] | None = None,
) -> Answers:
    """The answers to pixels (B, C, H, W) uint8, with a seed for each; to B draws of one image, if there are more seeds.

    `patches`, S for each of some supervision steps, are read in place of what `policy` would choose, by all of them.
    Raises ConfigError for a model without glimpses or patches that it does not have, RunError if its weights make what
    are no numbers.
    """
    return drained(answering(model, pixels, seeds, policy=policy, patches=patches))


@torch.inference_mode()
def answering(
    model: ViTRM,
    pixels: np.ndarray,
    seeds: Sequence[int] = (0,),
    *,
    policy: GlimpsePolicy = "random",
    patches: Sequence[Sequence[int]] | None = None,
) -> Generator[None, None, Answers]:
    """`answers` in steps: it rests after every supervision step."""
    config = model.config
    require_recursion(config, "a comparison of glimpses")
    if config.glimpse_patches is None:
        raise ConfigError("this model reads every patch at every step; it has no glimpses")
    images = model.transform.normalize(torch.tensor(pixels, device=model.answer_init.device))
    images = images.expand(len(seeds), -1, -1, -1)
    given = None if patches is None else given_patches(patches, config).to(images.device)
    choice = {"policy": policy, "patches": None if given is None else given[:, None].expand(-1, len(images), -1)}
    count = None if given is None else len(given)
    with evaluating(model):
        steps = []
        for step in model.steps(images, count, torch.tensor(seeds, device=images.device), **choice):
            steps.append(step)
            yield
        attended, seen = [], torch.zeros(len(images), config.num_patches, dtype=torch.bool, device=images.device)
        for n, memory in enumerate([model.initial_state(len(images)).memory, *(step.memory for step in steps)]):
            if n:
                seen = seen.scatter(1, steps[n - 1].patches, True)
            seen = seen & ((~seen).sum(dim=1, keepdim=True) >= config.glimpse_patches)  # all seen: a new cycle begins
            attended.append(choose(model, "learned", n, memory, seen))
    made = Answers(
        probs=torch.stack([step.logits.softmax(dim=-1) for step in steps], dim=1).float().cpu().numpy(),
        halt_prob=torch.stack([step.halt_prob for step in steps], dim=1).float().cpu().numpy(),
        patches=torch.stack([step.patches for step in steps], dim=1).cpu().numpy(),
        attended=torch.stack(attended, dim=1).cpu().numpy(),
    )
    check_finite(made.probs, made.halt_prob)
    return made
