"""Does it take more steps where more are needed? The report that judges by how difficult an image is.

For data sources that know how difficult each image is (`Split.difficulty`): accuracy after each supervision step and
the step at which learned halting lets an image go, for each level of difficulty, beside what guesses that need no
search and a control without recursion reach. The halting threshold is chosen on validation and applied once to test.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from vitrm.config import Config
from vitrm.errors import DataError
from vitrm.judge.replay import Replay, replay
from vitrm.judge.report import Progress, Report, Tally
from vitrm.nets.cost import multiply_adds
from vitrm.reading import Amount, Count, Gap, Positive, Seed, Share, entries, expect

if TYPE_CHECKING:  # torch takes seconds to import, and whoever reads a report should not wait for it
    from torch import Tensor

    from vitrm.data.dataset import Dataset
    from vitrm.model import ViTRM
    from vitrm.nets.base import OneStep


@dataclass(frozen=True)
class Level:
    """The test images of one difficulty; N entries per list over supervision steps."""

    difficulty: Count
    n: Positive
    accuracy: tuple[Share, ...]  # every image running every step
    exits: tuple[Count, ...]  # how many images leave after each step; empty without halting, as the next is None
    mean_exit: Amount | None  # step, from 1
    exit_accuracy: Share | None  # when they leave
    guesses: dict[str, Share]  # accuracy of what follows no way: distance, local features, colours
    control: Share | None  # accuracy of the control, where there is one


@dataclass(frozen=True)
class Control:
    """Another model, on the same images."""

    name: str
    title: str
    parameters: Positive
    accuracy: Share  # after its last step


@dataclass(frozen=True)
class DifficultyReport(Report):
    """Judgement on the test split; N entries per list over supervision steps."""

    kind: ClassVar[str] = "difficulty"
    file: ClassVar[str] = "difficulty.json"
    format: ClassVar[int] = 1

    measure: str  # what the difficulty is, in words
    n: Positive
    seed: Seed  # of the glimpses
    parameters: Positive
    trained_steps: Positive
    accuracy: tuple[Share, ...]
    threshold: float | None  # of learned halting, chosen on validation; None without halting, as the next three
    exit_accuracy: Share | None
    mean_exit: Amount | None
    rank_correlation: Gap | None  # Spearman's, of exit step and difficulty; None also where all exits are one
    guesses: dict[str, Share]
    control: Control | None
    levels: tuple[Level, ...]

    def lines(self) -> Iterator[str]:
        halts, control = self.threshold is not None, self.control
        yield ""
        yield f"by {self.measure} (test split, n = {self.n:,}; {self.parameters:,} parameters): accuracy % by step"
        if halts:
            correlation = "–" if self.rank_correlation is None else f"{self.rank_correlation:.2f}"
            yield (
                f"learned halting, its threshold {self.threshold:.3f} chosen on validation: "
                f"{100 * self.exit_accuracy:.1f} % right after {self.mean_exit:.2f} steps; "
                f"rank correlation of exit step and difficulty {correlation}"
            )
        if control:
            yield f"control: {control.name}, {control.title}, {control.parameters:,} parameters"
        names = [*self.guesses, *(["control"] if control else [])]
        steps = "".join(f"{n:6}" for n in range(1, len(self.accuracy) + 1))
        yield f"{'':4}{'n':>6}{steps}{'  exit step' if halts else ''}{''.join(f'  {name}' for name in names)}"

        def line(what: str, row: Level | DifficultyReport, others: Sequence[float]) -> str:
            leaving = f"{row.mean_exit:11.2f}" if halts else ""
            rest = "".join(f"{100 * value:{2 + len(name)}.1f}" for name, value in zip(names, others, strict=True))
            return f"{what:4}{row.n:6}{''.join(f'{100 * value:6.1f}' for value in row.accuracy)}{leaving}{rest}"

        for level in self.levels:
            others = [*level.guesses.values(), *([level.control] if control else [])]
            yield line(str(level.difficulty), level, others)
        yield line("all", self, [*self.guesses.values(), *([control.accuracy] if control else [])])

    def check(self, config: Config) -> None:
        steps, halts = len(self.accuracy), self.threshold is not None
        expect(steps > 0 and bool(self.levels), "accuracy or levels has no entries")
        for row, where in ((self, ""), *((level, f"levels[{k}].") for k, level in enumerate(self.levels))):
            for name in ("exit_accuracy", "mean_exit"):
                expect((getattr(row, name) is not None) == halts, f"{where}{name} is for a model that halts alone")
            expect(row.guesses.keys() == self.guesses.keys(), f"{where}guesses are others than those of all images")
            expect((row.control is None) == (self.control is None), f"{where}control is absent, or is of no control")
        for k, level in enumerate(self.levels):
            entries(steps, **{f"levels[{k}].accuracy": level.accuracy})
            entries(steps if halts else 0, **{f"levels[{k}].exits": level.exits})


def measuring(
    model: ViTRM | OneStep,
    data: Dataset,
    *,
    supervision_steps: int | None = None,
    seed: int = 0,
    control: tuple[str, ViTRM | OneStep] | None = None,
) -> Iterator[Progress | DifficultyReport]:
    """Judge by difficulty; `control` is another model, with its name; see `report.measuring`.

    Raises DataError where the difficulty is not known, or the control takes other images.
    """
    import torch

    from vitrm.judge.evaluation import predicting

    test = data.test
    if test.difficulty is None:
        raise DataError(f"{data.source} does not say how difficult an image is; mazes do")
    if control is not None:
        _check_control(*control, data)
    tally = Tally(len(test) * (1 + (control is not None)) + (len(data.val) if model.config.recurrent else 0))
    yield tally.add()
    outputs = yield from predicting(model, test, tally, supervision_steps, seed=seed)
    right = outputs.logits.argmax(dim=-1) == test.labels  # (N, n)
    threshold = exits = correlation = at_exit = None
    if model.config.recurrent:
        on_val = yield from predicting(model, data.val, tally, supervision_steps, seed=seed)
        threshold, exits = _exits(model, replay(on_val, data.val), replay(outputs, test))
        correlation = spearman(exits, test.difficulty)
        at_exit = right.gather(0, exits[None])[0]
    guesses = {name: torch.as_tensor(guess(test)) == test.labels for name, guess in data.guesses.items()}
    other, other_right = None, None
    if control is not None:
        name, network = control
        theirs = yield from predicting(network, test, tally, seed=seed)
        other_right = theirs.logits[-1].argmax(dim=-1) == test.labels
        other = Control(name, network.config.title, _parameters(network), _share(other_right))

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

    yield DifficultyReport(
        measure=data.difficulty,
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
    import torch

    costs = torch.tensor([multiply_adds(model.config, n + 1) for n in range(len(on_val.right))], dtype=torch.float64)
    threshold = on_val.choose("learned", costs).threshold
    return threshold, on_test.play("learned", threshold, costs)[1]


def _check_control(name: str, model: ViTRM | OneStep, data: Dataset) -> None:
    wanted, taken = tuple(data.test.images.shape[1:]), (model.config.channels, *2 * (model.config.image_size,))
    if taken != wanted or model.config.num_classes != len(data.classes):
        classes = f"{model.config.num_classes} classes"
        raise DataError(f"the control {name} takes images of {taken} and {classes}, not {wanted} and {data.classes}")


def _parameters(model: ViTRM | OneStep) -> int:
    return sum(weights.numel() for weights in model.parameters())


def _share(hits: Tensor) -> float:
    return float(hits.double().mean())
