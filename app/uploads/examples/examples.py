"""Pictures to try: free photographs, and test images of a digit and of clothes, each a file beside this one.

No streamlit here, and no torch. scripts/bundle_pictures.py makes the files; pictures.LICENSE says where they are from.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from vitrm.data.images import decode_image, fit_image

FOLDER = Path(__file__).parent
SIDE = 84  # pixels of a small picture


@dataclass(frozen=True)
class Example:
    """A picture to try."""

    name: str
    file: str
    credit: str

    @property
    def content(self) -> bytes:
        """As an upload of it would be."""
        return (FOLDER / self.file).read_bytes()


EXAMPLES = (
    Example("Cat", "chelsea.webp", "photograph by Stefan van der Walt, CC0"),
    Example("Rocket", "rocket.webp", "photograph by SpaceX, public domain"),
    Example("Coffee", "coffee.webp", "photograph by Rachel Michetti, CC0; courtesy of Pikolo Espresso Bar"),
    Example("Astronaut", "astronaut.webp", "photograph by NASA, public domain"),
    Example("Photographer", "camera.webp", "photograph by Lav Varshney, CC0"),
    Example("Galaxies", "hubble_deep_field.webp", "photograph by NASA, public domain"),
    Example("Eye", "retina.webp", "photograph of a retina, Wikimedia Commons, CC0"),
    Example("Digit", "digit.png", "number 14 of the test split of handwritten digits (scikit-learn, UCI, CC BY 4.0)"),
    Example("Sneaker", "sneaker.png", "number 717 of the test split of Fashion-MNIST (Zalando SE, MIT licence)"),
    Example("T-shirt", "shirt.png", "number 284 of the test split of Fashion-MNIST (Zalando SE, MIT licence)"),
)


def find(name: str) -> Example | None:
    """The example of that name."""
    return next((example for example in EXAMPLES if example.name == name), None)


@cache
def small() -> dict[str, np.ndarray]:
    """By name, (C, H, W) uint8: the middle square of each, of `SIDE` pixels or a whole number for each of its own."""
    made = {}
    for example in EXAMPLES:
        image = decode_image(example.content)
        pixels = fit_image(image, min(SIDE, *image.size), 1 if image.mode == "L" else 3)
        made[example.name] = np.kron(pixels, np.ones((1, *2 * [SIDE // pixels.shape[-1]]), np.uint8))
    return made
