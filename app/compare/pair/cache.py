"""What models that answer once say of an image: computed once for everybody."""

from __future__ import annotations

import streamlit as st

from app.cache import INFERENCE, Checkpoint, model, test_image
from app.compare.pair.answers import Answer


@st.cache_resource(max_entries=128, show_spinner="Running the model …")
def answer(checkpoint: Checkpoint, image: str) -> Answer:
    """What a model that answers once says of a test image."""
    import torch

    pixels, label = test_image(checkpoint, image)
    network = model(checkpoint)
    with INFERENCE, torch.inference_mode():
        probs = network(network.transform.normalize(torch.tensor(pixels))[None])[0].softmax(-1)
    return Answer(network.class_names, pixels, label, probs.numpy())
