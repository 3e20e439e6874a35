"""What a single update changed: the weights by part of the model, and the answers to a few validation images."""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from vitrm.data.dataset import Preprocess, Split
from vitrm.judge.evaluation import predict_steps

WATCHED = 8  # validation images that are looked at again and again


@dataclass(frozen=True)
class Look:
    """The raw weights at some moment, and what they make of the watched images after the last supervision step."""

    weights: dict[str, Tensor]
    probs: Tensor  # (W, C)
    halt_prob: Tensor | None  # (W,); None without recursion


def look(model: nn.Module, averaged: nn.Module, preprocess: Preprocess, watched: Split) -> Look:
    """At `model` as it is. Draws no random number; `averaged` is a model of the same shape, not compiled."""
    copy = deepcopy(averaged)  # the raw weights in a model that is not compiled and not in training mode
    copy.load_state_dict(model.state_dict())
    outputs = predict_steps(copy, preprocess, watched)
    return Look(
        weights={name: weight.detach().clone() for name, weight in model.named_parameters()},
        probs=outputs.logits[-1].softmax(dim=-1),
        halt_prob=None if outputs.halt_logit is None else outputs.halt_logit[-1].sigmoid(),
    )


def compared(before: Look, after: Look, labels: Tensor) -> dict[str, Any]:
    """The fields of `Updated` that say what is otherwise; `labels` (W,) are those of the watched images."""
    both = (before, after)
    return {
        "moved": _moved(before.weights, after.weights),
        "labels": tuple(labels.tolist()),
        "answers": tuple(tuple(side.probs.argmax(dim=-1).tolist()) for side in both),
        "true_prob": tuple(tuple(side.probs.gather(1, labels[:, None])[:, 0].tolist()) for side in both),
        "watched_halt_prob": tuple(tuple(side.halt_prob.tolist()) for side in both if side.halt_prob is not None),
    }


def _moved(before: dict[str, Tensor], after: dict[str, Tensor]) -> dict[str, float]:
    """By part of the model (each layer of the block is one): length of the change over length of the weights."""
    sums: dict[str, list[float]] = {}
    for name, weight in before.items():
        words = name.split(".")
        part = ".".join(words[: words.index("layers") + 2 if "layers" in words else 1])
        change, length = sums.setdefault(part, [0.0, 0.0])
        sums[part] = [
            change + float((after[name] - weight).double().square().sum()),
            length + float(weight.double().square().sum()),
        ]
    return {part: math.sqrt(change / length) if length else 0.0 for part, (change, length) in sums.items()}
