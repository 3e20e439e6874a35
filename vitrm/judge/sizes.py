"""How far does thinking on carry? A model on mazes of many sizes and kinds, after more steps than it learned from.

Every maze runs every step. Halting is played on what came out: learned halting and the memory at rest with thresholds
chosen on the validation mazes of the training, and the answer at rest, which needs none. The same mazes are drawn for
every model, so that a control is held against it maze by maze.
"""

from __future__ import annotations

import math
import string
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from vitrm.config import Config
from vitrm.config.mazes import COLOURS, KINDS, MazeSettings
from vitrm.data.maze_guess import LOCAL_GUESS
from vitrm.data.mazes import FIRST_GEM, Mazes, cells_of, draw_mazes, nearest_gem
from vitrm.errors import ConfigError, DataError
from vitrm.judge.mazes import check_size
from vitrm.judge.replay import TOLERANCE
from vitrm.judge.report import Progress, Report, Tally
from vitrm.reading import Amount, Count, Gap, Positive, entries, expect

if TYPE_CHECKING:  # torch takes seconds to import, and whoever reads a report should not wait for it
    from torch import Tensor

    from vitrm.data.dataset import Dataset, Split
    from vitrm.model import ViTRM
    from vitrm.nets.base import OneStep

SIZES = (7, 9, 11, 13, 15, 21)
STEPS = 96  # supervision steps that are run
SHOWN = (6, 12, 24, 48, 96)  # of them, on the command line
COUNT = 1000  # mazes of each kind and size
KEPT = 6  # mazes of each kind and size that need more steps than the training had
REST = 6  # steps with the same answer, after which it counts as at rest
_TOGETHER = 64 * 81  # cells run at a time: whoever shares the model waits for tenths of a second
_PROPOSED = 1024
_CODES = frozenset(string.digits[: FIRST_GEM + len(COLOURS)])
_SEED = 20_261_122  # of the mazes drawn for this report


@dataclass(frozen=True)
class Exits:
    """One rule of halting, played on the mazes of a trial."""

    rule: str  # "learned", "memory at rest" or "answer at rest"
    threshold: float  # chosen on validation; of the answer at rest the number of steps
    right: Count  # mazes whose answer was right when they left
    mean_steps: Amount
    rank_correlation: Gap | None  # Spearman's, of exit step and path length; None where one of them is always the same


@dataclass(frozen=True)
class Trial:
    """Mazes of one kind and size."""

    kind: str  # see `KINDS` in config/mazes.py
    size: Positive  # cells along a side
    source: str  # what they were drawn by, see `MazeSettings`
    n: Positive
    right: tuple[Count, ...]  # after each step, every maze running every step
    exits: tuple[Exits, ...]  # none without halting
    guesses: dict[str, Count]  # right without following any way
    late: tuple[str, ...] = ()  # mazes that need more steps than the training had: see `_late`

    def accuracy(self, step: int) -> float:
        """0..1, after `step` steps, from 1; a model that takes one step has the same at all of them."""
        return self.right[min(step, len(self.right)) - 1] / self.n


@dataclass(frozen=True)
class SizeReport(Report):
    """All trials of a model, kind by kind, each from small to large."""

    kind: ClassVar[str] = "sizes"
    file: ClassVar[str] = "sizes.json"
    format: ClassVar[int] = 2

    trained_steps: Positive
    parameters: Positive
    trained_on: tuple[Positive, ...]  # sizes
    within: Count | None  # rows and columns beyond which no cell read another; None: all of them
    trials: tuple[Trial, ...]
    left_out: tuple[str, ...]  # sizes that could not be tried, each with the reason

    def lines(self) -> Iterator[str]:
        several = self.trained_steps > 1
        steps = [step for step in SHOWN if step <= max(len(trial.right) for trial in self.trials)] if several else [1]
        on = " and ".join(f"{size} × {size}" for size in self.trained_on)
        yield ""
        reading = "" if self.within is None else f", each cell reading {self.within} rows and columns away at most"
        yield f"{self.parameters:,} parameters, trained on mazes of {on} cells{reading}; right, %, [95 % interval]"
        heads = "".join(f"{f'after {step}':>20}" for step in steps)
        names = [*self.trials[0].guesses]
        yield f"{'kind':6}{'cells':>8}{'paths':>8}{'n':>6}{heads}{''.join(f'  {name}' for name in names)}"
        for trial in self.trials:
            settings = MazeSettings.parse(trial.source)
            cells = "".join(f"{with_interval(trial.right[step - 1], trial.n):>20}" for step in steps)
            others = "".join(f"{100 * trial.guesses[name] / trial.n:{2 + len(name)}.1f}" for name in names)
            side, paths = f"{trial.size}x{trial.size}", f"{settings.shortest}-{settings.longest}"
            yield f"{trial.kind:6}{side:>8}{paths:>8}{trial.n:6}{cells}{others}"
        for trial in self.trials:
            for each in trial.exits:
                correlation = "–" if each.rank_correlation is None else f"{each.rank_correlation:.2f}"
                yield (
                    f"{trial.kind} {trial.size}x{trial.size}, {each.rule} (threshold {each.threshold:.4g}): "
                    f"{100 * each.right / trial.n:.1f} % right after {each.mean_steps:.2f} steps; "
                    f"rank correlation of exit step and path length {correlation}"
                )
        yield from (f"left out: {reason}" for reason in self.left_out)

    def check(self, config: Config) -> None:
        expect(len(self.trials) > 0, "trials has no entries")
        for k, trial in enumerate(self.trials):
            expect(trial.kind in KINDS, f"trials[{k}].kind is unknown")
            expect(len(trial.right) > 0, f"trials[{k}].right has no entries")
            counts = [*trial.right, *trial.guesses.values(), *(each.right for each in trial.exits)]
            expect(max(counts) <= trial.n, f"trials[{k}] has more right answers than mazes")
            expect(
                all(len(each) == trial.size**2 and set(each) <= _CODES for each in trial.late),
                f"trials[{k}].late holds what is no maze of its size",
            )
            entries(3 if config.model.recurrent else 0, **{f"trials[{k}].exits": trial.exits})


