"""What a learner changes about a run, as links and the edits panel say it. Pure, no streamlit."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from vitrm.errors import ConfigError
from vitrm.traces.edits import Edit
from vitrm.traces.trace import Trace


@dataclass(frozen=True)
class Change:
    """What a learner changed about a run: an edit on the way, or how often the updates run."""

    edit: Edit = field(default_factory=Edit)
    counts: dict[str, int] = field(default_factory=dict)  # keyword arguments of `vitrm.trace`


_COUNTS = {"n": "supervision_steps", "t": "recursion_steps", "m": "memory_steps"}


def offered_counts(trace: Trace) -> dict[str, list[int]]:
    """The numbers of steps a learner may ask for: few enough that a link cannot keep the server busy."""
    _, recursions, memory = trace.halt_logit.shape
    trained = trace.trained_steps
    return {
        "n": sorted({*range(1, min(trained, 8) + 1), trained, 2 * trained, 4 * trained}),
        "t": list(range(1, max(4, recursions) + 1)),
        "m": list(range(1, max(4, memory) + 1)),
    }


def parse_edit(text: str, trace: Trace) -> Change:
    """What a link or the edits panel changes about the run behind a trace.

    "p3,7;z0;f2;s;n12;t2;m1" hides patches 3 and 7, sets memory token 0 to zero, freezes token 2, shuffles all, and runs
    12 supervision steps of 2 recursion steps of 1 memory iteration. Raises ConfigError if it cannot be read.
    """
    fields: dict[str, Any] = {}
    counts: dict[str, int] = {}
    for part in filter(None, text.split(";")):
        letter, numbers = part[0], part[1:].split(",") if part[1:] else []
        name = {"p": "hidden_patches", "z": "zeroed", "f": "frozen", "s": "shuffled"}.get(letter) or _COUNTS.get(letter)
        known = name is not None and name not in fields | counts  # a part named twice would be read by half
        if (
            not known
            or not all(re.fullmatch("[0-9]{1,9}", number) for number in numbers)
            or (name == "shuffled") == bool(numbers)
        ):
            raise ConfigError(
                f"the edit '{part[:40]}' cannot be read; expected for instance p3,7 or z0 or f2 or s or n12"
            )
        if letter in _COUNTS:
            offered = offered_counts(trace)[letter]
            if len(numbers) > 1 or int(numbers[0]) not in offered:
                known_counts = ", ".join(map(str, offered))
                raise ConfigError(f"the edit '{part}': expected {letter} with one of {known_counts} for this model")
            counts[name] = int(numbers[0])
        else:
            fields[name] = True if name == "shuffled" else tuple(int(number) for number in numbers)
    edit = Edit(**fields)
    edit.check((trace.pixels.shape[-1] // trace.patch_size) ** 2, trace.initial_memory.shape[0])
    return Change(edit, counts)
