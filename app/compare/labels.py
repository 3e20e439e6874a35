"""Names and numbers in few signs, as they stand beside a point of a figure."""

from __future__ import annotations

from app.compare.comparison import Comparison, Entry


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


def short_name(name: str) -> str:
    """The name of a model, no longer than fits beside a point."""
    return name if len(name) <= 24 else f"{name[:15]}…{name[-8:]}"


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
