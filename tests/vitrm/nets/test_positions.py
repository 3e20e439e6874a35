"""Where tokens lie to each other: what attention prefers, how it is scaled, and what it may be kept from."""

import math
from dataclasses import replace

import pytest
import torch

from tests.vitrm.shaken import noise_images, shaken
from vitrm.errors import ConfigError
from vitrm.model import ViTRM
from vitrm.nets.positions import side_of


def test_weights_with_relative_positions_fit_images_of_any_size(tiny):
    """And tell where things lie to each other: what is out of reach of all changes, a border, shifts nothing else."""
    small = replace(tiny, memory_tokens=None, positions="relative", depth=1, memory_steps=1)
    model, large = shaken(small).eval(), ViTRM(replace(small, image_size=16)).eval()
    large.load_state_dict(model.state_dict())
    assert large.memory_init.shape == model.memory_init.shape
    assert large(noise_images(large.config)).shape == (3, 10)
    images = noise_images(large.config)
    for here, there in zip(model.steps(images), large.steps(images), strict=True):  # without being made for them
        assert torch.equal(here.memory, there.memory)
    with pytest.raises(ConfigError, match="its positions are relative"):
        next(model.steps(noise_images(small), patches=torch.tensor([[0, 1]]).expand(3, 2)))
    bias, wide = (model.block.layers[0].places(1 + side**2).bias[:, 1:, 1:] for side in (4, 8))
    wide = wide.unflatten(1, (8, 8)).unflatten(3, (8, 8))[:, 2:6, 2:6, 2:6, 2:6]
    assert torch.equal(wide.flatten(3, 4).flatten(1, 2), bias)


def test_attention_starts_out_looking_near_where_positions_are_relative(tiny):
    model = ViTRM(replace(tiny, memory_tokens=None, positions="relative"))
    bias = model.block.layers[0].places(33).bias  # of [x ; y ; z], 16 + 1 + 16 tokens on a 4 x 4 grid
    assert bias.shape == (2, 33, 33)
    assert (bias[:, 16] == 0).all()
    assert (bias[:, :, 16] == 0).all()  # y has no place
    first = bias[:, 0, 17:].unflatten(-1, (4, 4))  # the first patch asks each memory token
    assert first[0, :3, :3].tolist() == [[0, -1, -2], [-1, -2, -3], [-2, -3, -4]]
    assert torch.equal(first[:, 3], first[:, 2])  # out of reach is out of reach
    assert torch.equal(first[1], 2 * first[0])


def test_scaled_attention_multiplies_its_logits_by_the_logarithm_of_the_number_of_keys(tiny):
    config = replace(tiny, memory_tokens=None, positions="relative", depth=1, memory_steps=1, reference_side=2)
    model = shaken(config).double().eval()
    layer, state, images = model.block.layers[0], model.initial_state(3), noise_images(config).double()
    tokens = torch.cat([model.patch_embed(images), state.answer, state.memory], dim=1)
    q, k, _ = layer.project(tokens, slice(None))
    (bias, scale), exact = layer.places(33), math.log(33) / math.log(9)  # 33 keys here, 1 + 4 + 4 on 2 x 2
    assert scale == pytest.approx(exact)
    logits = q @ k.mT / math.sqrt(8) + bias / exact
    first = next(model.moves(images, record=True))
    expected = (logits * exact).softmax(dim=-1)[:, :, 17:]
    torch.testing.assert_close(first.attention[0].mix, expected, atol=1e-12, rtol=0)


def test_what_positions_prefer_is_kept_without_gradient_and_only_until_the_weights_change(tiny):
    model = ViTRM(replace(tiny, memory_tokens=None, positions="relative"))
    places = model.block.layers[0].places
    with torch.no_grad():
        first = places(33, slice(-16, None))
        assert places(33, slice(-16, None)) is first
        assert torch.equal(first.bias, places(33).bias[:, -16:])
        for side in range(2, 8):  # many sizes do not fill the memory
            places(1 + side**2)
        assert len(places.kept[1]) <= 4
        places.table.mul_(2)
        torch.testing.assert_close(places(33, slice(-16, None)).bias, 2 * first.bias)
    with torch.inference_mode():
        kept = places(33).bias
    torch.testing.assert_close(places(33).bias, kept)
    assert places(33).bias.requires_grad
    assert not kept.is_inference()


