"""The recursion: its exact savings, its gradients, its state, and the glimpses."""

import math
from dataclasses import replace

import pytest
import torch

from vitrm.config import ModelConfig, preset
from vitrm.losses import classification_loss, halting_loss
from vitrm.model import State, ViTRM
from vitrm.nets.glimpses import glimpse_patches
from vitrm.nets.layers import Attention, Dropout, DropPath, side_of
from vitrm.plain import PlainViTRM

# Every option that changes how one update is computed, and the combinations in which the savings differ.
VARIANTS = {
    "joint": {},
    "joint-depth1": {"depth": 1},
    "joint-depth3": {"depth": 3},
    "joint-gelu": {"feed_forward": "gelu"},
    "joint-one-memory-token-per-patch": {"memory_tokens": None},
    "joint-relative": {"memory_tokens": None, "positions": "relative"},
    "joint-relative-depth1": {"memory_tokens": None, "positions": "relative", "depth": 1},
    "joint-scaled": {"memory_tokens": None, "positions": "relative", "reference_side": 2},
    "joint-scaled-depth1": {"memory_tokens": None, "positions": "relative", "reference_side": 3, "depth": 1},
    "joint-two-blocks": {"shared_block": False},
    "joint-two-blocks-depth1": {"shared_block": False, "depth": 1},
    "joint-final-norm": {"final_norm": True},
    "joint-mlp-head": {"head": "mlp"},
    "joint-glimpses": {"glimpse_patches": 4},
    "joint-mixed-readout": {"readout": "mixture", "supervision_steps": 3},
    "joint-glimpses-depth1": {"glimpse_patches": 4, "depth": 1, "final_norm": True},
    "joint-mixer": {"token_mixing": "mlp"},
    "joint-mixer-depth1": {"token_mixing": "mlp", "depth": 1},
    "joint-mixer-two-blocks": {"token_mixing": "mlp", "shared_block": False, "memory_tokens": None},
    "cross": {"reading": "cross"},
    "cross-depth1": {"reading": "cross", "depth": 1},
    "cross-depth3-gelu": {"reading": "cross", "depth": 3, "feed_forward": "gelu", "memory_tokens": None},
    "cross-two-blocks": {"reading": "cross", "shared_block": False},
    "cross-glimpses": {"reading": "cross", "glimpse_patches": 4, "final_norm": True},
    "cross-mixer": {"reading": "cross", "token_mixing": "mlp"},
    "cross-mixer-glimpses": {"reading": "cross", "token_mixing": "mlp", "glimpse_patches": 4},
}
variants = pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS.keys())


def _model(config, seed=0, kind=ViTRM):
    """A model whose halting head is not at its zero start, so that gradients pass through it as well."""
    torch.manual_seed(seed)
    model = kind(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return model


def _images(config, batch=3):
    return torch.randn(batch, config.channels, config.image_size, config.image_size)


def _loss(model, images, seeds=0, backprop="all"):
    labels = torch.arange(len(images)) % model.config.num_classes
    return sum(
        classification_loss(step.logits, labels) + halting_loss(step.halt_logit, step.logits, labels)
        for step in model.steps(images, seeds=seeds, backprop=backprop)
    )


@variants
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
def test_savings_change_neither_outputs_nor_gradients(tiny, options, training):
    config = replace(tiny, **options)
    model = _model(config).double().train(training)
    plain = PlainViTRM(config).double().train(training)
    plain.load_state_dict(model.state_dict())
    images, seeds = _images(config).double(), torch.tensor([5, 6, 7])

    for ours, theirs in zip(model.steps(images, seeds=seeds), plain.steps(images, seeds=seeds), strict=True):
        for name in ("logits", "halt_logit", "answer", "memory"):
            torch.testing.assert_close(getattr(ours, name), getattr(theirs, name), atol=1e-10, rtol=0)

    _loss(model, images, seeds).backward()
    _loss(plain, images, seeds).backward()
    expected = {name: parameter.grad for name, parameter in plain.named_parameters()}
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, expected[name], atol=1e-10, rtol=0, msg=name)