def interval(right: int, n: int) -> tuple[float, float]:
    """The 95 % interval of Wilson (1927) of a share of `n`, 0..1."""
    z = 1.959964
    middle = (right + z**2 / 2) / (n + z**2)
    half = z / (n + z**2) * math.sqrt(right * (n - right) / n + z**2 / 4)
    return max(0.0, middle - half), min(1.0, middle + half)


def with_interval(right: int, n: int) -> str:
    """ "98.2 [97.2, 98.9]", in percent."""
    low, high = interval(right, n)
    return f"{100 * right / n:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def longest_path(kind: str, size: int) -> int:
    """To which length paths are drawn: what is not too rare in a grid of size x size cells. Rooms have shorter ones."""
    if kind == "rooms":
        return round(1.05 * size) - 2
    return size if size <= 7 else size + 1 if size <= 15 else round(8 * size / 7)


def draw(settings: MazeSettings, kind: str, size: int, count: int) -> tuple[MazeSettings, Mazes]:
    """`count` mazes of a kind and size, in all else as in the training, none of which it can have seen: apart from size
    and kind they come from another seed.
    """
    longest = longest_path(kind, size)
    asked = replace(settings, kind=kind, size=size, shortest=1, longest=longest, also=())
    return asked, draw_mazes(asked, count, (_SEED,), batch=_PROPOSED)


def measuring(
    model: ViTRM | OneStep,
    data: Dataset,
    *,
    kinds: Sequence[str] = tuple(KINDS),
    sizes: Sequence[int] = SIZES,
    count: int = COUNT,
    steps: int = STEPS,
    within: int | None = None,
) -> Iterator[Progress | SizeReport]:
    """Try a model on mazes; see `report.measuring`. With `within` each cell reads those at most so many rows
    and columns away alone. Raises ConfigError for a model that was not trained on mazes, or has absolute positions.
    """
    try:
        settings = MazeSettings.parse(data.source)
    except DataError as error:
        raise ConfigError(f"--sizes is for a model that was trained on mazes: {error}") from None
    from vitrm.data.maze_dataset import maze_split

    splits, halts = [data, *data.others], model.config.recurrent
    tally = Tally(len(kinds) * len(sizes) * count + halts * sum(len(each.val) for each in splits))
    yield tally.add()
    thresholds = (yield from _thresholds(model, [each.val for each in splits], within, tally)) if halts else {}
    guess = _local_guess(splits, settings)
    trials, left_out = [], []
    for kind in kinds:
        for size in sorted(sizes):
            try:
                check_size(model.config, settings, size)
                asked, mazes = draw(settings, kind, size, count)
            except (ConfigError, DataError) as error:
                left_out.append(f"{size} x {size}: {error}")
                continue
            split = maze_split(mazes, settings.image_size(model.config.image_size, size))
            answers, scores = yield from _run(_fitted(model, split, within), split, steps, tally)
            trials.append(
                _trial(asked, mazes, answers, scores, thresholds, trained_steps=model.config.supervision_steps)
            )
            trials[-1].guesses[LOCAL_GUESS] = int((guess(mazes.cells) == mazes.labels).sum())
    if not trials:
        raise ConfigError(f"none of the sizes can be tried; {'; '.join(dict.fromkeys(left_out))}")
    yield SizeReport(
        trained_steps=model.config.supervision_steps,
        parameters=sum(weights.numel() for weights in model.parameters()),
        trained_on=tuple(dict.fromkeys(each.size for each in (settings, *settings.also))),
        within=model.config.attention_within if within is None else within,
        trials=tuple(trials),
        left_out=tuple(left_out),
    )


def _local_guess(splits: list[Dataset], settings: MazeSettings) -> Callable[[np.ndarray], np.ndarray]:
    """The guess by local features, fitted to the largest mazes of the training."""
    from vitrm.data.maze_guess import LocalGuess

    size, data = max(((MazeSettings.parse(each.source).size, each) for each in splits), key=lambda pair: pair[0])
    return LocalGuess(cells_of(data.train.images.cpu().numpy(), size), data.train.labels.cpu().numpy(), settings.gems)


