"""Each layer against its formula by hand: patches, attention, mixing, dropout."""

import math
from dataclasses import replace

import pytest
import torch

from tests.vitrm.shaken import shaken
from vitrm.model import ViTRM
from vitrm.nets.layers import Attention, Dropout, DropPath


def test_attention_is_the_softmax_of_scaled_scores_by_hand(tiny, close):
    layer = shaken(replace(tiny, depth=1)).block.layers[0].mix
    tokens = torch.randn(1, 4, 16)
    q, (k, v) = layer.query(tokens)[0], layer.key_value(tokens)[0].split(16, dim=-1)
    heads = []
    for part in (slice(0, 8), slice(8, 16)):
        weights = torch.softmax(q[:, part] @ k[:, part].T / math.sqrt(8), dim=-1)
        heads.append(weights @ v[:, part])
    expected = layer.out(torch.cat(heads, dim=-1))
    everything = slice(None)
    for record in (True, False):
        mixed, _ = layer(layer.project(tokens, everything), everything, record)
        close(mixed[0], expected)


@pytest.mark.parametrize("kind", ["swiglu", "gelu"])
def test_a_layer_is_mixing_then_feed_forward_each_on_normed_tokens_with_a_residual(tiny, kind, close):
    layer = shaken(replace(tiny, feed_forward=kind)).block.layers[0]
    tokens, everything = torch.randn(2, 5, 16), slice(None)
    mixed, _ = layer.mix(layer.mix.project(layer.norm_mix(tokens), everything), everything, False)
    middle = tokens + mixed
    hidden = layer.feed_forward.into(layer.norm_ff(middle))
    if kind == "swiglu":
        value, gate = hidden[..., :24], hidden[..., 24:]
        hidden = value * gate * torch.sigmoid(gate)
    else:
        hidden = hidden * 0.5 * (1 + torch.erf(hidden / math.sqrt(2)))
    expected = middle + hidden @ layer.feed_forward.back.weight.T + layer.feed_forward.back.bias
    found, _ = layer(tokens, layer.project(tokens, everything), everything, False)
    close(found, expected)


def test_cross_reading_adds_what_the_memory_sees_in_the_image_and_leaves_the_answer_alone(tiny, close):
    layer = shaken(replace(tiny, reading="cross")).block.layers[0]
    patches, tokens = torch.randn(1, 16, 16), torch.randn(1, 4, 16)
    seen, _ = layer.look(tokens, layer.project_image(patches), record=False)
    assert torch.equal(seen[:, 0], tokens[:, 0])
    query = layer.cross.query(layer.norm_query(tokens[0, 1:]))
    key, value = layer.cross.key_value(layer.norm_image(patches[0])).split(16, dim=-1)
    heads = [
        torch.softmax(query[:, h] @ key[:, h].T / math.sqrt(8), -1) @ value[:, h] for h in (slice(8), slice(8, 16))
    ]
    close(seen[0, 1:], tokens[0, 1:] + layer.cross.out(torch.cat(heads, dim=-1)))


def test_token_mixing_without_the_image_is_token_mixing_with_zeros_for_it(tiny, close):
    mix = shaken(replace(tiny, token_mixing="mlp")).block.layers[0].mix
    tokens = torch.randn(2, 4, 16)  # [y ; z]
    padded = torch.cat([torch.zeros(2, 16, 16), tokens], dim=1)
    hidden = torch.nn.functional.gelu(mix.into(padded.mT))
    expected = mix.back(hidden).mT[:, -4:]
    found, _ = mix((tokens,), slice(None), False)
    close(found, expected)


def test_patches_are_read_row_by_row(tiny, close):
    model = ViTRM(tiny)
    with torch.no_grad():
        model.patch_embed.positions.zero_()
    images = torch.zeros(1, 1, 8, 8)
    images[0, 0, 2:4, 6:8] = torch.tensor([[1.0, 2.0], [3.0, 4.0]])  # second row of patches, last column: patch 7
    tokens = model.patch_embed(images)[0]
    expected = model.patch_embed.projection(torch.tensor([1.0, 2.0, 3.0, 4.0]))
    close(tokens[7], expected)
    assert torch.equal(tokens[[i for i in range(16) if i != 7]], model.patch_embed.projection.bias.expand(15, -1))
    chosen = model.patch_embed(images, torch.tensor([[7, 2]]))[0]
    close(chosen, tokens[[7, 2]])


def test_dropout_drops_the_given_share_and_keeps_the_mean():
    dropout = Dropout(0.1).train()
    dropped = dropout(torch.ones(999, 1001))
    assert (dropped == 0).float().mean().item() == pytest.approx(0.1, abs=0.002)
    assert dropped.max().item() == pytest.approx(1 / 0.9, rel=1e-4)
    assert dropped.mean().item() == pytest.approx(1, abs=0.002)
    assert len(dropped.unique()) == 2