@variants
def test_every_parameter_gets_a_gradient(tiny, options):
    model = ViTRM(replace(tiny, **options))
    _loss(model, _images(tiny), backprop="supervision_step").backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []
    # Nothing passes the last halting weight, which starts at zero.
    silent = [n for n, p in model.named_parameters() if p.grad.abs().max() == 0]
    assert set(silent) <= {"halting.0.weight", "halting.0.bias"}


@variants
def test_recorded_attention_is_the_attention_that_was_used(tiny, options):
    config = replace(tiny, **options)
    model, images = _model(config).double().eval(), _images(config).double()
    fast, recorded = model.moves(images), model.moves(images, record=True)
    for ours, theirs in zip(recorded, fast, strict=True):
        torch.testing.assert_close(ours.state.memory, theirs.state.memory, atol=1e-10, rtol=0)
        torch.testing.assert_close(ours.state.answer, theirs.state.answer, atol=1e-10, rtol=0)
        assert theirs.attention is None
        assert len(ours.attention) == config.depth
        for layer in ours.attention:
            assert (layer.mix is None) == (config.token_mixing == "mlp")
            assert (layer.cross is None) == (config.reading == "joint" or ours.memory_step is None)
            for weights in filter(torch.is_tensor, layer):
                torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]).double())


def test_recorded_attention_has_one_row_per_kept_token(tiny):
    moves = list(_model(tiny).eval().moves(_images(tiny, batch=5), supervision_steps=1, record=True))
    memory, answer = moves[0].attention, moves[2].attention
    sequence = 16 + 1 + 3
    assert [layer.mix.shape for layer in memory] == [(5, 2, sequence, sequence), (5, 2, 3, sequence)]
    assert [layer.mix.shape for layer in answer] == [(5, 2, 4, 4), (5, 2, 1, 4)]


def test_attention_is_the_softmax_of_scaled_scores_by_hand(tiny, close):
    layer = _model(replace(tiny, depth=1)).block.layers[0].mix
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
    layer = _model(replace(tiny, feed_forward=kind)).block.layers[0]
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
    layer = _model(replace(tiny, reading="cross")).block.layers[0]
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
    mix = _model(replace(tiny, token_mixing="mlp")).block.layers[0].mix
    tokens = torch.randn(2, 4, 16)  # [y ; z]
    padded = torch.cat([torch.zeros(2, 16, 16), tokens], dim=1)
    hidden = torch.nn.functional.gelu(mix.into(padded.mT))
    expected = mix.back(hidden).mT[:, -4:]
    found, _ = mix((tokens,), slice(None), False)
    close(found, expected)


def _parameters_by_formula(config):
    d, f, c, k = config.dim, config.mlp_dim, config.num_classes, config.memory_size
    patch = config.channels * config.patch_size**2
    embed = patch * d + d + config.num_patches * d
    attention = 4 * (d * d + d)
    feed_forward = (d * 2 * f + 2 * f) + (f * d + d)
    layer = attention + feed_forward + 2 * (2 * d)
    heads = (d * c + c) + (d + 1)
    return embed + (1 + k) * d + config.depth * layer + heads


@pytest.mark.parametrize(("classes", "millions"), [(10, "3.62"), (100, "3.66")])
def test_paper_preset_has_the_published_number_of_parameters(classes, millions):
    config = replace(preset("paper").model, num_classes=classes)
    with torch.device("meta"):
        count = sum(p.numel() for p in ViTRM(config).parameters())
    assert count == _parameters_by_formula(config)
    assert f"{count / 1e6:.2f}" == millions


def test_forward_is_the_last_supervision_step(tiny):
    model, images = _model(tiny).eval(), _images(tiny)
    assert torch.equal(model(images), list(model.steps(images))[-1].logits)


def test_more_supervision_steps_begin_with_the_same_steps(tiny):
    model, images = _model(replace(tiny, glimpse_patches=4)).eval(), _images(tiny)
    two, five = list(model.steps(images)), list(model.steps(images, supervision_steps=5))
    assert len(two) == 2
    assert len(five) == 5
    assert all(torch.equal(a.logits, b.logits) for a, b in zip(two, five[:2], strict=True))


