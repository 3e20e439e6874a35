"""What lessons measure, of bundled models, when a learner asks for it: no result stands in a lesson's text.

Everything here raises VitrmError where the model or its images are not on this machine.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import numpy as np

from app import cache, inference
from app.cache import Checkpoint
from vitrm.traces.trace import Trace

if TYPE_CHECKING:
    from torch import Tensor

    from vitrm.model import ViTRM

BATCH = 64  # images that are run together: others wait for the model no longer than that


def answers_to_test(
    name: str, supervision_steps: int | None = None, recursion_steps: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The class (R, n) that each of R answer updates gives each image of a model's test split, and the true one (n,).

    Glimpses are drawn as in the model's own test: image k by the seed k.
    """
    checkpoint = cache.checkpoint(name)
    network, data = cache.model(checkpoint), cache.dataset(checkpoint)
    return answers(network, data.test.images, supervision_steps, recursion_steps), data.test.labels.numpy()


def answers(
    network: ViTRM, images: Tensor, supervision_steps: int | None = None, recursion_steps: int | None = None
) -> np.ndarray:
    """The class (R, n) that each answer update gives each of n images (n, C, H, W) uint8."""
    counts = {"supervision_steps": supervision_steps, "recursion_steps": recursion_steps}
    work = _answering(network, images, **counts)
    return inference.run(work, network.config, images=len(images), **counts)


def _answering(network: ViTRM, images: Tensor, **counts: int | None) -> Generator[None, None, np.ndarray]:
    import torch

    found = []
    for start in range(0, len(images), BATCH):
        batch = network.transform.normalize(images[start : start + BATCH])
        seeds, read_outs = torch.arange(start, start + len(batch)), []
        with torch.inference_mode():
            moves = network.moves(batch, seeds=seeds, **counts)
            for move in moves:
                if move.memory_step is None:
                    read_outs.append(network.read_out(move.state.answer)[0].argmax(dim=-1).numpy())
                yield
        found.append(np.stack(read_outs))
    return np.concatenate(found, axis=1)


def gallery(name: str) -> tuple[Checkpoint, dict[str, Trace]]:
    """A model and the ready-made traces of it, by image."""
    checkpoint = cache.checkpoint(name)
    return checkpoint, cache.gallery(checkpoint)


def edited(name: str, edits: dict[str, str]) -> Iterator[tuple[Trace, Trace]]:
    """For images by name, the trace as it is and under an edit (`app.change.parse_edit`)."""
    checkpoint = cache.checkpoint(name)
    for image, edit in edits.items():
        yield cache.trace(checkpoint, image, 0), cache.changed_trace(checkpoint, image, 0, edit)


def last_answer(trace: Trace) -> int:
    """The class that a trace ends with."""
    return int(trace.probs[-1, -1, -1].argmax())
