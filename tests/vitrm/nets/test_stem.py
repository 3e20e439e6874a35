"""The convolutional stem: by hand, as far as it sees, and kept away from models that may not see so far."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from vitrm.config import SRViTConfig, ViTConfig
from vitrm.errors import ConfigError
from vitrm.families import make_model
from vitrm.model import ViTRM
from vitrm.nets.stem import ConvolutionalStem


@pytest.fixture
def stemmed(tiny):
    return replace(tiny, image_size=16, patch_size=4, embedding="convolutional")


def test_a_stem_is_two_rounds_of_convolution_pooling_norm_and_gelu(stemmed, close):
    stem, images = ConvolutionalStem(stemmed), torch.randn(2, 1, 16, 16)
    found = images
    for convolution, norm in zip(stem.convolutions, stem.norms, strict=True):
        found = F.conv2d(F.pad(found, (1, 1, 1, 1)), convolution.weight)
        found = found.unfold(2, 2, 2).unfold(3, 2, 2).amax((-1, -2))
        groups = found.unflatten(1, (8, -1)).flatten(2)  # 8 groups of maps, each normalised over all its places
        groups = (groups - groups.mean(2, keepdim=True)) / (groups.var(2, correction=0, keepdim=True) + 1e-5).sqrt()
        found = groups.reshape(found.shape) * norm.weight[:, None, None] + norm.bias[:, None, None]
        found = F.gelu(found)
    assert found.shape == (2, 16, 4, 4)
    close(stem(images), found.flatten(2).mT)  # (B, L, D), row by row


def test_a_stem_keeps_no_statistics_so_that_averaged_weights_are_all_of_it(stemmed):
    assert not list(ConvolutionalStem(stemmed).buffers())


def test_an_image_gets_the_same_tokens_in_any_batch_and_in_training(stemmed, close):
    stem, images = ConvolutionalStem(stemmed).double(), torch.randn(3, 1, 16, 16, dtype=torch.float64)
    close(torch.cat([stem(image[None]) for image in images]), stem.eval()(images))


def test_the_convolutions_of_a_token_see_ten_by_ten_pixels(stemmed):
    stem = ConvolutionalStem(replace(stemmed, image_size=32)).eval()
    stem.norms = torch.nn.ModuleList(torch.nn.Identity() for _ in stem.norms)  # they see all places of a map
    images = torch.randn(1, 1, 32, 32, requires_grad=True)
    rows = []
    for token in stem(images)[0, [27, 28]].unbind():  # in the fourth row of 8 x 8, beside each other
        (gradient,) = torch.autograd.grad(token.square().sum(), images, retain_graph=True)
        rows.append(gradient[0, 0].abs().sum(0).nonzero().flatten().tolist())
    assert set(rows[0]) <= set(range(9, 19))
    assert set(rows[1]) <= set(range(13, 23))
    assert not set(rows[0]) <= set(range(12, 16))  # more than its own patch


def test_with_relative_positions_a_stem_fits_images_of_any_size(stemmed):
    small = make_model(replace(stemmed, memory_tokens=None, positions="relative")).eval()
    large = make_model(replace(small.config, image_size=32)).eval()
    large.load_state_dict(small.state_dict())
    images = torch.randn(2, 1, 32, 32)
    assert torch.equal(large(images), small(images))


@pytest.mark.parametrize(
    "config",
    [
        ViTConfig(image_size=16, channels=1, dim=16, depth=1, num_heads=2, mlp_dim=24, embedding="convolutional"),
        SRViTConfig(image_size=16, channels=1, patch_size=4, dim=16, depth=2, num_heads=2, mlp_dim=24,
                    embedding="convolutional"),
    ],
)  # fmt: skip
def test_the_comparisons_can_have_the_same_stem(config):
    model, images = make_model(config), torch.randn(2, 1, 16, 16)
    model(images).sum().backward()
    assert all(each.grad.abs().max() > 0 for each in model.patch_embed.stem.parameters() if each.ndim > 1)


def test_a_stem_is_refused_where_some_patches_are_not_to_be_seen(stemmed):
    with pytest.raises(ConfigError, match="needs glimpse_patches=None"):
        replace(stemmed, glimpse_patches=4)
    with pytest.raises(ConfigError, match="needs patch_multiple=None"):
        ViTConfig(embedding="convolutional", patch_multiple=16)
    model = ViTRM(stemmed)
    with pytest.raises(ConfigError, match="some patches alone cannot be read"):
        list(model.steps(torch.randn(1, 1, 16, 16), patches=torch.tensor([[0, 1]])))


@pytest.mark.parametrize("reading", ["joint", "cross"])
def test_pixels_that_no_glimpse_has_read_have_no_influence_at_all(tiny, reading):
    model = ViTRM(replace(tiny, glimpse_patches=4, supervision_steps=3, reading=reading)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    images, seen = torch.randn(2, 1, 8, 8, requires_grad=True), torch.zeros(2, 16, dtype=torch.bool)
    for step in model.steps(images, seeds=torch.tensor([1, 2]), backprop="all"):
        seen = seen.scatter(1, step.patches, True)
        (gradient,) = torch.autograd.grad(step.logits.square().sum(), images, retain_graph=True)
        by_patch = gradient.unfold(2, 2, 2).unfold(3, 2, 2).abs().amax((1, 4, 5)).flatten(1)  # (B, L)
        assert torch.equal(by_patch > 0, seen)