@pytest.mark.parametrize("steps", [0, -3])
def test_fewer_than_one_supervision_step_is_refused(tiny, steps):
    with pytest.raises(ValueError, match=f"supervision_steps={steps}: expected 1 or more"):
        ViTRM(tiny)(_images(tiny), supervision_steps=steps)


def test_moves_come_in_the_order_of_the_equations(tiny):
    moves = list(_model(tiny).eval().moves(_images(tiny)))
    counters = [(m.supervision_step, m.recursion_step, m.memory_step) for m in moves]
    assert counters == [(n, t, m) for n in (0, 1) for t in (0, 1) for m in (0, 1, None)]
    before = moves[0].state
    for move in moves[1:]:  # Eq. 2 leaves the answer alone, Eq. 3 the memory
        kept = "memory" if move.memory_step is None else "answer"
        assert getattr(move.state, kept) is getattr(before, kept) or move.supervision_step == 1
        before = move.state


def test_answer_update_does_not_see_the_image(tiny):
    model = _model(tiny).eval()
    state = model.initial_state(1)
    expected = model.update_answer(state)[0].answer
    with torch.no_grad():
        model.patch_embed.projection.weight.zero_()
        model.patch_embed.positions.zero_()
    assert torch.equal(model.update_answer(state)[0].answer, expected)


def test_weights_with_relative_positions_fit_images_of_any_size(tiny):
    """And tell where things lie to each other: what is out of reach of all changes, a border, shifts nothing else."""
    small = replace(tiny, memory_tokens=None, positions="relative", depth=1, memory_steps=1)
    model, large = _model(small).eval(), ViTRM(replace(small, image_size=16)).eval()
    large.load_state_dict(model.state_dict())
    assert large.memory_init.shape == model.memory_init.shape
    assert large(_images(large.config)).shape == (3, 10)
    images = _images(large.config)
    for here, there in zip(model.steps(images), large.steps(images), strict=True):  # without being made for them
        assert torch.equal(here.memory, there.memory)
    bias, wide = (model.block.layers[0].places(1 + side**2)[:, 1:, 1:] for side in (4, 8))
    wide = wide.unflatten(1, (8, 8)).unflatten(3, (8, 8))[:, 2:6, 2:6, 2:6, 2:6]
    assert torch.equal(wide.flatten(3, 4).flatten(1, 2), bias)


def test_attention_starts_out_looking_near_where_positions_are_relative(tiny):
    model = ViTRM(replace(tiny, memory_tokens=None, positions="relative"))
    bias = model.block.layers[0].places(33)  # of [x ; y ; z], 16 + 1 + 16 tokens on a 4 x 4 grid
    assert bias.shape == (2, 33, 33)
    assert (bias[:, 16] == 0).all()
    assert (bias[:, :, 16] == 0).all()  # y has no place
    first = bias[:, 0, 17:].unflatten(-1, (4, 4))  # the first patch asks each memory token
    assert first[0, :3, :3].tolist() == [[0, -1, -2], [-1, -2, -3], [-2, -3, -4]]
    assert torch.equal(first[:, 3], first[:, 2])  # out of reach is out of reach
    assert torch.equal(first[1], 2 * first[0])


def test_scaled_attention_multiplies_its_logits_by_the_logarithm_of_the_number_of_keys(tiny):
    config = replace(tiny, memory_tokens=None, positions="relative", depth=1, memory_steps=1, reference_side=2)
    model = _model(config).double().eval()
    layer, state, images = model.block.layers[0], model.initial_state(3), _images(config).double()
    tokens = torch.cat([model.patch_embed(images), state.answer, state.memory], dim=1)
    q, k, _ = layer.project(tokens, slice(None))
    logits = q @ k.mT / math.sqrt(8) + layer.places(33)
    first = next(model.moves(images, record=True))
    expected = (logits * math.log(33) / math.log(9)).softmax(dim=-1)[:, :, 17:]  # 33 keys here, 1 + 4 + 4 on 2 x 2
    torch.testing.assert_close(first.attention[0].mix, expected, atol=1e-12, rtol=0)


