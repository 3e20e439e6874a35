"""The picture of the model says the numbers of its configuration."""

from dataclasses import replace

import pytest

from app.diagram.diagram import drawing, mixture_drawing
from vitrm.config import PRESETS, preset


@pytest.mark.parametrize("preset", sorted(name for name, config in PRESETS.items() if config.model.recurrent))
def test_the_picture_says_the_numbers_of_the_configuration(preset):
    config = PRESETS[preset].model
    picture = drawing(config, dark=False)
    assert f"× {config.memory_steps}" in picture
    assert f"{config.memory_size} memory tokens" in picture
    assert f"{config.depth} layer" in picture
    assert ("It never changes." in picture) == (config.glimpse_patches is None)
    assert picture.count('class="unseen"') == config.num_patches - (config.glimpse_patches or config.num_patches)


def test_the_picture_of_a_mixture_draws_every_step_once_and_says_its_numbers():
    drawn = mixture_drawing(preset("sr-vit-digits").model, dark=False)
    assert drawn.count('class="f"') == 4
    assert "16 patches" in drawn
    assert "f: 1 layer, one set of weights" in drawn
    assert "3 stages" in drawn
    deep = mixture_drawing(replace(preset("sr-vit-digits").model, recursion_depth=9), dark=True)
    assert deep.count('class="f"') == 4
    assert "one set of weights …" in deep
