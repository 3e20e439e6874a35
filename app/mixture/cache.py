"""The traces of an SR-ViT's mixture: ready-made, or computed once for everybody."""

from __future__ import annotations

import streamlit as st

from app import inference
from app.cache import Checkpoint, model, test_image
from vitrm.traces.mixture import MixtureTrace


@st.cache_resource(max_entries=8, show_spinner=False)
def gallery(checkpoint: Checkpoint) -> dict[str, MixtureTrace]:
    """Ready-made traces of an SR-ViT: on screen before torch has loaded."""
    return checkpoint.run.mixtures()


def trace(checkpoint: Checkpoint, image: str) -> MixtureTrace:
    """The trace of a test image under an SR-ViT: ready-made where there is one, computed (once) where not."""
    return gallery(checkpoint).get(image) or _computed(checkpoint, image)


@st.cache_resource(max_entries=128, show_spinner="Running the model …")
def _computed(checkpoint: Checkpoint, image: str) -> MixtureTrace:
    from vitrm.traces.recording import mixture_tracing

    pixels, label = test_image(checkpoint, image)
    network = model(checkpoint)
    return inference.run(mixture_tracing(network, pixels, label=label), network.config)
