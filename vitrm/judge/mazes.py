"""What a model makes of mazes beyond its training: with more steps, on longer paths, more walls, larger grids.

`measuring(...)` runs every step for every maze, and more steps than the model was trained with; whoever reads the
report applies a halting threshold to what came out. Numpy alone is needed to read one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import numpy as np

from vitrm.data.mazes import PROPOSED, Mazes, MazeSettings, cells_of, draw_mazes, nearest_gem, render
from vitrm.errors import ConfigError, DataError, RunError
from vitrm.judge.probe import Probe, fit_probe, fits

if TYPE_CHECKING:  # torch takes seconds to import, and whoever reads a report should not wait for it
    from vitrm.config import ModelConfig
    from vitrm.data.dataset import Dataset
    from vitrm.model import ViTRM

DEPTH = 4  # times the trained number of supervision steps
COUNT = 1000  # mazes of each kind that is drawn for the report
BEYOND = 2  # steps by which paths may be longer than any of the training; in the same grid such mazes get rare
BATCH = 64  # mazes; small enough that whoever shares the model waits for tenths of a second
_SEED = 20_261_121  # of the mazes drawn for the report
_FORMAT = 1


@dataclass(frozen=True, eq=False)
class Trial:
    """Mazes of one kind, and what each of R read-outs made of each of them. Nothing halted."""

    name: str  # "test", or how they differ from it, see `other_mazes`
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


@dataclass(frozen=True, eq=False)
class MazeReport:
    """All trials of a model, the test split first."""

    trained_steps: int
    trials: tuple[Trial, ...]
    left_out: tuple[str, ...]  # kinds that could not be tried, each with the reason
    probe: Probe | None = None  # None without a memory token per cell

    def trial(self, name: str) -> Trial | None:
        return next((trial for trial in self.trials if trial.name == name), None)

    def save(self, path: str | Path | BinaryIO, weights: str | None = None) -> None:
        """Write the report as compressed NPZ, with a mark of the weights it is of; halting probabilities are kept to
        1/65535.
        """
        meta = {
            "format": _FORMAT,
            "weights": weights,
            "trained_steps": self.trained_steps,
            "left_out": self.left_out,
            "trials": [[trial.name, trial.source, trial.right.shape[0]] for trial in self.trials],
        }
        arrays = {"meta": np.frombuffer(json.dumps(meta).encode(), dtype=np.uint8)}
        for k, trial in enumerate(self.trials):
            arrays[f"lengths{k}"] = trial.lengths.astype(np.uint16)
            arrays[f"right{k}"] = np.packbits(trial.right, axis=1)
            arrays[f"halt{k}"] = np.round(trial.halt_prob * 65535).astype(np.uint16)
            arrays[f"nearest{k}"] = trial.nearest
        if self.probe is not None:
            arrays |= {f"probe_{each.name}": np.asarray(getattr(self.probe, each.name)) for each in fields(Probe)}
        if isinstance(path, str | Path):
            with open(path, "wb") as out:  # given a name, numpy would add a suffix of its own
                np.savez_compressed(out, **arrays)
        else:
            np.savez_compressed(path, **arrays)

    @classmethod
    def load(cls, path: str | Path, weights: str | None = None) -> MazeReport | None:
        """Read `save`'s file; None if another version wrote it, or of other weights. Raises RunError if it is damaged;
        never unpickles.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                meta = json.loads(file["meta"].tobytes())
                if (meta["format"], meta.get("weights")) != (_FORMAT, weights):
                    return None
                trials = []
                for k, (name, source, _) in enumerate(meta["trials"]):
                    lengths = file[f"lengths{k}"].astype(np.int64)
                    right = np.unpackbits(file[f"right{k}"], axis=1, count=len(lengths)).astype(bool)
                    halt_prob = file[f"halt{k}"].astype(np.float32) / 65535
                    trials.append(Trial(name, source, lengths, right, halt_prob, file[f"nearest{k}"]))
                parts = {each.name: file[f"probe_{each.name}"] for each in fields(Probe) if "probe_weights" in file}
        except Exception as error:  # numpy, zipfile, zlib and json each raise kinds of their own on damaged bytes
            raise RunError(f"'{path}' is no report on mazes, or damaged ({error}); have it made anew") from None
        probe = Probe(**parts | {"mazes": tuple(parts["mazes"].tolist())}) if parts else None
        return cls(meta["trained_steps"], tuple(trials), tuple(meta["left_out"]), probe)


@dataclass(frozen=True)
class Progress:
    """How far a report has come."""

    done: int  # mazes that have been run
    total: int


def check_size(model: ModelConfig, size: int) -> None:
    """Raises ConfigError, saying why, if a model cannot be given mazes of size x size cells."""
    taken = model.image_size // model.patch_size
    if size != taken and model.positions == "absolute":
        raise ConfigError(
            f"it takes mazes of {taken} × {taken} cells: it has learned a position for each of these cells, and has "
            f"none for those of {size} × {size}"
        )


def other_mazes(settings: MazeSettings) -> dict[str, MazeSettings]:
    """Kinds of mazes that differ from those of a training in one respect each, or in two."""
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

    name: str
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
            check_size(model, asked.size)
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
    model: ViTRM,
    data: Dataset,
    settings: MazeSettings,
    others: tuple[Drawn, ...] = (),
    left_out: tuple[str, ...] = (),
    *,
    depth: int = DEPTH,
) -> Iterator[Progress | MazeReport]:
    """A report in the making: Progress after every batch, the report last. Closing it is "stop".

    `data` are the mazes that the model was trained on, `others` and `left_out` are `draw_others`.
    """
    import torch

    from vitrm.data.dataset import Split
    from vitrm.families import resized

    steps = depth * model.config.supervision_steps
    jobs = [("test", settings, model, data.test)]
    for name, asked, mazes in others:
        sized = model if asked.size == settings.size else resized(model, asked.size * model.config.patch_size)
        images = torch.from_numpy(render(mazes.cells, sized.config.image_size))
        split = Split(images, torch.from_numpy(mazes.labels), torch.from_numpy(mazes.lengths))
        jobs.append((name, asked, sized, split))
    total = sum(len(split) for *_, split in jobs)
    done, trials = 0, []
    for name, asked, asked_model, split in jobs:
        trial = yield from _trial(name, asked, asked_model, split, steps=steps, done=done, total=total)
        trials.append(trial)
        done += len(split)
    probe = fit_probe(model, data.val, data.test, settings.size) if fits(model, settings.size) else None
    yield MazeReport(model.config.supervision_steps, tuple(trials), tuple(left_out), probe)


def _trial(name, settings, model, split, *, steps, done, total):
    from vitrm.judge.evaluation import join, predict_batches

    parts = []
    for part in predict_batches(model, model.transform, split, steps, batch_size=BATCH):
        parts.append(part)
        done += part.logits.shape[1]
        yield Progress(done, total)
    outputs, labels = join(parts), split.labels.cpu().numpy()
    guess = nearest_gem(cells_of(split.images.cpu().numpy(), settings.size))
    return Trial(
        name=name,
        source=settings.source,
        lengths=split.difficulty.cpu().numpy(),
        right=outputs.logits.argmax(dim=-1).numpy() == labels,
        halt_prob=outputs.halt_logit[: model.config.supervision_steps].sigmoid().numpy(),
        nearest=guess == labels,
    )
