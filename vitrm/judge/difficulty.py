"""Does it take more steps where more are needed? `difficulty_report(...)` judges by how difficult an image is.

For data sources that know how difficult each image is (`Split.difficulty`): accuracy after each supervision step and
the step at which learned halting lets an image go, for each level of difficulty, beside what guesses that need no
search and a control without recursion reach. The halting threshold is chosen on validation and applied once to test.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vitrm.data.dataset import Dataset
from vitrm.errors import DataError
from vitrm.judge.evaluation import predict_steps
from vitrm.judge.halting import Replay, replay
from vitrm.model import ViTRM
from vitrm.nets.base import OneStep
from vitrm.nets.cost import multiply_adds


@dataclass(frozen=True)
class Level:
    """The test images of one difficulty; N entries per list over supervision steps."""

    difficulty: int
    n: int
    accuracy: tuple[float, ...]  # 0..1, every image running every step
    exits: tuple[int, ...]  # how many images leave after each step; empty without halting, as the next is None
    mean_exit: float | None  # step, from 1
    exit_accuracy: float | None  # when they leave
    guesses: dict[str, float]  # accuracy of what follows no way: distance, local features, colours
    control: float | None  # accuracy of the control, where there is one


@dataclass(frozen=True)
class Control:
    """Another model, on the same images."""

    name: str
    title: str
    parameters: int
    accuracy: float  # after its last step


@dataclass(frozen=True)
class DifficultyReport:
    """Judgement on the test split; N entries per list over supervision steps."""

    measure: str  # what the difficulty is, in words
    n: int
    seed: int  # of the glimpses
    parameters: int
    trained_steps: int
    accuracy: tuple[float, ...]
    threshold: float | None  # of learned halting, chosen on validation; None without halting, as the next three
    exit_accuracy: float | None
    mean_exit: float | None
    rank_correlation: float | None  # Spearman's, of exit step and difficulty, -1..1; None also where all exits are one
    guesses: dict[str, float]
    control: Control | None
    levels: tuple[Level, ...]


def difficulty_report(
    model: ViTRM | OneStep,
    dataset: Dataset,
    supervision_steps: int | None = None,
    seed: int = 0,
    control: tuple[str, ViTRM | OneStep] | None = None,
) -> DifficultyReport:
    """Judge a model with a `.transform` on data whose difficulty is known; `control` is another one, with its name.

    Raises DataError where the difficulty is not known, or the control takes other images.
    """
    test = dataset.test
    if test.difficulty is None:
        raise DataError(f"{dataset.source} does not say how difficult an image is; mazes do")
    outputs = predict_steps(model, model.transform, test, supervision_steps, seed=seed)
    right = outputs.logits.argmax(dim=-1) == test.labels  # (N, n)
    threshold = exits = correlation = None
    if model.config.recurrent:
        on_val = predict_steps(model, model.transform, dataset.val, supervision_steps, seed=seed)
        threshold, exits = _exits(model, replay(on_val, dataset.val), replay(outputs, test))
        correlation = spearman(exits, test.difficulty)
    at_exit = None if exits is None else right.gather(0, exits[None])[0]
    guesses = {name: torch.as_tensor(guess(test)) == test.labels for name, guess in dataset.guesses.items()}
    other, other_right = None, None
    if control is not None:
        other, other_right = _control(*control, dataset, seed)

    def level(difficulty: int) -> Level:
        here = test.difficulty == difficulty
        return Level(
            difficulty=difficulty,
            n=int(here.sum()),
            accuracy=tuple(_share(row[here]) for row in right),
            exits=() if exits is None else tuple(torch.bincount(exits[here], minlength=len(right)).tolist()),
            mean_exit=None if exits is None else 1 + float(exits[here].double().mean()),
            exit_accuracy=None if at_exit is None else _share(at_exit[here]),
            guesses={name: _share(hit[here]) for name, hit in guesses.items()},
            control=None if other_right is None else _share(other_right[here]),
        )

    return DifficultyReport(
        measure=dataset.difficulty,
        n=len(test),
        seed=seed,
        parameters=_parameters(model),
        trained_steps=model.config.supervision_steps,
        accuracy=tuple(_share(row) for row in right),
        threshold=threshold,
        exit_accuracy=None if at_exit is None else _share(at_exit),
        mean_exit=None if exits is None else 1 + float(exits.double().mean()),
        rank_correlation=correlation,
        guesses={name: _share(hit) for name, hit in guesses.items()},
        control=other,
        levels=tuple(level(difficulty) for difficulty in test.difficulty.unique().tolist()),
    )


def spearman(first: Tensor, second: Tensor) -> float | None:
    """Spearman's rank correlation of two lists (n,); None if one is constant."""
    from scipy.stats import spearmanr  # scikit-learn brings it

    if len(first.unique()) < 2 or len(second.unique()) < 2:
        return None
    return float(spearmanr(first.cpu().numpy(), second.cpu().numpy()).statistic)


def _exits(model: ViTRM, on_val: Replay, on_test: Replay) -> tuple[float, Tensor]:
    """The threshold of learned halting that validation chooses, and each test image's exit (n,), from 0."""
    costs = torch.tensor([multiply_adds(model.config, n + 1) for n in range(len(on_val.right))], dtype=torch.float64)
    threshold = on_val.choose("learned", costs).threshold
    return threshold, on_test.play("learned", threshold, costs)[1]


def _control(name: str, model: ViTRM | OneStep, dataset: Dataset, seed: int) -> tuple[Control, Tensor]:
    """What a control reaches, and on which images (n,) it is right."""
    wanted, taken = tuple(dataset.test.images.shape[1:]), (model.config.channels, *2 * (model.config.image_size,))
    if taken != wanted or model.config.num_classes != len(dataset.classes):
        classes = f"{model.config.num_classes} classes"
        raise DataError(f"the control {name} takes images of {taken} and {classes}, not {wanted} and {dataset.classes}")
    logits = predict_steps(model, model.transform, dataset.test, seed=seed).logits[-1]
    right = logits.argmax(dim=-1) == dataset.test.labels
    return Control(name, model.config.title, _parameters(model), _share(right)), right


def _parameters(model: ViTRM | OneStep) -> int:
    return sum(weights.numel() for weights in model.parameters())


def _share(hits: Tensor) -> float:
    return float(hits.double().mean())
