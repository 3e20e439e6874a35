"""`python -m app.bench`: what the server does between choosing an image and the filled player, and what it sends.

Times are medians in milliseconds on this machine; the second visitor's is what an image costs that is already there.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from app.player.payload import payload
from vitrm.runs.checkpoints import build
from vitrm.runs.provenance import provenance
from vitrm.traces.recording import trace

PANELS = ("equations", "memory", "attention", "edits")


def measure(preset: str, repeats: int = 7) -> dict[str, float]:
    """For an untrained model of a preset: trace, payload with every panel, JSON; sizes in kB."""
    model = build(preset)
    config = model.config
    images = np.random.default_rng(0).integers(
        0, 256, (repeats + 1, config.channels, config.image_size, config.image_size), dtype=np.uint8
    )
    times: dict[str, list[float]] = {"trace": [], "payload": [], "json": [], "second": []}
    size = {}
    for repeat, pixels in enumerate(images):
        rows: dict[str, float] = {}
        made = _timed(rows, "trace", lambda pixels=pixels: trace(model, pixels))
        first = _timed(rows, "payload", lambda made=made: payload(made, PANELS))
        sent = _timed(rows, "json", lambda first=first: json.dumps(first))
        _timed(rows, "second", lambda made=made: payload(made, PANELS))
        size = {"kB": len(sent) / 1000, "kB_without_panels": len(json.dumps(payload(made))) / 1000}
        if repeat:  # the first warms up
            for name, seconds in rows.items():
                times[name].append(1000 * seconds)
    medians = {f"{name}_ms": statistics.median(values) for name, values in times.items()}
    return {"filled_ms": medians["trace_ms"] + medians["payload_ms"] + medians["json_ms"]} | medians | size


def _timed(rows: dict[str, float], name: str, work: Callable[[], Any]) -> Any:
    start = time.perf_counter()
    result = work()
    rows[name] = time.perf_counter() - start
    return result


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m app.bench", description=__doc__)
    parser.add_argument("presets", nargs="*", default=["digits", "tiny", "paper"])
    parser.add_argument("--threads", type=int, default=2, help="of torch (default: 2)")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    about = provenance("cpu")
    print(f"{about['hardware']}, {arguments.threads} threads, torch {about['torch']}, commit {about['commit']}")
    heads = f"{'preset':16} {'filled':>8} = {'trace':>7} + {'payload':>7} + {'JSON':>6}"
    print(f"{heads} {'second visitor':>15} {'sent':>8}")
    for preset in arguments.presets:
        row = measure(preset)
        print(
            f"{preset:16} {row['filled_ms']:5.0f} ms = {row['trace_ms']:7.1f} + {row['payload_ms']:7.1f} + "
            f"{row['json_ms']:6.1f} {row['second_ms']:12.2f} ms {row['kB']:5.0f} kB"
        )


if __name__ == "__main__":
    main()