def test_reading_can_be_limited_to_what_lies_near_but_the_answer_reads_all(tiny):
    config = replace(tiny, memory_tokens=None, positions="relative", depth=1, memory_steps=1, recursion_steps=1)
    model, images = shaken(config).eval(), noise_images(config)
    wide, near = (ViTRM(replace(config, attention_within=within)).eval() for within in (3, 1))
    for other in (wide, near):
        other.load_state_dict(model.state_dict())
    for here, there in zip(model.moves(images, 2), wide.moves(images, 2), strict=True):  # of a 4 x 4 grid: all of it
        torch.testing.assert_close(there.state.memory, here.state.memory)
    memory, answer = near.moves(images, 1, record=True)
    corner = memory.attention[0].mix[0, 0, 0]  # of the memory token there, over [x ; y ; z]
    seen = torch.tensor([0, 1, 4, 5])
    assert corner.nonzero()[:, 0].tolist() == [*seen.tolist(), 16, *(17 + seen).tolist()]
    assert (answer.attention[0].mix > 0).all()


def test_what_lies_near_is_read_alike_on_images_of_any_size(tiny):
    """Where no answer token carries news from afar: a cell out of reach of the border has the same memory."""
    config = replace(tiny, memory_tokens=None, positions="relative", depth=1, memory_steps=2, reference_side=3)
    config = replace(config, image_size=10, attention_within=1)
    small, large = shaken(config).double().eval(), ViTRM(replace(config, image_size=14)).double().eval()
    large.load_state_dict(small.state_dict())
    images = noise_images(large.config).double()
    (*_, here), (*_, there) = (
        [*model.moves(x, 1)][:2] for model, x in ((small, images[..., 2:12, 2:12]), (large, images))
    )
    inner, outer = (state.state.memory.unflatten(1, (side, side)) for state, side in ((here, 5), (there, 7)))
    torch.testing.assert_close(outer[:, 3, 3], inner[:, 2, 2], atol=1e-12, rtol=0)
    assert not torch.equal(outer[:, 1, 1], inner[:, 0, 0])  # at the border there is less to read


def test_only_the_answer_whose_keys_grow_is_scaled_where_the_rest_reads_what_lies_near(tiny):
    config = replace(tiny, memory_tokens=None, positions="relative", reference_side=2, attention_within=1)
    places = ViTRM(config).block.layers[0].places
    for tokens, answer in ((33, 16), (17, 0)):  # [x ; y ; z] and [y ; z] on 4 x 4
        expected = torch.ones(tokens, 1)
        expected[answer] = math.log(tokens) / math.log(9 if tokens == 33 else 5)
        torch.testing.assert_close(places(tokens).scale, expected)


def test_attention_is_not_scaled_at_its_reference(tiny):
    plain = replace(tiny, memory_tokens=None, positions="relative")
    model, scaled = shaken(plain).eval(), ViTRM(replace(plain, reference_side=4)).eval()
    scaled.load_state_dict(model.state_dict())
    images = noise_images(plain)
    for here, there in zip(model.moves(images), scaled.moves(images), strict=True):
        assert torch.equal(here.state.memory, there.state.memory)
        assert torch.equal(here.state.answer, there.state.answer)
    larger = torch.randn(2, 1, 16, 16)
    assert not torch.equal(model(larger), scaled(larger))


@pytest.mark.parametrize("side", [1, 2, 3, 5, 9, 31])
def test_the_number_of_tokens_tells_how_many_places_there_are_along_a_side(side):
    assert side_of(1 + side**2) == side_of(1 + 2 * side**2) == side
