"""What models that answer once say of an image: computed once for everybody."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from app import inference
from app.cache import Checkpoint, model, test_image
from app.compare.pair.answers import Answer

if TYPE_CHECKING:  # it needs torch
    from vitrm.nets.base import OneStep


@st.cache_resource(max_entries=128, show_spinner="Running the model …")
def answer(checkpoint: Checkpoint, image: str) -> Answer:
    """What a model that answers once says of a test image."""
    pixels, label = test_image(checkpoint, image)
    network = model(checkpoint)
    probs = inference.run(_answering(network, pixels), network.config)
    return Answer(network.class_names, pixels, label, probs)


def _answering(network: OneStep, pixels: np.ndarray) -> Generator[None, None, np.ndarray]:
    """(classes,) probabilities, in one step."""
    import torch

    from vitrm.traces.recording import check_finite

    yield
    with torch.inference_mode():
        probs = network(network.transform.normalize(torch.tensor(pixels))[None])[0].softmax(-1).numpy()
    check_finite(probs)
    return probs
