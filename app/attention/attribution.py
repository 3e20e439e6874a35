"""What mattered to an answer, patch by patch, by three methods (Captum). A question of its own, beside attention.

Reading an `Attribution` needs no torch; making one imports torch and captum.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from vitrm.config import ModelConfig
from vitrm.nets.cost import multiply_adds, working_bytes

if TYPE_CHECKING:
    from torch import Tensor

    from vitrm.model import ViTRM


class Method(NamedTuple):
    title: str
    how: str  # it is computed, in one sentence
    signed: bool  # whether a patch can count against the answer


METHODS = {
    "integrated_gradients": Method(
        "Integrated gradients",
        "What each patch adds to the logit on the way from the mean colour to this image; below 0, it speaks against.",
        True,
    ),
    "occlusion": Method("Occlusion", "How far the logit falls when the patch alone gets the mean colour.", True),
    "saliency": Method("Saliency", "How steeply the logit changes with the patch's pixels.", False),
}
IG_POINTS = 16  # on the path from baseline to image (Gauss-Legendre)
_AT_ONCE = 4  # images


@dataclass(frozen=True, eq=False)
class Attribution:
    """How much each patch mattered to the logit of one class, after every supervision step."""

    target: int  # the class
    maps: dict[str, np.ndarray]  # by method of METHODS: (N, L) float32, row-major patches


def cost(config: ModelConfig, supervision_steps: int) -> tuple[int, int]:
    """Multiply-adds of `attribute` over so many steps, and about the bytes that it needs beside the weights.

    A gradient costs a pass forward and two back.
    """
    passes = {n: multiply_adds(config, n) for n in range(1, supervision_steps + 1)}
    products = 3 * (IG_POINTS + 1) * sum(passes.values()) + (config.num_patches + 1) * passes[supervision_steps]
    return products, working_bytes(config, supervision_steps, images=_AT_ONCE, backward=True)


def attribute(
    model: ViTRM,
    pixels: np.ndarray,
    target: int,
    *,
    supervision_steps: int | None = None,
    seed: int = 0,
    progress: Callable[[float], object] = lambda share: None,
) -> Attribution:
    """Attribute the logit of class `target` to the patches, after each of the N supervision steps.

    pixels (C, H, W) uint8. The baseline everywhere is the mean colour of the training images (0 after normalisation).
    Integrated gradients are summed over a patch's pixels (Sundararajan et al. 2017), saliency is the mean absolute
    gradient (Simonyan et al. 2014). The glimpses are the same for every evaluation. `progress` is told the share done,
    0..1, after every evaluation; what it raises ends the work.
    """
    import torch
    from captum.attr import IntegratedGradients, Occlusion, Saliency

    config = model.config
    steps = supervision_steps or config.supervision_steps
    patch, across = config.patch_size, config.image_size // config.patch_size
    device = model.answer_init.device
    image = model.transform.normalize(torch.tensor(pixels, device=device))[None]
    work = {"integrated_gradients": IG_POINTS, "occlusion": across**2 + 1, "saliency": 1}  # images evaluated
    total, done = steps * (work["integrated_gradients"] + work["saliency"]) + work["occlusion"], 0

    def logits_after(images: Tensor, count: int) -> list[Tensor]:
        """The target's logit after each of `count` steps, each (B,)."""
        nonlocal done
        logits = [step.logits[:, target] for step in model.steps(images, count, seed, backprop="all")]
        done += len(images)
        progress(min(1.0, done / total))
        return logits

    def by_patch(values: Tensor) -> np.ndarray:
        """(1, C, H, W) -> (L,), summed over each patch."""
        cells = values[0].detach().sum(0).reshape(across, patch, across, patch).sum((1, 3))
        return cells.flatten().float().cpu().numpy()

    was_training = model.training
    model.eval()
    maps: dict[str, list[np.ndarray]] = {name: [] for name in METHODS}
    try:
        for n in range(steps):

            def logit(images: Tensor, n: int = n) -> Tensor:
                return logits_after(images, n + 1)[-1]

            path = IntegratedGradients(logit)
            whole = path.attribute(image, image * 0, n_steps=IG_POINTS, internal_batch_size=_AT_ONCE)
            maps["integrated_gradients"].append(by_patch(whole))
            steep = Saliency(logit).attribute(image.clone().requires_grad_(), abs=True)
            maps["saliency"].append(by_patch(steep) / (config.channels * patch**2))
        with torch.no_grad():
            # one pass gives every step: the occluded logits are kept as they go by
            window = (config.channels, patch, patch)
            falls = Occlusion(lambda images: torch.stack(logits_after(images, steps), dim=1)).attribute(
                image, sliding_window_shapes=window, strides=window, baselines=0, perturbations_per_eval=_AT_ONCE
            )
        maps["occlusion"] = [by_patch(fall[None]) / (config.channels * patch**2) for fall in falls]
    finally:
        model.train(was_training)
    return Attribution(target, {name: np.stack(rows).astype(np.float32) for name, rows in maps.items()})