def test_what_positions_prefer_is_kept_without_gradient_and_only_until_the_weights_change(tiny):
    model = ViTRM(replace(tiny, memory_tokens=None, positions="relative"))
    places = model.block.layers[0].places
    with torch.no_grad():
        first = places(33, slice(-16, None), 1.5)
        assert places(33, slice(-16, None), 1.5) is first
        assert torch.equal(first, 1.5 * places(33)[:, -16:])
        for side in range(2, 8):  # many sizes do not fill the memory
            places(1 + side**2)
        assert len(places._kept[1]) <= 4
        places.table.mul_(2)
        torch.testing.assert_close(places(33, slice(-16, None), 1.5), 2 * first)
    with torch.inference_mode():
        kept = places(33)
    torch.testing.assert_close(places(33), kept)
    assert places(33).requires_grad
    assert not kept.is_inference()


def test_attention_is_not_scaled_at_its_reference(tiny):
    plain = replace(tiny, memory_tokens=None, positions="relative")
    model, scaled = _model(plain).eval(), ViTRM(replace(plain, reference_side=4)).eval()
    scaled.load_state_dict(model.state_dict())
    images = _images(plain)
    for here, there in zip(model.moves(images), scaled.moves(images), strict=True):
        assert torch.equal(here.state.memory, there.state.memory)
        assert torch.equal(here.state.answer, there.state.answer)
    larger = torch.randn(2, 1, 16, 16)
    assert not torch.equal(model(larger), scaled(larger))


@pytest.mark.parametrize("side", [1, 2, 3, 5, 9, 31])
def test_the_number_of_tokens_tells_how_many_places_there_are_along_a_side(side):
    assert side_of(1 + side**2) == side_of(1 + 2 * side**2) == side


@pytest.mark.parametrize("options", [{}, {"glimpse_patches": 4}, {"memory_tokens": None, "positions": "relative"}])
@pytest.mark.parametrize("backprop", ["all", "supervision_step", "last_recursion"])
def test_steps_that_are_not_learned_from_leave_a_constant_to_begin_with(tiny, options, backprop):
    model, images = _model(replace(tiny, supervision_steps=1, **options)).double(), _images(tiny).double()
    seeds = torch.tensor([5, 6, 7])
    *before, step = model.steps(images, 4, seeds, backprop, unlearned=3)
    assert not any(each.answer.requires_grad or each.memory.requires_grad for each in before)
    (step.logits.sum() + step.halt_logit.sum()).backward()
    found = {name: p.grad for name, p in model.named_parameters()}
    model.zero_grad()

    with torch.no_grad():
        *_, last = model.steps(images, 3, seeds)
    (again,) = model.steps(images, 1, seeds, backprop, start=State(last.answer, last.memory), patches=step.patches)
    torch.testing.assert_close(again.logits, step.logits, atol=1e-12, rtol=0)
    (again.logits.sum() + again.halt_logit.sum()).backward()
    assert found["memory_init"] is None
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(found[name], parameter.grad, atol=1e-12, rtol=0, msg=name)


def test_steps_are_computed_only_when_asked_for(tiny, monkeypatch):
    model, calls = _model(tiny).eval(), []
    update = model.update_memory
    monkeypatch.setattr(model, "update_memory", lambda *a, **k: calls.append(1) or update(*a, **k))
    next(iter(model.steps(_images(tiny), supervision_steps=50)))
    assert len(calls) == tiny.recursion_steps * tiny.memory_steps


def test_images_are_embedded_once_in_evaluation_and_once_per_step_in_training(tiny, monkeypatch):
    model, calls = _model(tiny), []
    read = model.read
    monkeypatch.setattr(model, "read", lambda *a, **k: calls.append(1) or read(*a, **k))
    list(model.eval().steps(_images(tiny), supervision_steps=4))
    assert len(calls) == 1
    calls.clear()
    list(model.train().steps(_images(tiny), supervision_steps=4))
    assert len(calls) == 4


