"""Models and images for the tests of the core."""

import torch

from vitrm.model import ViTRM


def shaken(config, seed=0, kind=ViTRM):
    """A model none of whose weights is at its start, zeros included, so that gradients pass through all of it."""
    torch.manual_seed(seed)
    model = kind(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return model


def noise_images(config, batch=3):
    """Random images of a model's size, (batch, channels, image_size, image_size)."""
    return torch.randn(batch, config.channels, config.image_size, config.image_size)
