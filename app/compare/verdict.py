"""Who is ahead, and whether that is more than chance: words that follow from the numbers of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from app.compare.comparison import Comparison, Entry
from app.compare.labels import percent
from app.compare.labels import ranked as by_accuracy
from app.figures import points
from vitrm.config import AnyModelConfig


def verdict(comparison: Comparison) -> str:
    """Who is ahead, in a sentence or two that follow from the numbers."""
    ranked = by_accuracy(comparison)
    if len(ranked) < 2:
        return "There is one model of these data: nothing to compare it with yet."
    pair = _trained_alike(ranked)
    if pair is None and len({entry.is_recursive for entry in ranked}) == 2:
        return "Those with recursion and those without were trained differently: that says more than the models."
    if pair is None:
        lacking = "without" if ranked[0].is_recursive else "with"
        return f"None of them is {lacking} recursion: whether recursion pays cannot be seen from these."
    recursive, plain = pair
    gap = recursive.accuracy - plain.accuracy
    seeds = min(len(plain.seeds), len(recursive.seeds))
    noise = _noise(recursive, plain, comparison.test_images)
    if abs(gap) <= noise:
        found = (
            f"between {recursive.name} and {plain.name}, the best without recursion, there is no difference beyond "
            f"chance ({points(gap)}, where chance makes up to {noise:.1f})."
        )
    elif gap > 0:
        found = f"with recursion {recursive.name} is {gap:.1f} points ahead of {plain.name}, the best without."
    else:
        found = f"recursion is behind here: {plain.name}, without any, leads {recursive.name} by {-gap:.1f} points."
    found = found[0].upper() + found[1:] if comparison.is_grid else f"Of those that were trained alike: {found}"
    return found + (" One seed: another may turn this round." if seeds == 1 and abs(gap) > noise else "")


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


def worth_drawing(comparison: Comparison) -> list[Entry]:
    """Whose weights a picture shows: those that `verdict` is about, then of each other family with recursion, and of
    plain ViTs, the deepest; the two best where there is none of these.
    """
    ranked = by_accuracy(comparison)
    chosen = {entry.family: entry for entry in _trained_alike(ranked) or ()}
    for entry in sorted(ranked, key=lambda entry: -entry.config.unrolled_layers):
        if entry.is_recursive or entry.family == "plain ViT":
            chosen.setdefault(entry.family, entry)
    return list(chosen.values()) or ranked[:2]


def mixture_rows(comparison: Comparison) -> list[dict[str, str]]:
    """What the soft mixture is worth against reading the last step alone, at each recursion depth; [] without such."""

    def but_mixture(entry: Entry) -> AnyModelConfig:
        return replace(entry.config, mixture="last")

    mixed = [entry for entry in comparison.entries if entry.config.mixes and entry.config.mixture == "token"]
    last = [entry for entry in comparison.entries if entry.config.mixes and entry.config.mixture == "last"]
    rows = []
    for soft in sorted(mixed, key=lambda entry: entry.config.recursion_depth):
        for hard in last:
            if but_mixture(soft) != but_mixture(hard) or soft.recipe != hard.recipe:
                continue
            gap = soft.accuracy - hard.accuracy
            clear = abs(gap) > _noise(soft, hard, comparison.test_images)
            rows.append(
                {
                    "depth R": str(soft.config.recursion_depth),
                    "soft mixture": percent(soft),
                    "last step alone": percent(hard),
                    "difference": points(gap) + " (may be chance)" * (not clear),
                    "seeds": str(min(len(soft.seeds), len(hard.seeds))),
                }
            )
    return rows


def _noise(one: Entry, other: Entry, n: int) -> float:
    """Two standard errors of the difference of two accuracies, in points: of the seeds, and of the n test images."""
    total = 0.0
    for entry in (one, other):
        share = entry.accuracy / 100
        sampling = share * (1 - share) / n * 1e4
        seeds = entry.spread**2 / len(entry.seeds) if entry.spread is not None else 0.0
        total += max(sampling, seeds)
    return 2 * total**0.5


def provenance(comparison: Comparison) -> str:
    """Data, split, n, chance and what the trainings had in common."""
    images = f"{comparison.data}, test split, n = {comparison.test_images:,}"
    return (
        f"{images}; chance {comparison.chance:.3g} %. Weights chosen on validation, test used once for each; every "
        f"supervision step run, no halting. {comparison.trainings} training"
        f"{'s' * (comparison.trainings != 1)}: {comparison.scale}."
    )
