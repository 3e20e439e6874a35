"""The recursion: its exact savings, its gradients, its state."""

import math
from dataclasses import replace

import pytest
import torch

from tests.vitrm.shaken import noise_images, shaken
from vitrm.config import preset
from vitrm.losses import classification_loss, halting_loss
from vitrm.model import ViTRM
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
    "joint-stem": {"patch_size": 4, "embedding": "convolutional"},
    "joint-stem-relative": {
        **{"patch_size": 4, "embedding": "convolutional"},
        **{"memory_tokens": None, "positions": "relative"},
    },
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
    "cross-stem": {"patch_size": 4, "embedding": "convolutional", "reading": "cross"},
    "cross-mixer": {"reading": "cross", "token_mixing": "mlp"},
    "cross-mixer-glimpses": {"reading": "cross", "token_mixing": "mlp", "glimpse_patches": 4},
}
variants = pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS.keys())


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
    model = shaken(config).double().train(training)
    plain = PlainViTRM(config).double().train(training)
    plain.load_state_dict(model.state_dict())
    images, seeds = noise_images(config).double(), torch.tensor([5, 6, 7])

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
    _loss(model, noise_images(tiny), backprop="supervision_step").backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []
    # Nothing passes the last halting weight, which starts at zero.
    silent = [n for n, p in model.named_parameters() if p.grad.abs().max() == 0]
    assert set(silent) <= {"halting.0.weight", "halting.0.bias"}


@variants
def test_recorded_attention_is_the_attention_that_was_used(tiny, options):
    config = replace(tiny, **options)
    model, images = shaken(config).double().eval(), noise_images(config).double()
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
    moves = list(shaken(tiny).eval().moves(noise_images(tiny, batch=5), supervision_steps=1, record=True))
    memory, answer = moves[0].attention, moves[2].attention
    sequence = 16 + 1 + 3
    assert [layer.mix.shape for layer in memory] == [(5, 2, sequence, sequence), (5, 2, 3, sequence)]
    assert [layer.mix.shape for layer in answer] == [(5, 2, 4, 4), (5, 2, 1, 4)]


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
    model, images = shaken(tiny).eval(), noise_images(tiny)
    assert torch.equal(model(images), list(model.steps(images))[-1].logits)


def test_more_supervision_steps_begin_with_the_same_steps(tiny):
    model, images = shaken(replace(tiny, glimpse_patches=4)).eval(), noise_images(tiny)
    two, five = list(model.steps(images)), list(model.steps(images, supervision_steps=5))
    assert len(two) == 2
    assert len(five) == 5
    assert all(torch.equal(a.logits, b.logits) for a, b in zip(two, five[:2], strict=True))


@pytest.mark.parametrize("steps", [0, -3])
def test_fewer_than_one_supervision_step_is_refused(tiny, steps):
    with pytest.raises(ValueError, match=f"supervision_steps={steps}: expected 1 or more"):
        ViTRM(tiny)(noise_images(tiny), supervision_steps=steps)


def test_moves_come_in_the_order_of_the_equations(tiny):
    moves = list(shaken(tiny).eval().moves(noise_images(tiny)))
    counters = [(m.supervision_step, m.recursion_step, m.memory_step) for m in moves]
    assert counters == [(n, t, m) for n in (0, 1) for t in (0, 1) for m in (0, 1, None)]
    before = moves[0].state
    for move in moves[1:]:  # Eq. 2 leaves the answer alone, Eq. 3 the memory
        kept = "memory" if move.memory_step is None else "answer"
        assert getattr(move.state, kept) is getattr(before, kept) or move.supervision_step == 1
        before = move.state


def test_answer_update_does_not_see_the_image(tiny):
    model = shaken(tiny).eval()
    state = model.initial_state(1)
    expected = model.update_answer(state)[0].answer
    with torch.no_grad():
        model.patch_embed.projection.weight.zero_()
        model.patch_embed.positions.zero_()
    assert torch.equal(model.update_answer(state)[0].answer, expected)


def test_steps_are_computed_only_when_asked_for(tiny, monkeypatch):
    model, calls = shaken(tiny).eval(), []
    update = model.update_memory
    monkeypatch.setattr(model, "update_memory", lambda *a, **k: calls.append(1) or update(*a, **k))
    next(iter(model.steps(noise_images(tiny), supervision_steps=50)))
    assert len(calls) == tiny.recursion_steps * tiny.memory_steps


def test_images_are_embedded_once_in_evaluation_and_once_per_step_in_training(tiny, monkeypatch):
    model, calls = shaken(tiny), []
    read = model.read
    monkeypatch.setattr(model, "read", lambda *a, **k: calls.append(1) or read(*a, **k))
    list(model.eval().steps(noise_images(tiny), supervision_steps=4))
    assert len(calls) == 1
    calls.clear()
    list(model.train().steps(noise_images(tiny), supervision_steps=4))
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
    assert _reaches_first_step(shaken(tiny).train(), noise_images(tiny), backprop) is reaches


def test_last_recursion_gives_no_gradient_to_earlier_recursion_steps(tiny):
    model = shaken(tiny).train()
    moves = list(model.moves(noise_images(tiny), supervision_steps=1, backprop="last_recursion"))
    first, last = moves[2].state, moves[5].state
    assert not first.answer.requires_grad
    assert not first.memory.requires_grad
    last.answer.sum().backward()
    assert model.answer_init.grad is None  # the learned start belongs to the first recursion step
    assert model.block.layers[0].mix.query.weight.grad.abs().max() > 0
    assert model.patch_embed.projection.weight.grad.abs().max() > 0  # the image is read in the last one too


def test_last_recursion_gradient_is_that_of_one_recursion_from_a_constant_state(tiny):
    model, images = shaken(tiny).double().train(), noise_images(tiny).double()
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
        step = next(iter(ViTRM(tiny).steps(noise_images(tiny), backprop="last_recursion")))
    assert not step.logits.requires_grad


@pytest.mark.parametrize("head", ["linear", "mlp"])
def test_halting_starts_at_its_bias_for_every_image(tiny, head):
    model = ViTRM(replace(tiny, halt_bias=-3.0, head=head)).eval()
    for step in model.steps(noise_images(tiny)):
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