def _reaches_first_step(model, images, backprop):
    """Whether the loss of supervision step 2 alone has a gradient at the learned starting memory."""
    *_, last = model.steps(images, backprop=backprop)
    (gradient,) = torch.autograd.grad(last.logits.sum(), model.memory_init, allow_unused=True)
    return gradient is not None and bool(gradient.abs().max() > 0)


@pytest.mark.parametrize(
    ("backprop", "reaches"), [("supervision_step", False), ("last_recursion", False), ("all", True)]
)
def test_state_is_detached_between_supervision_steps_unless_backprop_is_all(tiny, backprop, reaches):
    assert _reaches_first_step(_model(tiny).train(), _images(tiny), backprop) is reaches


def test_last_recursion_gives_no_gradient_to_earlier_recursion_steps(tiny):
    model = _model(tiny).train()
    moves = list(model.moves(_images(tiny), supervision_steps=1, backprop="last_recursion"))
    first, last = moves[2].state, moves[5].state
    assert not first.answer.requires_grad
    assert not first.memory.requires_grad
    last.answer.sum().backward()
    assert model.answer_init.grad is None  # the learned start belongs to the first recursion step
    assert model.block.layers[0].mix.query.weight.grad.abs().max() > 0
    assert model.patch_embed.projection.weight.grad.abs().max() > 0  # the image is read in the last one too


def test_last_recursion_gradient_is_that_of_one_recursion_from_a_constant_state(tiny):
    model, images = _model(tiny).double().train(), _images(tiny).double()
    *_, end = model.moves(images, supervision_steps=1, backprop="last_recursion")
    end.state.answer.square().sum().backward()
    expected = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}

    model.zero_grad()
    with torch.no_grad():
        *_, middle = (m for m in model.moves(images, supervision_steps=1) if m.recursion_step == 0)
    state, reading = middle.state.detach(), model.read(images)
    for _ in range(tiny.memory_steps):
        state, _ = model.update_memory(reading, state)
    model.update_answer(state)[0].answer.square().sum().backward()
    found = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    assert found.keys() == expected.keys()
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, expected[name], atol=1e-12, rtol=0, msg=name)


def test_no_grad_of_the_caller_is_respected(tiny):
    with torch.no_grad():
        step = next(iter(ViTRM(tiny).steps(_images(tiny), backprop="last_recursion")))
    assert not step.logits.requires_grad


@pytest.mark.parametrize("head", ["linear", "mlp"])
def test_halting_starts_at_its_bias_for_every_image(tiny, head):
    model = ViTRM(replace(tiny, halt_bias=-3.0, head=head)).eval()
    for step in model.steps(_images(tiny)):
        torch.testing.assert_close(step.halt_prob, torch.full((3,), 1 / (1 + math.e**3)))


def test_the_weights_of_the_authors_start_as_their_layers_do():
    """Against torch's own modules, which the authors' code is made of, at the published size."""
    config = preset("paper-as-published").model
    torch.manual_seed(0)
    model, d = ViTRM(config), config.dim
    attention, layer = torch.nn.MultiheadAttention(d, config.num_heads), model.block.layers[0]
    joint = torch.cat([layer.mix.query.weight, layer.mix.key_value.weight])
    assert joint.shape == attention.in_proj_weight.shape
    pairs = [
        (joint, attention.in_proj_weight),
        (layer.mix.out.weight, attention.out_proj.weight),
        (layer.feed_forward.into.weight, torch.nn.Linear(d, 1024).weight),
        (layer.feed_forward.into.bias, torch.nn.Linear(d, 1024).bias),
        (model.patch_embed.projection.weight, torch.nn.Conv2d(3, d, 4, 4).weight),
        (model.patch_embed.positions, torch.nn.init.xavier_normal_(torch.empty(1, 64, d))),
        (model.memory_init, torch.nn.init.xavier_normal_(torch.empty(1, 64, d))),
        (model.answer_init, torch.nn.init.xavier_normal_(torch.empty(1, 1, d))),
        (model.classifier.weight, torch.nn.init.xavier_normal_(torch.empty(10, d))),
        (model.halting.weight, torch.nn.init.xavier_normal_(torch.empty(1, d))),
    ]
    for place, (ours, theirs) in enumerate(pairs):
        chance = 5 / theirs.numel() ** 0.5  # five standard deviations of this quotient
        assert float((ours.std() / theirs.std()).detach()) == pytest.approx(1, abs=chance)
        if place < 5:  # these are drawn uniformly: the largest is the bound
            assert float((ours.abs().max() / theirs.abs().max()).detach()) == pytest.approx(1, abs=0.02)
    biases = (layer.mix.query, layer.mix.key_value, layer.mix.out, model.classifier, model.halting)
    assert not any(each.bias.any() for each in biases)


