"""What is laid side by side on the page that compares, and what may be: pure functions of configurations and results.

A `Comparison` holds entries that were measured on the same test images of the same classes, and nothing else: numbers
of different data are never in one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from app.uploads.figures import divergence_words
from vitrm.config import AnyModelConfig, Config, ViTConfig
from vitrm.errors import ConfigError
from vitrm.nets.cost import multiply_adds, vit_parameters
from vitrm.sweep.run import Result
from vitrm.traces.trace import Trace

if TYPE_CHECKING:  # it imports torch
    from vitrm.bench import Latency

BYTES = 4  # of a weight in fp32, as the app and `vitrm evaluate` load it
BATCHES = (1, 32)  # images at a time, where latency is measured
LARGEST = 100_000_000  # parameters of a model whose latency is measured on a server that others use as well


@dataclass(frozen=True)
class Entry:
    """One model, or one cell of a grid over its seeds. Accuracies in percent, on the test split."""

    name: str
    config: AnyModelConfig
    parameters: int
    accuracy: float  # after the supervision steps it was trained with; mean over seeds
    spread: float | None  # standard deviation over seeds; None for one seed
    seeds: tuple[int, ...]
    accuracy_by_step: tuple[float, ...]  # one entry per supervision step, those beyond training too; () if not known
    training: str  # what it took
    recipe: Any = None  # equal for two that were trained alike; None in a grid, which has one recipe
    accuracy_by_recursion: tuple[
        float, ...
    ] = ()  # of an SR-ViT that ends after recursion step 1, .. R; () if not known

    @property
    def family(self) -> str:
        return self.config.family_title

    @property
    def weights_mb(self) -> float:
        return BYTES * self.parameters / 1e6

    @property
    def is_recursive(self) -> bool:
        """Whether it applies layers more than once."""
        return self.config.unrolled_layers > self.config.unique_layers

    def steps(self) -> list[Step]:
        """Its accuracy after each step that was measured, with what it has taken by then.

        These are supervision steps, or the recursion steps of an SR-ViT where they were measured.
        """
        if self.accuracy_by_recursion:
            depth = len(self.accuracy_by_recursion)
            return [
                Step(
                    number=r,
                    accuracy=accuracy,
                    layers=self.config.unrolled_layers * r // depth,
                    multiply_adds=multiply_adds(self.config, recursion_steps=r),
                    beyond=False,
                )
                for r, accuracy in enumerate(self.accuracy_by_recursion, start=1)
            ]
        trained = self.config.supervision_steps
        known = self.accuracy_by_step or (None,) * (trained - 1) + (self.accuracy,)
        return [
            Step(
                number=n,
                accuracy=accuracy,
                layers=self.config.unrolled_layers * n // trained,
                multiply_adds=multiply_adds(self.config, n),
                beyond=n > trained,
            )
            for n, accuracy in enumerate(known, start=1)
            if accuracy is not None
        ]


@dataclass(frozen=True)
class Step:
    """A supervision step of an entry, or a recursion step."""

    number: int
    accuracy: float
    layers: int  # applied one after the other by then
    multiply_adds: int  # for one image, by then
    beyond: bool  # the training


@dataclass(frozen=True)
class Comparison:
    """Entries that may be compared."""

    key: str  # in a link
    title: str
    data: str
    classes: tuple[str, ...]  # () where only their number is known
    num_classes: int
    test_images: int
    entries: tuple[Entry, ...]
    scale: str  # what the trainings had in common, or that they had not
    is_grid: bool  # one recipe and budget, from a table of a sweep; otherwise finished models, however trained

    @property
    def chance(self) -> float:
        """Percent."""
        return 100 / self.num_classes

    @property
    def trainings(self) -> int:
        return sum(len(entry.seeds) for entry in self.entries)


@dataclass(frozen=True)
class Speeds:
    """What `vitrm.bench.latencies` found on this machine, for each of `BATCHES`."""

    of: dict[AnyModelConfig, list[Latency]]
    hardware: str
    threads: int


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


def is_measurable(entry: Entry) -> bool:
    """Whether its latency may be measured here."""
    return entry.parameters <= LARGEST


def data_title(config: Config) -> str:
    """What to call the data in a few words: a name may go on to explain itself after a colon."""
    return config.data.name.partition(":")[0] or config.data.title


def of_models(
    facts: Mapping[str, tuple[Config, dict[str, Any]]], mixtures: Mapping[str, dict[str, Any]] | None = None
) -> list[Comparison]:
    """Finished models (configuration, summary) by the test images they were measured on, the largest group first.

    `mixtures` has what is known of an SR-ViT by recursion step (`Run.mixture`).

    Two belong together if they read the same source, know the same classes and were tested on as many images.
    """
    groups: dict[tuple, list[str]] = {}
    for name, (config, summary) in facts.items():
        classes = config.data.classes or tuple(str(k) for k in range(config.model.num_classes))
        groups.setdefault((config.data.source, classes, summary["test"]["n"]), []).append(name)
    made = []
    for (_, classes, n), names in groups.items():
        data = min((data_title(facts[name][0]) for name in names), key=len)
        made.append(
            Comparison(
                key=_slug(data),
                title=f"Finished models: {data}",
                data=data,
                classes=classes,
                num_classes=len(classes),
                test_images=n,
                entries=tuple(_of_model(name, *facts[name], (mixtures or {}).get(name)) for name in names),
                scale="each trained in its own way, see the table",
                is_grid=False,
            )
        )
    return _distinct(sorted(made, key=lambda group: -len(group.entries)))


def _of_model(name: str, config: Config, summary: dict[str, Any], mixture: dict[str, Any] | None) -> Entry:
    test = [100 * value for value in summary["test"]["accuracy"]]
    return Entry(
        name=name,
        config=config.model,
        parameters=summary["parameters"],
        accuracy=test[config.model.supervision_steps - 1],
        spread=None,
        seeds=(summary["seed"],),
        accuracy_by_step=tuple(test),
        recipe=(replace(config.train, seed=0), summary["split_sizes"]["train"]),
        accuracy_by_recursion=tuple(100 * value for value in mixture["own"]) if mixture else (),
        training=", ".join(
            (_epochs(str(summary["epochs"])), minutes(summary["seconds"] / 60), _hardware(summary["hardware"]))
        ),
    )


def of_tables(tables: Mapping[str, Iterable[Result]]) -> list[Comparison]:
    """Results of sweeps by data and budget, the most trainings first: tables of one and the same budget are one."""
    groups: dict[tuple, list[Result]] = {}
    names: dict[tuple, list[str]] = {}
    for name, results in tables.items():
        for result in results:
            budget = f"{minutes(result.minutes)} each" if result.minutes else f"{result.epoch_images:,} images an epoch"
            alike = result.data, result.test_images, result.model.num_classes, budget, result.hardware
            groups.setdefault(alike, []).append(result)
            if name not in names.setdefault(alike, []):
                names[alike].append(name)
    made = []
    for alike, results in groups.items():
        data, n, classes, scale, hardware = alike
        short = data.partition(":")[0]
        made.append(
            Comparison(
                key=_slug(names[alike][0]),
                title=f"Grid, {scale}: {short}",
                data=short,
                classes=(),
                num_classes=classes,
                test_images=n,
                entries=tuple(_of_result(result) for result in results),
                scale=f"{scale}, {_hardware(hardware)}",
                is_grid=True,
            )
        )
    return _distinct(sorted(made, key=lambda group: -group.trainings))


def _of_result(result: Result) -> Entry:
    return Entry(
        name=f"{result.row}, {result.column}" if result.column else result.row,
        config=result.model,
        parameters=result.parameters,
        accuracy=result.accuracy,
        spread=result.spread,
        seeds=result.seeds,
        accuracy_by_step=result.accuracy_by_step,
        training=_epochs("/".join(dict.fromkeys(result.epochs.split()))),
    )


def _hardware(text: str) -> str:
    return re.sub(r"\b1 threads\b", "1 thread", text)


def _epochs(number: str) -> str:
    return f"{number} epoch{'s' * (number != '1')}"


def only(comparison: Comparison, entries: Sequence[Entry]) -> Comparison:
    """The same with some of its entries."""
    return replace(comparison, entries=tuple(entries))


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
    """Where `other` stands, in moves, when `first` stands at `position`: after the same supervision step."""
    if position is None or other is first:
        return position
    moves = [run.halt_logit.shape[1] * (run.halt_logit.shape[2] + 1) for run in (first, other)]
    step = min(max(position, 0) // moves[0], len(other.halt_logit) - 1)
    return (step + 1) * moves[1] - 1


def minutes(count: float) -> str:
    """A time in words."""
    if count < 1:
        return f"{60 * count:.0f} seconds"
    return f"{count:.0f} minute{'s' * (round(count) != 1)}" if count < 120 else f"{count / 60:.1f} hours"


def chosen(comparisons: list[Comparison], key: str) -> Comparison | None:
    """The comparison that a link names; the first for "", None for one that is not there."""
    return next((each for each in comparisons if key in ("", each.key)), None)


def as_deep(config: AnyModelConfig) -> ViTConfig | None:
    """The plain ViT with as many layers as `config` applies, each with weights of its own: "just make it deeper".

    None for a family that has no transformer layers, no recursion, or more of it than a ViT may have layers.
    """
    if config.unrolled_layers == config.unique_layers:
        return None
    same = ("num_classes", "image_size", "channels", "patch_size", "dim", "num_heads", "mlp_dim", "feed_forward")
    try:
        values = {name: getattr(config, name) for name in (*same, "qkv_bias")}
        return ViTConfig(depth=config.unrolled_layers, dropout=0.0, **values)
    except (AttributeError, ConfigError):
        return None


def deeper_words(entry: Entry) -> str:
    """What the plain ViT that is as deep would take, in a sentence; "" where there is none."""
    deep = as_deep(entry.config)
    if deep is None:
        return ""
    more = vit_parameters(deep) / entry.parameters
    return (
        f"A plain ViT of this width with {deep.depth} layers of its own would have {count(vit_parameters(deep))} "
        f"parameters, {more:.1f} times as many. It is drawn and counted here, not trained."
    )


def verdict(comparison: Comparison) -> str:
    """Who is ahead, in a sentence or two that follow from the numbers."""
    ranked = sorted(comparison.entries, key=lambda entry: -entry.accuracy)
    if len(ranked) < 2:
        return "There is one model of these data: nothing to compare it with yet."
    best = {}
    for entry in ranked:
        best.setdefault(entry.family, entry)
    said = ", ".join(f"{name} {percent(entry)} ({entry.name})" for name, entry in best.items())
    text = f"The best of each family: {said}." if len(best) > 1 else f"All are {ranked[0].family}: the best is {said}."
    chance = _noise(ranked[0], ranked[1], comparison.test_images)
    text += f" Differences below {chance:.1f} points (two standard errors) may be chance."
    pair = _trained_alike(ranked)
    if pair is None and len({entry.is_recursive for entry in ranked}) == 2:
        return (
            f"{text} Those with recursion and those without were trained differently: that says more than the models."
        )
    if pair is None:
        lacking = "without" if ranked[0].is_recursive else "with"
        return f"{text} None of them is {lacking} recursion: whether recursion pays cannot be seen from these."
    recursive, plain = pair
    if not comparison.is_grid:
        text += " Of those that were trained alike:"
    gap = recursive.accuracy - plain.accuracy
    seeds = min(len(plain.seeds), len(recursive.seeds))
    noise = _noise(recursive, plain, comparison.test_images)
    if abs(gap) <= noise:
        found = f"between {recursive.name} and {plain.name} there is no difference beyond chance ({gap:+.1f} points)."
    elif gap > 0:
        found = f"with recursion {recursive.name} is {gap:.1f} points ahead of {plain.name}, the best without."
    else:
        found = f"recursion is behind here: {plain.name}, without any, leads {recursive.name} by {-gap:.1f} points."
    found = found if text.endswith(":") else found[0].upper() + found[1:]
    return f"{text} {found}" + (" One seed: another may turn this round." if seeds == 1 and abs(gap) > noise else "")


def _trained_alike(ranked: Sequence[Entry]) -> tuple[Entry, Entry] | None:
    """The best with recursion and the best without among those of one recipe, that of the most models."""
    by_recipe: dict[Any, list[Entry]] = {}
    for entry in ranked:
        by_recipe.setdefault(entry.recipe, []).append(entry)
    for alike in sorted(by_recipe.values(), key=len, reverse=True):
        recursive = next((entry for entry in alike if entry.is_recursive), None)
        plain = next((entry for entry in alike if not entry.is_recursive), None)
        if recursive is not None and plain is not None:
            return recursive, plain
    return None


def mixture_verdict(comparison: Comparison) -> str:
    """What the soft mixture is worth against reading the last step alone, at each recursion depth; "" without such."""

    def but_mixture(entry: Entry) -> AnyModelConfig:
        return replace(entry.config, mixture="last")

    mixed = [entry for entry in comparison.entries if entry.config.mixes and entry.config.mixture == "token"]
    last = [entry for entry in comparison.entries if entry.config.mixes and entry.config.mixture == "last"]
    said = []
    for soft in sorted(mixed, key=lambda entry: entry.config.recursion_depth):
        for hard in last:
            if but_mixture(soft) != but_mixture(hard) or soft.recipe != hard.recipe:
                continue
            gap = soft.accuracy - hard.accuracy
            clear = abs(gap) > _noise(soft, hard, comparison.test_images)
            judged = ("ahead" if gap > 0 else "behind") if clear else "no difference beyond chance"
            seeds = min(len(soft.seeds), len(hard.seeds))
            said.append(
                f"R = {soft.config.recursion_depth}: {gap:+.1f} points, {judged} ({seeds} seed{'s' * (seeds != 1)})"
            )
    return f"The soft mixture against the last step alone, {'; '.join(said)}." if said else ""


def labels(comparison: Comparison) -> list[str]:
    """What stands beside the points: the parts of a name by which the entries of its family differ."""
    made = []
    for entry in comparison.entries:
        relatives = [other.name.split(", ") for other in comparison.entries if other.family == entry.family]
        parts = entry.name.split(", ")
        if len(relatives) == 1:
            kept = parts[:1]
        else:
            kept = [part for part in parts if not all(part in other for other in relatives)]
        made.append(short_name(", ".join(kept or parts)))
    return made if len(set(made)) == len(made) else [short_name(entry.name) for entry in comparison.entries]


def _noise(one: Entry, other: Entry, n: int) -> float:
    """Two standard errors of the difference of two accuracies, in points: of the seeds, and of the n test images."""
    total = 0.0
    for entry in (one, other):
        share = entry.accuracy / 100
        sampling = share * (1 - share) / n * 1e4
        seeds = entry.spread**2 / len(entry.seeds) if entry.spread is not None else 0.0
        total += max(sampling, seeds)
    return 2 * total**0.5


def rows(comparison: Comparison, speeds: Speeds | None = None) -> list[dict[str, Any]]:
    """The table: one row per entry, the most accurate first; with latency and memory once they have been measured."""
    return [
        {
            "model": entry.name,
            "family": entry.family,
            "test accuracy, %": round(entry.accuracy, 2),
            "± (seeds)": "one seed" if entry.spread is None else f"{entry.spread:.2f}",
            "seeds": ", ".join(map(str, entry.seeds)),
            "parameters": entry.parameters,
            "layers applied in turn": entry.config.unrolled_layers,
            "layers of its own": entry.config.unique_layers,
            "multiply-adds, millions": multiply_adds(entry.config) / 1e6,
            "weights, MB": entry.weights_mb,
            **_speed(entry, speeds),
            "supervision steps": entry.config.supervision_steps,
            "image": f"{entry.config.image_size} × {entry.config.image_size} × {entry.config.channels}",
            "training": entry.training,
        }
        for entry in sorted(comparison.entries, key=lambda entry: -entry.accuracy)
    ]


def _speed(entry: Entry, speeds: Speeds | None) -> dict[str, Any]:
    if speeds is None:
        return {}
    found = speeds.of.get(entry.config)
    made: dict[str, Any] = {}
    for k, batch in enumerate(BATCHES):
        made[f"ms for {batch}"] = found and found[k].median_ms
        made[f"ms for {batch}, quartiles"] = found and f"{_ms(found[k].low_ms)} to {_ms(found[k].high_ms)}"
    return made | {f"peak beyond weights for {BATCHES[-1]}, MB": found and found[-1].peak_mb}


def _ms(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2f}"


def speed_words(comparison: Comparison, speeds: Speeds) -> str:
    """How the latencies were measured, and of what they are not."""
    found = [each for entry in comparison.entries for each in speeds.of.get(entry.config, ())]
    left_out = [entry.name for entry in comparison.entries if entry.config not in speeds.of]
    if not found:
        return f"Not measured, as they are too large for a server that others use: {', '.join(left_out)}."
    runs = sorted({each.runs for each in found})
    how_many = f"{runs[0]}" if len(runs) == 1 else f"{runs[0]} to {runs[-1]}"
    words = (
        f"Measured on this machine: {speeds.hardware.partition(',')[0]}, {speeds.threads} thread"
        f"{'s' * (speeds.threads != 1)}, fp32; {BATCHES[0]} and {BATCHES[-1]} images at a time, median of {how_many} "
        "runs that took turns, every supervision step run. Models of the same shape with untrained weights, given "
        "noise: neither changes the time. Others may be using the machine as well: look at the quartiles. Peak: what "
        "torch's allocator had handed out at once, without weights and images."
    )
    return words + (f" Too large to be measured here: {', '.join(left_out)}." if left_out else "")


def provenance(comparison: Comparison) -> str:
    """Data, split, n, chance and what the trainings had in common."""
    images = f"{comparison.data}, test split, n = {comparison.test_images:,}"
    return (
        f"{images}; chance {comparison.chance:.3g} %. Weights chosen on validation, test used once for each; every "
        f"supervision step run, no halting. {comparison.trainings} training"
        f"{'s' * (comparison.trainings != 1)}: {comparison.scale}."
    )


def others(comparisons: list[Comparison], shown: Comparison) -> str:
    """What else there is that may not be laid beside it, and why; "" where there is nothing."""
    elsewhere = [each for each in comparisons if not each.is_grid and each.key != shown.key]
    if not elsewhere or shown.is_grid:
        return ""
    parts = []
    for each in elsewhere:
        why = "other data"
        if each.data == shown.data:
            mine, theirs = len(shown.classes), len(each.classes)
            why = f"{theirs} classes, not {mine}" if mine != theirs else "other classes or test images"
        names = ", ".join(entry.name for entry in each.entries[:6])
        parts.append(f"{names} ({each.data}: {why})")
    return f"Not shown beside them, as accuracies on different data cannot be compared: {'; '.join(parts)}."


def percent(entry: Entry) -> str:
    """Its accuracy with what is known of the spread."""
    if entry.spread is None:
        return f"{entry.accuracy:.1f} %"
    return f"{entry.accuracy:.1f} ± {entry.spread:.1f} %"


def count(number: float) -> str:
    """A large number in few signs: 86 k, 3.6 M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g} {letter}"
    return f"{number:.0f}"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60] or "data"


def _distinct(comparisons: list[Comparison]) -> list[Comparison]:
    """The same with keys and titles that differ."""
    seen: dict[str, int] = {}
    made = []
    for each in comparisons:
        seen[each.key] = number = seen.get(each.key, 0) + 1
        if number > 1:
            title = f"{each.title} ({each.num_classes} classes, {each.test_images:,} test images)"
            each = replace(each, key=f"{each.key}-{number}", title=title)  # noqa: PLW2901
        made.append(each)
    return made


def short_name(path: str | Path) -> str:
    """The name of a model, no longer than fits beside a point."""
    name = str(path)
    return name if len(name) <= 24 else f"{name[:15]}…{name[-8:]}"
