"""What one image, or a game of several, is answered under other glimpses: computed once for everybody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from app import inference
from app.cache import Checkpoint, images, model, test_image

if TYPE_CHECKING:  # it needs torch
    from vitrm.traces.answers import Answers

DRAWS = 64  # of the glimpses of one image
DECK_IMAGES = 6  # of a game


@st.cache_resource(max_entries=64, show_spinner="Drawing other glimpses …")
def draws(checkpoint: Checkpoint, image: str) -> Answers:
    """What a test image is answered under `DRAWS` draws of the glimpses, seeds 0, 1, 2, …"""
    from vitrm.traces.answers import answering

    pixels, _ = test_image(checkpoint, image)
    network = model(checkpoint)
    return inference.run(answering(network, pixels[None], range(DRAWS)), network.config, images=DRAWS)


@st.cache_resource(max_entries=64, show_spinner="Running the model …")
def orders(checkpoint: Checkpoint, image: str) -> dict[str, Answers]:
    """The same under the policies that draw nothing."""
    from vitrm.traces.answers import answering

    pixels, _ = test_image(checkpoint, image)
    network = model(checkpoint)
    return {
        policy: inference.run(answering(network, pixels[None], policy=policy), network.config, policy=policy)
        for policy in ("fixed", "learned")
    }


@st.cache_resource(max_entries=256, show_spinner=False)
def picked(checkpoint: Checkpoint, image: str, patches: tuple[tuple[int, ...], ...]) -> Answers:
    """What a test image is answered when each step reads the patches that somebody chose. Raises ConfigError."""
    from vitrm.traces.answers import answering

    pixels, _ = test_image(checkpoint, image)
    network = model(checkpoint)
    work = answering(network, pixels[None], patches=patches)
    return inference.run(work, network.config, supervision_steps=len(patches))


@st.cache_resource(max_entries=32, show_spinner="Shuffling the images …")
def deck(checkpoint: Checkpoint, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, Answers]:
    """Test images for a game, drawn by `number`: their indices, pixels and labels, and what they are answered."""
    from vitrm.traces.answers import answering

    shown = images(checkpoint)
    places = np.random.default_rng(abs(number)).permutation(len(shown))[:DECK_IMAGES]
    indices, split = shown.numbers[places].numpy(), shown.images
    pixels = split.images[places].numpy()
    network = model(checkpoint)
    work = answering(network, pixels, [number * DECK_IMAGES + k for k in range(len(indices))])
    made = inference.run(work, network.config, images=len(indices))
    return indices, pixels, split.labels[places].numpy(), made
