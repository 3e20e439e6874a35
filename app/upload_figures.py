"""What the page about the learner's own pictures draws, as pure functions: PIL images and text. No streamlit here."""

from __future__ import annotations

import numpy as np
from PIL import Image

from vitrm.config import Config


def framed(picture: Image.Image, box: tuple[float, float, float, float], side: int = 320) -> Image.Image:
    """The whole picture, no larger than `side`, darkened outside the square that is used."""
    scale = min(1.0, side / max(picture.size))
    size = tuple(max(1, round(scale * length)) for length in picture.size)
    whole = picture.convert("RGB").resize(size, Image.Resampling.BICUBIC)
    inside = tuple(round(scale * edge) for edge in box)
    dim = Image.blend(whole, Image.new("RGB", size, "#7d8592"), 0.7)
    if inside[2] > inside[0] and inside[3] > inside[1]:
        dim.paste(whole.crop(inside), inside)
    return dim


def enlarged(pixels: np.ndarray, side: int = 320) -> Image.Image:
    """(C, H, W) uint8 as a picture of about `side`, every pixel a sharp square."""
    image = Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))
    factor = max(1, round(side / image.width))
    return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)


def tensor_facts(pixels: np.ndarray, config: Config) -> str:
    """Shape of the tensor (C, H, W), and its mean and spread after normalisation, in words."""
    channels, height, width = pixels.shape
    ones = (0.5,) * channels  # as the core takes it where the data is unknown
    mean, std = (np.reshape(values or ones, (-1, 1, 1)) for values in (config.data.mean, config.data.std))
    normal = (pixels / 255 - mean) / std
    return (
        f"{channels} × {height} × {width} ({'grey' if channels == 1 else 'red, green, blue'} × height × width). "
        f"After normalisation its values have mean {normal.mean():+.2f} and standard deviation {normal.std():.2f}; "
        "over all training images these are 0 and 1."
    )
