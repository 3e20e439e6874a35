"""What mattered to the answer on show: asked for with a button, as it takes some seconds."""

from __future__ import annotations

import streamlit as st

from app import background, cache, inference, reports, state
from app.attention.attribution import Attribution, cost
from app.cache import Checkpoint


def attribution(checkpoint: Checkpoint) -> Attribution | None:
    """The attribution of the image on show, if it is there."""
    return reports.result(_key(checkpoint))


def offer_attribution(checkpoint: Checkpoint) -> None:
    """The button that has it computed, and how far that has got."""
    key = _key(checkpoint)
    words = reports.Words(
        button="Compute what mattered",
        working="Attributing the answer to the patches, at every supervision step …",
        failed="The attribution could not be computed",
        help="Integrated gradients, occlusion and saliency at every supervision step; takes some seconds",
        icon=":material/query_stats:",
        prominent=False,
    )
    reports.ask(key, lambda say: _attribute(*key[1:], say), words)


def _key(checkpoint: Checkpoint) -> reports.Key:
    return "attribution", checkpoint, st.session_state[state.IMAGE], st.session_state[state.GLIMPSE_SEED]


def _attribute(checkpoint: Checkpoint, image: str, seed: int, say: background.Report) -> Attribution:
    """Attribute the last answer of that trace to the patches. Raises LimitError if that is too much."""
    from app.attention.attribution import attribute

    shown = cache.trace(checkpoint, image, seed)
    steps, target = len(shown.logits), int(shown.logits[-1, -1, -1].argmax())
    inference.Limits.from_environment().check_cost(*cost(cache.facts(checkpoint)[0].model, steps))
    network = cache.model(checkpoint)
    with reports.in_turns(say) as between:
        return attribute(network, shown.pixels, target, supervision_steps=steps, seed=seed, progress=between)
