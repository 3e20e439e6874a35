"""How long models take for a batch on this machine's CPU, and what memory they need meanwhile."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from vitrm.bench.measures import inference
from vitrm.config import AnyModelConfig
from vitrm.families import make_model


@dataclass(frozen=True)
class Latency:
    """How long a model takes for a batch, every step run, and what memory it needs meanwhile."""

    batch: int
    median_ms: float
    low_ms: float  # quartiles
    high_ms: float
    runs: int
    peak_mb: float  # most memory torch had handed out for states and activations, without weights and input


def latencies(
    models: Sequence[AnyModelConfig],
    batch_sizes: Sequence[int] = (1, 32),
    *,
    runs: int = 15,
    seconds: float = 2.0,
    progress: Callable[[float], None] = lambda share: None,
) -> list[list[Latency]]:
    """Of each model one `Latency` per batch size, on the CPU, with as many threads as torch is set to.

    The models are untrained and the images noise: neither changes the work. They take turns, so that a noisy machine
    disturbs all alike; each is run `runs` times, or as often as `seconds` allow, after one run to warm up. `progress`
    is told the share done after every run, and may raise to stop.
    """
    torch.manual_seed(0)
    passes, peaks, wanted, times = [], [], [], []
    total = len(models) * len(batch_sizes) * (runs + 2)
    for config in models:
        model = make_model(config)
        for batch in batch_sizes:
            run = inference(model, torch.randn(batch, config.channels, config.image_size, config.image_size))
            run()
            passes.append(run)
            peaks.append(peak_allocated(run))
            start = time.perf_counter()
            run()
            times.append([time.perf_counter() - start])
            wanted.append(min(runs, max(1, int(seconds / times[-1][0]))))
            progress(2 * len(passes) / total)
    done = 2 * len(passes)
    for turn in range(1, runs):
        for run, taken, count in zip(passes, times, wanted, strict=True):
            done += 1
            if turn < count:
                start = time.perf_counter()
                run()
                taken.append(time.perf_counter() - start)
                progress(done / total)
    rows = []
    for k, (taken, peak) in enumerate(zip(times, peaks, strict=True)):
        low, median, high = (1000 * float(q) for q in np.quantile(taken, (0.25, 0.5, 0.75)))
        rows.append(Latency(batch_sizes[k % len(batch_sizes)], median, low, high, len(taken), peak / 1e6))
    return [rows[k : k + len(batch_sizes)] for k in range(0, len(rows), len(batch_sizes))]


def peak_allocated(run: Callable[[], None]) -> int:
    """Most bytes that torch's allocator for the CPU had handed out at once in one call, beyond those before it."""
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # or it tells the console of every start and stop
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True, acc_events=True
    ) as profiler:
        run()
    now = peak = 0
    for event in profiler.profiler.kineto_results.events():
        if event.name() == "[memory]":
            now += event.nbytes()  # below 0 for what is given back
            peak = max(peak, now)
    return peak