def _fitted(model: ViTRM | OneStep, split: Split, within: int | None) -> ViTRM | OneStep:
    """The same weights for the images of a split."""
    from vitrm.families import resized
    from vitrm.nets.positions import RelativePositions

    if within is None and split.images.shape[-1] == model.config.image_size:
        return model
    sized = resized(model, split.images.shape[-1])
    for part in sized.modules():
        if within is not None and isinstance(part, RelativePositions):
            part.within = within
    return sized


def _run(
    model: ViTRM | OneStep, split: Split, steps: int, tally: Tally
) -> Generator[Progress, None, tuple[Tensor, dict[str, Tensor]]]:
    """Answers (R, n), and by rule of halting (R, n) scores that mean "enough" where they exceed a threshold."""
    import torch

    from vitrm.judge.evaluation import predict_batches

    size = max(1, _TOGETHER // model.config.num_patches)
    halts, parts = model.config.recurrent, []
    for part in predict_batches(model, model.transform, split, steps if halts else 1, batch_size=size):
        parts.append(part)
        yield tally.add(part.logits.shape[1])
    answers = torch.cat([part.logits.argmax(dim=-1) for part in parts], dim=1)
    if not halts:
        return answers, {}
    change = torch.cat([part.memory_change for part in parts], dim=1)
    change[0] = torch.inf  # there is no step before the first
    same = torch.zeros_like(change)  # steps for which the answer has been what it is
    for step in range(1, len(answers)):
        same[step] = torch.where(answers[step] == answers[step - 1], same[step - 1] + 1, 0)
    learned = torch.cat([part.halt_logit.sigmoid() for part in parts], dim=1)
    return answers, {"learned": learned, "memory at rest": -change, "answer at rest": same}


def _leave(scores: Tensor, threshold: float) -> Tensor:
    """(n,) the first step, from 0, at which a score (R, n) exceeds the threshold; the last where none does."""
    enough = scores > threshold
    enough[-1] = True
    return enough.int().argmax(dim=0)


def _thresholds(
    model: ViTRM | OneStep, splits: list[Split], within: int | None, tally: Tally
) -> Generator[Progress, None, dict[str, float]]:
    """By rule, the threshold with the fewest steps that costs no more than TOLERANCE on validation."""
    import torch

    rights, scores = [], []
    for split in splits:
        fitted = _fitted(model, split, within)
        answers, score = yield from _run(fitted, split, 4 * model.config.supervision_steps, tally)
        rights.append(answers == split.labels)
        scores.append(score)
    right = torch.cat(rights, dim=1)
    least = float(right[-1].double().mean()) - TOLERANCE
    found = {"answer at rest": REST - 0.5}
    for rule in ("learned", "memory at rest"):
        score = torch.cat([each[rule] for each in scores], dim=1)
        levels = np.unique(np.quantile(score[score.isfinite()].double().numpy(), np.linspace(0, 1, 201)))
        good = []
        for level in levels.tolist():
            exits = _leave(score, level)
            if float(right.gather(0, exits[None]).double().mean()) >= least:
                good.append((float(exits.double().mean()), level))
        found[rule] = min(good)[1] if good else float(levels[-1])
    return found


def _trial(
    asked: MazeSettings,
    mazes: Mazes,
    answers: Tensor,
    scores: dict[str, Tensor],
    thresholds: dict[str, float],
    *,
    trained_steps: int,
) -> Trial:
    """What came out of one kind and size."""
    import torch

    from vitrm.judge.difficulty import spearman

    lengths = torch.from_numpy(mazes.lengths)
    right, played = answers == torch.from_numpy(mazes.labels), []
    for rule, score in scores.items():
        exits = _leave(score, thresholds[rule])
        hits = int(right.gather(0, exits[None]).sum())
        mean, correlation = 1 + float(exits.double().mean()), spearman(exits, lengths)
        played.append(Exits(rule, thresholds[rule], hits, mean, correlation))
    return Trial(
        kind=asked.kind,
        size=asked.size,
        source=asked.source,
        n=len(lengths),
        right=tuple(right.sum(dim=1).tolist()),
        exits=tuple(played),
        guesses={"nearest gem": int((nearest_gem(mazes.cells) == mazes.labels).sum())},
        late=_late(mazes, right, trained_steps),
    )


def _late(mazes: Mazes, right: Tensor, trained_steps: int) -> tuple[str, ...]:
    """A few mazes that are answered wrongly after as many steps as the training had, and rightly throughout the second
    half of all steps: those with the longest paths, each as the codes of its cells, row by row (see data/mazes.py).
    """
    if len(right) <= trained_steps:
        return ()
    found = (~right[trained_steps - 1] & right[len(right) // 2 :].all(dim=0)).nonzero().ravel().numpy()
    longest = found[np.argsort(-mazes.lengths[found], kind="stable")][:KEPT]
    return tuple("".join(map(str, mazes.cells[k].ravel().tolist())) for k in longest)
