"""What two models make of one image, and where they differ: pure functions of traces and answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from app.uploads.figures import divergence_words
from vitrm.config import Config
from vitrm.traces.trace import Trace


@dataclass(frozen=True, eq=False)
class Answer:
    """What a model that answers once says of an image."""

    class_names: tuple[str, ...]
    pixels: np.ndarray  # (C, H, W) uint8
    label: int
    probs: np.ndarray  # (classes,)

    @property
    def said(self) -> str:
        return self.class_names[int(self.probs.argmax())]


def same_images(one: Config, other: Config) -> bool:
    """Whether two models can be given the same test image: number 17 of the one is number 17 of the other."""
    return one.data.source == other.data.source


def differences(one: Config, other: Config) -> list[str]:
    """What is not alike about the image and the classes that two models are given, a sentence each."""
    said = []
    sizes = [(config.model.image_size, config.model.channels) for config in (one, other)]
    if sizes[0] != sizes[1]:
        (a, _), (b, _) = sizes
        colours = [("grey", "", "colour")[channels - 1] for _, channels in sizes]
        said.append(
            f"The same image in two sizes: the first is given {a} × {a} pixels in {colours[0]}, the second {b} × {b} "
            f"in {colours[1]}."
        )
    mine, theirs = one.data.classes, other.data.classes
    if set(mine) != set(theirs):
        odd = ", ".join(sorted(set(mine) ^ set(theirs))[:8])
        said.append(
            f"They know different classes ({len(mine)} and {len(theirs)}; not in both: {odd}), so their answers need "
            "not mean the same."
        )
    return said


def said(one: Trace | Answer, other: Trace | Answer) -> str:
    """Where two models differ about an image, and what they say in the end."""
    if not isinstance(one, Answer) and not isinstance(other, Answer):
        return divergence_words(one, other)
    answers = [_answers(run) for run in (one, other)]
    truth = next((run.class_names[run.label] for run in (one, other) if run.label is not None), None)
    last = [given[-1] for given in answers]
    if last[0] == last[1]:
        words = f"In the end both answer {last[0]}"
    else:
        words = f"They differ: {last[0]} in the first, {last[1]} in the second"
    words += f"; the true class is {truth}." if truth is not None else "."
    several = next((given for given in answers if len(given) > 1), None)
    if several is not None:
        alone = next(given for given in answers if given is not several)[-1]
        agree = [step for step, answer in enumerate(several, start=1) if answer == alone]
        steps = f"steps {', '.join(map(str, agree))}" if len(agree) > 1 else f"step {agree[0]}" if agree else "no step"
        words += f" The one with supervision steps agrees with the other's only answer after {steps} of {len(several)}."
    return words


def _answers(run: Trace | Answer) -> list[str]:
    """After each supervision step; the one of a model that has none."""
    if isinstance(run, Answer):
        return [run.said]
    return [run.class_names[k] for k in run.probs[:, -1, -1].argmax(axis=-1)]


def answer_rows(answer: Answer, count: int) -> list[dict[str, Any]]:
    """The likeliest classes of an answer, and the true one wherever it stands."""
    ranked = np.argsort(-answer.probs)
    kept = [int(k) for place, k in enumerate(ranked) if place < count or k == answer.label]
    return [
        {
            "class": answer.class_names[k] + " (true class)" * (k == answer.label),
            "probability": float(answer.probs[k]),
        }
        for k in kept
    ]


def same_place(position: int | None, first: Trace, other: Trace) -> int | None:
    """Where `other` stands, in moves made, when `first` stands at `position`: after the same supervision step."""
    if position is None or other is first:
        return position
    moves = [run.halt_logit.shape[1] * (run.halt_logit.shape[2] + 1) for run in (first, other)]
    step = min(max(position - 1, 0) // moves[0], len(other.halt_logit) - 1)
    return (step + 1) * moves[1]