@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (2, 1, 8, 6), (1, 8, 8), (2, 1, 16, 16)])
def test_images_of_the_wrong_shape_are_refused_with_both_shapes_named(tiny, shape):
    with pytest.raises(ValueError, match="expected") as caught:
        ViTRM(tiny)(torch.zeros(shape))
    assert str(shape) in str(caught.value)
    assert "(batch, 1, 8, 8)" in str(caught.value)


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


# Glimpses

GLIMPSE = ModelConfig(image_size=32, patch_size=4, glimpse_patches=16)  # L = 64: a cycle is four steps


@pytest.mark.parametrize("size", [1, 7, 16, 33, 64])
def test_no_patch_is_seen_twice_within_a_cycle(size):
    config = replace(GLIMPSE, glimpse_patches=size)
    cycle = 64 // size
    drawn = torch.cat([glimpse_patches(step, 3, 20, config) for step in range(cycle)], dim=1)
    assert drawn.shape == (20, cycle * size)
    for row in drawn:
        assert len(row.unique()) == len(row)
        assert 0 <= row.min() <= row.max() < 64


def test_a_cycle_covers_the_image_and_the_next_has_another_order():
    drawn = torch.cat([glimpse_patches(step, 3, 1, GLIMPSE) for step in range(8)], dim=1)[0]
    first, second = drawn[:64], drawn[64:]
    assert first.sort().values.tolist() == second.sort().values.tolist() == list(range(64))
    assert not torch.equal(first, second)


def test_glimpses_of_an_image_depend_on_its_own_seed_alone():
    seeds = torch.tensor([11, 42, 7])
    together = glimpse_patches(2, seeds, 3, GLIMPSE)
    for i, seed in enumerate(seeds.tolist()):
        assert torch.equal(glimpse_patches(2, seed, 1, GLIMPSE)[0], together[i])
        assert torch.equal(glimpse_patches(2, seeds[[i, 0]], 2, GLIMPSE)[0], together[i])


def test_model_output_of_an_image_does_not_depend_on_the_batch_it_is_in(tiny):
    model, images = _model(replace(tiny, glimpse_patches=4)).double().eval(), _images(tiny, batch=4).double()
    seeds = torch.tensor([1, 2, 3, 4])
    together = model(images, seeds=seeds)
    alone = torch.cat([model(images[i : i + 1], seeds=seeds[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(together, alone, atol=1e-12, rtol=0)


def test_glimpses_do_not_touch_the_random_generator():
    before = torch.get_rng_state()
    assert torch.equal(glimpse_patches(0, 9, 2, GLIMPSE), glimpse_patches(0, 9, 2, GLIMPSE))
    assert torch.equal(torch.get_rng_state(), before)


def test_glimpses_are_uniform_over_patches_and_differ_between_seeds():
    images = 4000
    drawn = glimpse_patches(0, torch.arange(images), images, GLIMPSE)
    counts = torch.bincount(drawn.flatten(), minlength=64).double()
    expected = images * 16 / 64
    # Each count is binomial(4000, 1/4); the sum of squared deviations is chi-square like with 63 degrees of freedom.
    chi_square = ((counts - expected) ** 2 / (expected * (1 - 16 / 64))).sum()
    assert chi_square < 115  # the 99.99 % point of chi-square(63)
    assert len({tuple(row.sort().values.tolist()) for row in drawn}) == images


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
