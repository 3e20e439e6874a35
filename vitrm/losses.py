"""The two losses of a supervision step (Eq. 5), one function each.

`targets` is either labels (B,), whole numbers, or a distribution over classes (B, C), as Mixup and CutMix make.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def classification_loss(logits: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Mean cross-entropy in nats of logits (B, C); ln(C) is chance."""
    return F.cross_entropy(logits, targets, label_smoothing=label_smoothing)


def halting_target(logits: Tensor, targets: Tensor) -> Tensor:
    """(B,) what the halting probability should be: 1 where the prediction is right, 0 where it is wrong.

    On mixed labels, where right or wrong is not defined by the paper, it is the share of the predicted class in
    the mixture: the probability of being right if the label were drawn from it. On pure labels both agree.
    """
    predicted = logits.detach().argmax(dim=-1)
    if targets.ndim == 1:
        return (predicted == targets).to(logits.dtype)
    return targets.gather(1, predicted[:, None])[:, 0].to(logits.dtype)


def halting_loss(halt_logit: Tensor, logits: Tensor, targets: Tensor) -> Tensor:
    """Mean binary cross-entropy in nats of halting logits (B,) against `halting_target`.

    The target is a constant: the classifier head gets no gradient from this loss.
    """
    return F.binary_cross_entropy_with_logits(halt_logit, halting_target(logits, targets))


def accuracy(logits: Tensor, targets: Tensor) -> Tensor:
    """Share of right predictions, 0..1; on mixed labels the mean share of the predicted class."""
    return halting_target(logits, targets).mean(dtype=torch.float32)
