"""What to think of a learned halting, in words: what is wrong with it, what it can do, how other rules compare.

Everything is said on the test split, with N supervision steps of n images.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from vitrm.judge.replay import TOLERANCE, Point

if TYPE_CHECKING:  # torch takes seconds to import, and whoever reads a report should not wait for it
    from torch import Tensor


def faults(halt_prob: Tensor, right: Tensor, exit_shares: Tensor, gain: float | None = None) -> list[str]:
    """What is wrong with halting probabilities (N, n) beside correctness (N, n) and the share (N,) leaving per step.

    `gain` is what these exits are worth in accuracy against the same exits dealt out at random, where it is known.
    """
    from vitrm.judge.evaluation import auroc

    found = []
    low, high = np.quantile(halt_prob.double().numpy(), (0.05, 0.95))
    if low > 0.95 or high < 0.05:
        side = "above 0.95" if low > 0.95 else "below 0.05"
        found.append(f"it is saturated: nineteen in twenty of all halting probabilities are {side}")
    elif high - low < 0.05:
        found.append(f"it is flat: nine tenths of all halting probabilities lie within {high - low:.3f} of each other")
    area = auroc(halt_prob.flatten(), right.flatten())
    if area is None:
        kind = "right" if bool(right.any()) else "wrong"
        found.append(f"it cannot be judged: every answer after every step is {kind}")
    elif area < 0.6:
        found.append(f"it hardly knows right from wrong: AUROC {area:.2f}, where 0.5 is chance")
    most, steps = int(exit_shares.argmax()), len(exit_shares)
    if exit_shares[most] > 0.95 and steps > 1:
        share = f"{100 * exit_shares[most]:.0f} % of the images"
        if most == steps - 1:
            found.append(f"it saves nothing: {share} run every step")
        else:
            chosen = "with the threshold chosen on validation"
            found.append(f"it has collapsed: {chosen} {share} leave after step {most + 1}, a fixed number of steps")
    elif gain is not None and gain <= 0:
        found.append("its exits are worth no more than the same exits dealt out at random")
    return found


def verdict(halt_prob: Tensor, right: Tensor, exit_shares: Tensor, gain: float | None = None) -> str:
    """`faults` in a sentence; where there are none, what the halting probability can do."""
    from vitrm.judge.evaluation import auroc

    found = faults(halt_prob, right, exit_shares, gain)
    if found:
        return f"The learned halting of this model is of little use: {'; '.join(found)}."
    (steps, images), used = halt_prob.shape, int((exit_shares > 0.02).sum())
    area = auroc(halt_prob.flatten(), right.flatten())
    return (
        f"The learned halting of this model tells images apart: exits are spread over {used} steps, and of a right "
        f"and a wrong answer the right one has the higher halting probability in {100 * area:.0f} % of the cases "
        f"(AUROC {area:.2f} over {steps} steps of {images:,} test images). "
        f"{step_alone(right.double().mean(dim=1).tolist())}"
    )


def step_alone(accuracy: Sequence[float]) -> str:
    """How much of a pooled AUROC the number of the step explains: of answers after all steps (N,) the later ones are
    right more often, and have the higher halting probability, whatever the image.
    """
    right = np.array(accuracy)
    wrong = 1 - right
    before = wrong.cumsum() - wrong / 2  # a right answer of the same step ties with half of its wrong ones
    area = float((right * before).sum() / (right.sum() * wrong.sum()))
    return f"Answers of different steps are pooled in this; the number of the step alone reaches {area:.2f}."


def comparison(learned: Point, others: dict[str, Point], images: int) -> str:
    """How learned halting stands beside the rules that need no training."""
    names = {"entropy": "low entropy of the prediction", "change": "little change of the memory"}

    def no_worse(one: Point, other: Point) -> bool:
        return one.accuracy >= other.accuracy and one.mean_multiply_adds <= other.mean_multiply_adds

    def even(point: Point) -> bool:
        work = point.mean_multiply_adds / learned.mean_multiply_adds
        return abs(point.accuracy - learned.accuracy) <= TOLERANCE and abs(work - 1) <= 0.05

    def measured(point: Point) -> str:
        return f"{100 * point.accuracy:.1f} % right with {point.mean_steps:.2f} steps"

    rivals = [name for name, point in others.items() if even(point) or no_worse(point, learned)]
    listed = "; ".join(f"{names[name]}: {measured(point)}" for name, point in others.items())
    if rivals:
        judged = f"{' and '.join(names[name] for name in rivals).capitalize()} did about as well, or better"
    elif all(no_worse(learned, point) for point in others.values()):
        judged = "Learned halting did better than both"
    else:
        judged = "None was better in both accuracy and cost"
    return (
        f"Rules that need no training, with thresholds chosen in the same way, reach this on the test split "
        f"(n = {images:,}): {listed}. Learned halting: {measured(learned)}. {judged}. One image is "
        f"{100 / images:.2f} points here."
    )
