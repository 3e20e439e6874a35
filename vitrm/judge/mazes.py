"""What a model makes of mazes beyond its training: with more steps in a row, on longer paths, more walls, larger grids.

Every step is run for every maze, and more steps than the model was trained with; whoever reads the report applies a
halting threshold to what came out.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Self

import numpy as np

from vitrm.config import AnyModelConfig, Config, ModelConfig
from vitrm.config.mazes import MazeSettings
from vitrm.data.mazes import PROPOSED, Mazes, cells_of, draw_mazes, nearest_gem, render
from vitrm.errors import ConfigError, DataError, RunError
from vitrm.judge.probe import FIT, TEST, Probe, fit_probe, fits
from vitrm.judge.report import Progress, Report, Tally
from vitrm.reading import Positive, entries, expect, read

if TYPE_CHECKING:  # torch takes seconds to import, and whoever reads a report should not wait for it
    from vitrm.data.dataset import Dataset, Split
    from vitrm.model import ViTRM

Name = Literal["test", "longer", "denser", "larger", "larger, longer"]
DEPTH = 4  # times the trained number of supervision steps
COUNT = 1000  # mazes of each kind that is drawn for the report
BEYOND = 2  # steps by which paths may be longer than any of the training; in the same grid such mazes get rare
_SEED = 20_261_121  # of the mazes drawn for the report


@dataclass(frozen=True, eq=False)
class Trial:
    """Mazes of one kind, and what each of R read-outs made of each of them. Nothing halted."""

    name: Name  # "test", or how they differ from it, see `other_mazes`
    source: str  # what they were drawn by, see `MazeSettings`
    lengths: np.ndarray  # (n,) int64, of the shortest paths
    right: np.ndarray  # (R, n) bool
    halt_prob: np.ndarray  # (N, n) float32, 0..1, of the trained steps alone: there exits are played
    nearest: np.ndarray  # (n,) bool, whether the colour of the gem nearest to the start would have been right

    @property
    def settings(self) -> MazeSettings:
        return MazeSettings.parse(self.source)

    def by_length(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The lengths that came up (G,), how many mazes have each (G,), and the accuracy after each step (R, G)."""
        lengths, place, counts = np.unique(self.lengths, return_inverse=True, return_counts=True)
        hits = np.stack([np.bincount(place, weights=step, minlength=len(lengths)) for step in self.right])
        return lengths, counts, hits / counts

    def exits(self, threshold: float, steps: int) -> np.ndarray:
        """(n,) after which of the first `steps` steps (at most the trained ones), from 1, the halting probability first
        exceeds a threshold; the last of them where it never does.
        """
        enough = self.halt_prob[:steps] > threshold
        enough[-1] = True
        return enough.argmax(axis=0) + 1


@dataclass(frozen=True)
class _Stored:
    """What the report's file says beside its arrays."""

    trained_steps: Positive
    left_out: tuple[str, ...]
    trials: tuple[tuple[Name, str, Positive], ...]  # name, source and read-outs