def test_dropout_sends_gradient_only_through_what_it_kept():
    tokens = torch.randn(50, 7, requires_grad=True)
    kept = Dropout(0.5).train()(tokens)
    kept.sum().backward()
    assert torch.equal(tokens.grad != 0, kept != 0)


def test_dropout_does_nothing_in_evaluation():
    tokens = torch.randn(5, 3)
    assert torch.equal(Dropout(0.5).eval()(tokens), tokens)


def test_dropout_draws_every_element_independently_and_by_the_seed():
    ones, masks = torch.ones(400_000), []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        masks.append(Dropout(0.5)(ones) > 0)
    assert torch.equal(masks[0], masks[1])
    count = (masks[0].view(-1, 4).long() * torch.tensor([8, 4, 2, 1])).sum(1).bincount(minlength=16)
    assert int((count - 100_000 / 16).abs().max()) < 5 * (100_000 / 16) ** 0.5  # all 16 patterns of neighbours alike
    agree = float((masks[0] == masks[2]).float().mean())
    assert agree == pytest.approx(0.5, abs=0.004)


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("p", [0.1, 0.5])
def test_dropout_is_what_its_draws_say_to_the_last_bit(kind, p):
    tokens = torch.randn(3, 7, 5, dtype=kind)
    torch.manual_seed(1)
    dropped = Dropout(p).train()(tokens)
    torch.manual_seed(1)
    drawn = torch.empty(27, dtype=torch.int64).random_(-(2**63), None).view(torch.int16)[:105].view(3, 7, 5)
    never = round(p * 65536)  # of 65536 values
    scale = torch.tensor(65536 / (65536 - never)).to(kind)
    assert torch.equal(dropped, torch.where(drawn >= never - 32768, tokens * scale, tokens * 0))


@pytest.mark.slow
def test_dropout_draws_anew_at_every_call_in_a_compiled_graph_and_as_it_does_without():
    dropout, ones = Dropout(0.5).train(), torch.ones(64, 9, requires_grad=True)

    def twice(tokens):
        return dropout(tokens), dropout(tokens)

    def drawn(function):
        torch.manual_seed(0)
        return function(ones)

    plain, compiled = drawn(twice), drawn(torch.compile(twice, backend="aot_eager"))
    assert not torch.equal(compiled[0], compiled[1])  # equal calls are no common expression
    assert all(map(torch.equal, plain, compiled))
    compiled[0].sum().backward()
    assert torch.equal(ones.grad, compiled[0])  # the gradient goes by the mask of the forward pass


def test_dropout_of_almost_everything_stays_finite():
    assert torch.isfinite(Dropout(1 - 1e-9).train()(torch.randn(5, 7))).all()


def test_dropout_in_training_acts_on_the_attention_weights_as_well():
    layer = Attention(16, 2, dropout=0.5)
    tokens, everything = torch.randn(1, 4, 16), slice(None)
    with torch.no_grad():
        layer.out.weight.copy_(torch.eye(16))
    torch.manual_seed(3)
    once, _ = layer(layer.project(tokens, everything), everything, record=False)
    again, _ = layer(layer.project(tokens, everything), everything, record=False)
    assert not torch.equal(once, again)
    many = tokens.expand(4000, -1, -1)  # each draws its own
    mean = layer(layer.project(many, everything), everything, False)[0].mean(0, keepdim=True)
    layer.eval()
    torch.testing.assert_close(mean, layer(layer.project(tokens, everything), everything, False)[0], atol=0.06, rtol=0)


def test_drop_path_leaves_whole_images_out_of_a_branch_and_scales_the_others():
    drop, branch = DropPath(0.4), torch.ones(4000, 3, 2)
    dropped = drop(branch)
    kept = dropped[:, 0, 0] > 0
    assert torch.equal(dropped, kept[:, None, None] / 0.6 * branch)
    assert 2240 < int(kept.sum()) < 2560  # five standard deviations around 2400
    assert drop.eval()(branch) is branch
    assert DropPath(0.0)(branch) is branch


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_drop_path_grows_from_layer_to_layer_and_is_off_by_default(tiny, depth):
    model = ViTRM(replace(tiny, depth=depth, drop_path=0.2))
    rates = [layer.drop_path.p for layer in model.block.layers]
    expected = [0.2] if depth == 1 else [0.2 * i / (depth - 1) for i in range(depth)]
    assert rates == pytest.approx(expected)
    assert all(layer.drop_path.p == 0 for layer in ViTRM(tiny).block.layers)


def test_drop_path_acts_in_training_only(tiny):
    model, images = ViTRM(replace(tiny, drop_path=0.5)), torch.randn(2, 1, 8, 8)
    assert not torch.equal(model.train()(images), model(images))
    plain = ViTRM(tiny)
    plain.load_state_dict(model.state_dict())
    assert torch.equal(model.eval()(images), plain.eval()(images))
