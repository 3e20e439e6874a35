"""Traces of own pictures: computed once, and kept by the session alone."""

from __future__ import annotations

from app import inference
from app.cache import model
from app.change import Change, parse_edit
from app.uploads.tray import Given, Tray
from vitrm.traces.trace import Trace


def trace(tray: Tray, given: Given, seed: int, change: str = "") -> Trace:
    """The trace of a picture as it is given to a model, with this seed of the glimpses; kept in the tray.

    `change` is what a learner changed about the run (see `parse_edit`); ConfigError if it cannot be made.
    """
    key = (*given.key, seed, change)
    made = tray.traces.get(key)
    if made is None:
        from vitrm.traces.recording import tracing

        asked = parse_edit(change, trace(tray, given, seed)) if change else Change()
        network = model(given.checkpoint)
        work = tracing(network, given.pixels, seed=seed, edit=asked.edit, **asked.counts)
        made = inference.run(work, network.config, **asked.counts)
    return tray.keep(key, made)
