"""Pictures as bytes that the tests of this folder share."""

import io

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="session")
def encoded():
    """Makes a file of an image."""

    def make(image, kind="PNG", **options):
        content = io.BytesIO()
        image.save(content, kind, **options)
        return content.getvalue()

    return make


@pytest.fixture(scope="session")
def noise():
    """Makes a picture of width x height pixels in which no part is like another."""

    def make(width, height):
        return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))

    return make
