"""Latency and memory of the compared models, measured on this machine."""

from __future__ import annotations

from app import background, cache, reports
from app.compare.comparison import Comparison
from app.compare.table import BATCHES, Speeds, is_measurable


def key(compared: Comparison) -> reports.Key:
    """What the measurement of these models is known by."""
    return "speeds", compared.key, tuple(entry.config for entry in compared.entries)


def measure(compared: Comparison, say: background.Report) -> Speeds:
    """Measure these models, with untrained weights; others may have their turn after every run."""
    import torch

    from vitrm.bench.latency import latencies
    from vitrm.runs.provenance import provenance

    cache.settle_torch()
    configs = list(dict.fromkeys(entry.config for entry in compared.entries if is_measurable(entry)))
    with reports.in_turns(say) as between:
        found = latencies(configs, BATCHES, progress=between)
    return Speeds(dict(zip(configs, found, strict=True)), provenance("cpu")["hardware"], torch.get_num_threads())
