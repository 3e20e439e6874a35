"""Early exit at inference: `predict(model, images, halt)`. Images that have seen enough leave the batch.

The paper halts in training only and runs every step at evaluation; halting at inference is drawn in its Figure 1.
Every result here names its policy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from vitrm.config import GlimpsePolicy, require_recursion
from vitrm.errors import ConfigError
from vitrm.model import ViTRM
from vitrm.nets.base import Step
from vitrm.nets.cost import multiply_adds


@dataclass(frozen=True)
class Halt:
    """When an image leaves: after the first supervision step at which its rule says so, or after `max_steps`.

    ========= ==================================================== =====================
    rule      says "enough" when                                   threshold
    ========= ==================================================== =====================
    "fixed"   never (every image runs `max_steps`)                 not used
    "learned" the halting probability sigmoid(q) exceeds it        0..1
    "entropy" the entropy of the prediction falls below it         nats, 0..ln(classes)
    "change"  the memory moved less since the step before          mean length per token
    ========= ==================================================== =====================

    `max_steps=None` is the number of supervision steps the model was trained with. With `also`, an image leaves as
    soon as the first of several rules says so: `Halt("learned", 0.99, also=(Halt("entropy", 0.05),), max_steps=4)`.
    """

    rule: Literal["fixed", "learned", "entropy", "change"] = "learned"
    threshold: float = 0.5
    max_steps: int | None = None
    also: tuple[Halt, ...] = ()

    def __post_init__(self) -> None:
        if self.rule not in ("fixed", "learned", "entropy", "change"):
            raise ConfigError(f"unknown halting rule '{self.rule}': expected fixed, learned, entropy or change")
        if not math.isfinite(self.threshold):
            raise ConfigError(f"halting threshold {self.threshold}: expected a number")
        if self.max_steps is not None and self.max_steps < 1:
            raise ConfigError(f"max_steps={self.max_steps}: expected 1 or more")
        if any(other.max_steps is not None or other.also for other in self.also):
            raise ConfigError("a rule in also has max_steps or also of its own: give them to the outer policy")
        if "fixed" in (self.rule, *(other.rule for other in self.also)) and self.also:
            raise ConfigError("the rule fixed never says enough and cannot be combined: use max_steps")

    def describe(self, trained_steps: int) -> str:
        """The policy in words, to stand beside every number it produced."""
        steps = self.max_steps or trained_steps
        if self.rule == "fixed":
            return f"all {steps} supervision steps run for every image; no halting"
        rules = " or ".join(rule._words() for rule in (self, *self.also))
        return f"halted when {rules}, after at most {steps} supervision steps"

    def _words(self) -> str:
        return {
            "learned": f"the halting probability exceeds {self.threshold:g}",
            "entropy": f"the entropy of the prediction falls below {self.threshold:g} nats",
            "change": f"the memory moves less than {self.threshold:g} in a step",
        }[self.rule]

    def enough(self, step: Step, memory_before: Tensor | None) -> Tensor:
        """(B,) which images may leave after this step. `memory_before` is None after the first one."""
        said = self._says(step, memory_before)
        for other in self.also:
            said = said | other._says(step, memory_before)
        return said

    def _says(self, step: Step, memory_before: Tensor | None) -> Tensor:
        if self.rule == "learned":
            return step.halt_prob > self.threshold
        if self.rule == "entropy":
            log_probs = step.logits.log_softmax(dim=-1)
            return -(log_probs.exp() * log_probs).sum(dim=-1) < self.threshold
        if self.rule == "change" and memory_before is not None:
            return (step.memory - memory_before).norm(dim=-1).mean(dim=-1) < self.threshold
        return torch.zeros(len(step.logits), dtype=torch.bool, device=step.logits.device)


@dataclass(frozen=True)
class Prediction:
    """What came out for each image, in the order in which they came in."""

    probs: Tensor  # (B, C) class probabilities at the exit
    label: Tensor  # (B,) the most probable class
    halt_prob: Tensor  # (B,) at the exit
    exit_step: Tensor  # (B,) supervision steps that were run, from 1
    multiply_adds: Tensor  # (B,) of all matrix products, int64
    policy: str


@torch.inference_mode()
def predict(
    model: ViTRM, images: Tensor, halt: Halt = Halt(), seeds: int | Tensor = 0, glimpses: GlimpsePolicy = "random"
) -> Prediction:  # fmt: skip
    """Classify images (B, C, H, W), letting each leave when it has seen enough.

    The result of an image depends on nothing else in its batch. `glimpses` says who chooses the patches of a step (see
    nets/glimpses.py); `seeds`, one for all or (B,), draws random ones. Leaves the model in evaluation mode. Raises
    ConfigError for a model that has no halting.
    """
    require_recursion(model.config, "early exit")
    if model.training:  # going through all modules takes a tenth of a small model's time
        model.eval()
    steps = halt.max_steps or model.config.supervision_steps
    batch, device = len(images), images.device
    probs = torch.empty(batch, model.config.num_classes, device=device)
    halt_prob = torch.empty(batch, device=device)
    exit_step = torch.zeros(batch, dtype=torch.int64, device=device)
    running = torch.arange(batch, device=device)  # places, in the answer, of the images still in the batch
    recursion, staying, before = model.steps(images, steps, seeds, policy=glimpses), None, None
    for n in range(1, steps + 1):
        step = recursion.send(staying)
        leaving = torch.ones_like(running, dtype=torch.bool) if n == steps else halt.enough(step, before)
        gone = running[leaving]
        probs[gone] = step.logits[leaving].softmax(dim=-1).float()
        halt_prob[gone] = step.halt_prob[leaving].float()
        exit_step[gone] = n
        staying = (~leaving).nonzero()[:, 0]
        if len(staying) == 0:
            break
        running, before = running[staying], step.memory[staying]
    config = model.config  # where positions are relative images may be of any size
    if config.positions == "relative":
        config = replace(config, image_size=images.shape[-1])
    cost = torch.tensor([multiply_adds(config, n, policy=glimpses) for n in range(steps + 1)], device=device)
    return Prediction(
        probs=probs,
        label=probs.argmax(dim=-1),
        halt_prob=halt_prob,
        exit_step=exit_step,
        multiply_adds=cost[exit_step],
        policy=halt.describe(model.config.supervision_steps),
    )
