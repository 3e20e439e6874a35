"""All numbers of a comparison as rows, with latency and memory once they have been measured on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.compare.comparison import Comparison, Entry
from app.compare.labels import ranked
from app.inference import Limits
from vitrm.config import AnyModelConfig
from vitrm.errors import LimitError
from vitrm.nets.cost import multiply_adds

if TYPE_CHECKING:  # it imports torch
    from vitrm.bench.latency import Latency

BATCHES = (1, 32)  # images at a time, where latency is measured
LARGEST = 100_000_000  # parameters of a model whose latency is measured on a server that others use as well


@dataclass(frozen=True)
class Speeds:
    """What `vitrm.bench.latency.latencies` found on this machine, for each of `BATCHES`."""

    of: dict[AnyModelConfig, list[Latency]]
    hardware: str
    threads: int


def is_measurable(entry: Entry) -> bool:
    """Whether its latency may be measured here: by its size, and by what the largest batch takes."""
    try:
        Limits.from_environment().check(entry.config, images=max(BATCHES))
    except LimitError:
        return False
    return entry.parameters <= LARGEST


def rows(comparison: Comparison, speeds: Speeds | None = None) -> list[dict[str, Any]]:
    """The table: one row per entry, the most accurate first; with latency and memory once they have been measured."""
    return [
        {
            "no.": str(number),
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
        for number, entry in enumerate(ranked(comparison), start=1)
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