@dataclass(frozen=True, eq=False)
class MazeReport(Report):
    """All trials of a model, the test split first. In its file halting probabilities are kept to 1/65535."""

    kind: ClassVar[str] = "mazes"
    file: ClassVar[str] = "mazes.npz"
    format: ClassVar[int] = 1

    trained_steps: int
    trials: tuple[Trial, ...]
    left_out: tuple[str, ...]  # kinds that could not be tried, each with the reason
    probe: Probe | None = None  # None without a memory token per cell

    def trial(self, name: Name) -> Trial | None:
        return next((trial for trial in self.trials if trial.name == name), None)

    def lines(self) -> Iterator[str]:
        lengths, counts, accuracy = self.trials[0].by_length()
        steps = sorted({1, self.trained_steps, min(2 * self.trained_steps, len(accuracy)), len(accuracy)})
        yield ""
        yield "length of the path  mazes  " + "  ".join(f"step {n:2} %" for n in steps)
        for g, length in enumerate(lengths):
            yield f"{length:18}  {counts[g]:5}  " + "  ".join(f"{100 * accuracy[n - 1, g]:9.2f}" for n in steps)
        for trial in self.trials:
            right = trial.right.mean(axis=1)
            yield f"{trial.name:>18}  {trial.lengths.size:5}  " + "  ".join(f"{100 * right[n - 1]:9.2f}" for n in steps)
        yield f"nearest gem, walls or not: {100 * self.trials[0].nearest.mean():.2f} %"
        if self.probe is not None:
            found = ", ".join(f"{100 * value:.1f}" for value in self.probe.accuracy)
            blank = ", ".join(f"{100 * value:.1f}" for value in self.probe.untrained)
            what = "linear probe for what can be reached, balanced accuracy % by step"
            yield f"{what}: {found}; untrained model: {blank}"
        for reason in self.left_out:
            yield f"not tried, {reason}"

    def numbers(self) -> dict[str, Any]:
        """Accuracies, in place of what became of each maze."""
        lengths, counts, accuracy = self.trials[0].by_length()
        return {
            "lengths": lengths.tolist(),
            "n": counts.tolist(),
            "accuracy": accuracy.tolist(),  # by supervision step, then length
            "others": {trial.name: trial.right.mean(axis=1).tolist() for trial in self.trials},
            "nearest_gem": float(self.trials[0].nearest.mean()),
            "probe": None if self.probe is None else self.probe.accuracy.tolist(),
            "probe_untrained": None if self.probe is None else self.probe.untrained.tolist(),
            "left_out": self.left_out,
        }

    def packed(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        values = {
            "trained_steps": self.trained_steps,
            "left_out": self.left_out,
            "trials": [[trial.name, trial.source, trial.right.shape[0]] for trial in self.trials],
        }
        arrays = {}
        for k, trial in enumerate(self.trials):
            arrays[f"lengths{k}"] = trial.lengths.astype(np.uint16)
            arrays[f"right{k}"] = np.packbits(trial.right, axis=1)
            arrays[f"halt{k}"] = np.round(trial.halt_prob * 65535).astype(np.uint16)
            arrays[f"nearest{k}"] = trial.nearest
        if self.probe is not None:
            arrays |= {f"probe_{each.name}": np.asarray(getattr(self.probe, each.name)) for each in fields(Probe)}
        return values, arrays

    @classmethod
    def unpacked(cls, values: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        stored = read(_Stored, values)
        trials = []
        for k, (name, source, outs) in enumerate(stored.trials):
            lengths = _array(arrays, f"lengths{k}", np.uint16, None).astype(np.int64)
            n = len(lengths)
            bits = _array(arrays, f"right{k}", np.uint8, outs, (n + 7) // 8)
            halts = _array(arrays, f"halt{k}", np.uint16, None, n)
            trials.append(
                Trial(
                    name=name,
                    source=source,
                    lengths=lengths,
                    right=np.unpackbits(bits, axis=1, count=n).astype(bool),
                    halt_prob=halts.astype(np.float32) / 65535,
                    nearest=_array(arrays, f"nearest{k}", np.bool_, n),
                )
            )
        return cls(stored.trained_steps, tuple(trials), stored.left_out, _probe(arrays))

    def check(self, config: Config) -> None:
        expect(config.model.recurrent, "it is of a model with supervision steps, which this is not")
        expect(bool(self.trials) and self.trials[0].name == "test", "trials: expected those of the test split first")
        for k, trial in enumerate(self.trials):
            steps, trained, n = len(trial.right), self.trained_steps, len(trial.lengths)
            expect(steps >= trained, f"trials[{k}] has {steps} read-outs, expected {trained} or more")
            entries(trained, **{f"halt{k}": trial.halt_prob})
            expect(n > 0 and bool((trial.lengths > 0).all()), f"lengths{k}: expected 1 or more for each maze")
            try:
                settings = trial.settings
            except DataError as error:
                raise RunError(f"trials[{k}].source: {error}") from None
            expect(settings.gems > 0, f"trials[{k}].source has no gems")
        if self.probe is not None:
            width = getattr(config.model, "dim", None)
            entries(self.trained_steps, probe_weights=self.probe.weights)
            expect(self.probe.weights.shape[1] == width, f"probe_weights: expected tokens of length {width}")


def _array(arrays: Mapping[str, np.ndarray], name: str, kind: type[np.generic], *shape: int | None) -> np.ndarray:
    """An array of a stored report; a length that is None may be any."""
    expect(name in arrays, f"{name} is absent")
    found = arrays[name]
    lengths = "×".join("n" if length is None else str(length) for length in shape)
    fits_in = found.ndim == len(shape) and all(w in (None, f) for w, f in zip(shape, found.shape, strict=True))
    expect(fits_in and found.dtype.type is kind, f"{name}: expected {lengths} of {kind.__name__}")
    expect(not np.issubdtype(kind, np.floating) or bool(np.isfinite(found).all()), f"{name} is not finite")
    return found


def _probe(arrays: Mapping[str, np.ndarray]) -> Probe | None:
    if "probe_weights" not in arrays:
        return None
    weights = _array(arrays, "probe_weights", np.float32, None, None)
    groups = _array(arrays, "probe_groups", np.int64, None)
    steps, distances = len(weights), len(groups)
    expect(steps > 0 and distances > 0, "probe_weights or probe_groups has no entries")
    return Probe(
        weights=weights,
        bias=_array(arrays, "probe_bias", np.float32, steps),
        accuracy=_array(arrays, "probe_accuracy", np.float64, steps),
        untrained=_array(arrays, "probe_untrained", np.float64, steps),
        groups=groups,
        called=_array(arrays, "probe_called", np.float64, steps, distances),
        counts=_array(arrays, "probe_counts", np.int64, distances),
        mazes=tuple(_array(arrays, "probe_mazes", np.int64, 2).tolist()),
    )


def check_size(model: AnyModelConfig, settings: MazeSettings, size: int) -> None:
    """Raises ConfigError, saying why, if a model that was trained on such mazes cannot be given size x size cells."""
    taken, positions = settings.size, getattr(model, "positions", None)
    if size == taken or positions == "relative":
        return
    why = f"it was made for images of {model.image_size} pixels"
    if positions == "absolute":
        why = f"it has learned a position for each of these cells, and has none for those of {size} × {size}"
    raise ConfigError(f"it takes mazes of {taken} × {taken} cells: {why}")


def other_mazes(settings: MazeSettings) -> dict[Name, MazeSettings]:
    """Kinds of mazes that differ from those of a training in one respect each, or in two."""
    settings = replace(settings, also=())
    beyond = {"shortest": settings.longest + 1, "longest": settings.longest + BEYOND}
    larger = replace(settings, size=settings.size + 2)
    return {
        "longer": replace(settings, **beyond),
        "denser": replace(settings, walls=round(min(settings.walls + 0.2, 0.9), 3)),
        "larger": larger,
        "larger, longer": replace(larger, **beyond),
    }


class Drawn(NamedTuple):
    """Mazes to try a model on."""

    name: Name
    settings: MazeSettings
    mazes: Mazes


def draw_others(
    model: ModelConfig, settings: MazeSettings, count: int = COUNT, *, batch: int = PROPOSED
) -> tuple[tuple[Drawn, ...], tuple[str, ...]]:
    """`count` mazes of each kind of `other_mazes`, a tenth of that of longer paths, which are rare; and the kinds that
    cannot be had, each with the reason. `batch` are proposed at a time (see `draw_mazes`).
    """
    drawn, left_out = [], []
    for name, asked in other_mazes(settings).items():
        try:
            check_size(model, settings, asked.size)
            mazes = (
                _rare(asked, count // 10, batch)
                if asked.shortest > settings.longest
                else draw_mazes(asked, count, (_SEED,), batch=batch)
            )
        except (ConfigError, DataError) as error:
            left_out.append(f"{name}: {error}")
            continue
        reached = replace(asked, longest=int(mazes.lengths.max()))
        drawn.append(Drawn(name, reached, mazes))
    return tuple(drawn), tuple(left_out)


def _rare(asked: MazeSettings, count: int, batch: int) -> Mazes:
    """Mazes of lengths that hardly fit into their grid: those of the shortest length alone, if the others are too rare.

    Raises DataError if these are, too.
    """
    try:
        return draw_mazes(asked, count, (_SEED,), patience=1, batch=batch)
    except DataError:
        return draw_mazes(replace(asked, longest=asked.shortest), count, (_SEED,), patience=1, batch=batch)


def measuring(
    model: ViTRM, data: Dataset, *, depth: int = DEPTH, count: int = COUNT, batch: int = PROPOSED
) -> Iterator[Progress | MazeReport]:
    """Run the mazes that the model was trained on, and `draw_others`, with `depth` times the trained steps.

    See `report.measuring`. Raises ConfigError for other data, or a model without steps.
    """
    import torch

    from vitrm.data.dataset import Split
    from vitrm.families import resized

    try:
        settings = MazeSettings.parse(data.source)
    except DataError:
        settings = None
    if settings is None or not model.config.recurrent:
        raise ConfigError("a report on mazes is for a model with supervision steps that was trained on mazes")
    others, left_out = draw_others(model.config, settings, count, batch=batch)
    steps = depth * model.config.supervision_steps
    jobs = [("test", settings, model, data.test)]
    for name, asked, mazes in others:
        taken = settings.image_size(model.config.image_size, asked.size)
        sized = model if asked.size == settings.size else resized(model, taken)
        images = torch.from_numpy(render(mazes.cells, sized.config.image_size))
        split = Split(images, torch.from_numpy(mazes.labels), torch.from_numpy(mazes.lengths))
        jobs.append((name, asked, sized, split))
    probed = min(len(data.val), FIT) + min(len(data.test), TEST) if fits(model, settings.size) else 0
    tally = Tally(sum(len(split) for *_, split in jobs) + probed)
    yield tally.add()
    trials = []
    for name, asked, asked_model, split in jobs:
        trial = yield from _trial(asked_model, split, tally, name=name, settings=asked, steps=steps)
        trials.append(trial)
    probe = fit_probe(model, data.val, data.test, settings.size) if probed else None
    yield tally.add(probed)
    yield MazeReport(model.config.supervision_steps, tuple(trials), tuple(left_out), probe)


def _trial(
    model: ViTRM, split: Split, tally: Tally, *, name: Name, settings: MazeSettings, steps: int
) -> Generator[Progress, None, Trial]:
    from vitrm.judge.evaluation import predicting

    outputs = yield from predicting(model, split, tally, steps)
    labels = split.labels.cpu().numpy()
    guess = nearest_gem(cells_of(split.images.cpu().numpy(), settings.size))
    return Trial(
        name=name,
        source=settings.source,
        lengths=split.difficulty.cpu().numpy(),
        right=outputs.logits.argmax(dim=-1).numpy() == labels,
        halt_prob=outputs.halt_logit[: model.config.supervision_steps].sigmoid().numpy(),
        nearest=guess == labels,
    )
