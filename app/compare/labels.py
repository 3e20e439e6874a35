"""Names and numbers in few signs, as they stand in a figure and the list beside it."""

from __future__ import annotations

from app.compare.comparison import Comparison, Entry


def ranked(comparison: Comparison) -> list[Entry]:
    """The entries, the most accurate first: the number of each in all figures and tables is its place here, from 1."""
    return sorted(comparison.entries, key=lambda entry: -entry.accuracy)


def numbers(comparison: Comparison) -> list[str]:
    """The number of each entry, in the order of the comparison."""
    order = ranked(comparison)
    return [str(1 + next(k for k, other in enumerate(order) if other is entry)) for entry in comparison.entries]


def percent(entry: Entry) -> str:
    """Its accuracy with what is known of the spread, which a narrow column may put on the next line."""
    spread = "" if entry.spread is None else f" ±\N{NO-BREAK SPACE}{entry.spread:.1f}"
    return f"{entry.accuracy:.1f}{spread}\N{NO-BREAK SPACE}%"


def count(number: float) -> str:
    """A large number in few signs: 86 k, 3.6 M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g} {letter}"
    return f"{number:.0f}"
