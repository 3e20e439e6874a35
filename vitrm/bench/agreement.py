"""Whether a device computes what the CPU does: the same weights on the same images, in fp32 and in bf16."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from vitrm.config import PRESETS, AnyModelConfig
from vitrm.families import make_model
from vitrm.model import ViTRM
from vitrm.nets.base import OneStep
from vitrm.runs.checkpoints import find_run
from vitrm.runs.provenance import provenance
from vitrm.training.device import autocast, each_under

PRECISIONS = ("fp32", "bf16")


@dataclass(frozen=True)
class Agreement:
    """One model on a device, against itself on the CPU in fp32; the worst over all supervision steps.

    Two gradients agree as their directions do: 1 for parallel ones.
    """

    model: str
    precision: str
    images: int
    logit_difference: float  # largest, over the spread (standard deviation) of the CPU's logits
    same_answer: float  # 0..1, of images at the step where fewest agree
    gradient_cosine: float  # of the summed cross-entropy's gradients, all weights as one vector


def bench_agreement(names: Sequence[str], device: str, images: int = 64) -> dict[str, Any]:
    """Of every checkpoint or preset (untrained, seed 0) in `names`, on noise: an `Agreement` in each precision.

    TF32 is left as torch has it. Raises ConfigError or RunError for a name that is neither.
    """
    rows = [asdict(row) for name in names for row in _agreement(name, device, images)]
    return {"agreement": rows, **provenance(device)}


def agreement_table(result: dict[str, Any]) -> str:
    """The result of `bench_agreement` for a reader."""
    lines = [
        f"{result['hardware']}, torch {result['torch']}, commit {result['commit']}; against the CPU in fp32",
        f"{'model':20} {'':5} {'images':>6} {'logits differ':>14} {'same answer':>12} {'gradient cosine':>16}",
    ]
    for row in result["agreement"]:
        lines.append(
            f"{row['model']:20} {row['precision']:5} {row['images']:6} {row['logit_difference']:14.1e} "
            f"{100 * row['same_answer']:11.1f}% {row['gradient_cosine']:16.6f}"
        )
    return "\n".join([*lines, "logits differ: the largest difference, over the standard deviation of the logits"])


def _agreement(name: str, device: str, count: int) -> list[Agreement]:
    model, config = _model(name)
    torch.manual_seed(0)
    images = torch.randn(count, config.channels, config.image_size, config.image_size)
    labels = torch.randint(config.num_classes, (count,))
    wanted_logits, wanted_gradient = _computed(model, images, labels, "cpu", "fp32")
    answers, spread = wanted_logits.argmax(-1), wanted_logits.std()
    rows = []
    for precision in PRECISIONS:
        logits, gradient = _computed(model, images, labels, device, precision)
        rows.append(
            Agreement(
                model=name,
                precision=precision,
                images=count,
                logit_difference=((logits - wanted_logits).abs().max() / spread).item(),
                same_answer=(logits.argmax(-1) == answers).double().mean(dim=1).min().item(),
                gradient_cosine=torch.nn.functional.cosine_similarity(gradient, wanted_gradient, dim=0).item(),
            )
        )
    return rows


def _model(name: str) -> tuple[ViTRM | OneStep, AnyModelConfig]:
    if name in PRESETS:
        torch.manual_seed(0)
        return make_model(PRESETS[name].model), PRESETS[name].model
    run = find_run(name)
    return run.load_model(), run.config().model


def _computed(
    model: ViTRM | OneStep, images: Tensor, labels: Tensor, device: str, precision: str
) -> tuple[Tensor, Tensor]:
    """Logits of every step (N, n, C), and their loss's gradient as one vector, both in fp64 and on the CPU."""
    model = model.to(device).eval()
    context = autocast(precision, torch.device(device))
    logits = torch.stack([step.logits for step in each_under(context, model.steps(images.to(device)))])
    flat = logits.float().flatten(0, 1)
    loss = torch.nn.functional.cross_entropy(flat, labels.to(device).repeat(len(logits)))
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    gradients = torch.autograd.grad(loss, weights, allow_unused=True, materialize_grads=True)
    model.to("cpu")
    return logits.detach().cpu().double(), torch.cat([each.flatten().cpu().double() for each in gradients])
