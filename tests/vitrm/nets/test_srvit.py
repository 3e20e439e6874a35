"""SR-ViT: what is mixed and how, what it is at R = 1, its size, and that everything takes it as it takes the others."""

import json
import math
from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from vitrm.cli import main as cli
from vitrm.config import PRESETS, Config, SRViTConfig, ViTConfig, as_command, preset
from vitrm.data.sources import load_dataset
from vitrm.errors import ConfigError
from vitrm.families import equip, make_model
from vitrm.judge.evaluation import evaluate
from vitrm.judge.report import measured
from vitrm.nets.classifiers import ViT
from vitrm.nets.srvit import SRViT
from vitrm.runs.checkpoints import build
from vitrm.runs.folder import Run
from vitrm.traces.mixture import MixtureTrace
from vitrm.traces.recording import mixture_trace, trace
from vitrm.training.events import EpochEnd
from vitrm.training.trainer import Trainer

SMALL = SRViTConfig(
    num_classes=10, image_size=8, channels=1, patch_size=2, dim=16, depth=2, num_heads=2, mlp_dim=24, recursion_depth=3
)
VARIANTS = {
    "default": {},
    "stages": {"depth": 4, "location": "stage"},
    "stack": {"location": "stack"},
    "all": {"router_input": "all"},
    "all-linear": {"router_input": "all", "router_dim": 0},
    "start": {"router_input": "start"},
    "linear": {"router_dim": 0},
    "sigmoid": {"normaliser": "sigmoid"},
    "scalar": {"mixture": "scalar"},
    "uniform": {"mixture": "uniform"},
    "last": {"mixture": "last"},
}


def images(count=3):
    return torch.randn(count, 1, 8, 8)


def stirred(**changes):
    """A model in evaluation mode whose routers say something."""
    model = make_model(replace(SMALL, **changes)).eval()
    for router in model.mixers or ():
        for parameter in router.parameters():
            torch.nn.init.normal_(parameter)
    return model


def plain(config):
    shape = ("num_classes", "image_size", "channels", "patch_size", "dim", "depth", "num_heads", "mlp_dim")
    return ViTConfig(**{name: getattr(config, name) for name in shape}, qkv_bias=True, dropout=0.0)


def at_once(layers, tokens):
    """Layers one after the other, every output computed."""
    for layer in layers:
        everything = slice(None)
        tokens, _ = layer(tokens, layer.project(tokens, everything), everything, record=False)
    return tokens


@pytest.mark.parametrize("location", ["block", "stack"])
def test_at_recursion_depth_1_it_is_the_plain_transformer_weight_for_weight(location):
    config = replace(SMALL, recursion_depth=1, location=location)
    torch.manual_seed(5)
    ours = SRViT(config).eval()
    torch.manual_seed(5)
    theirs = ViT(plain(config)).eval()
    pixels = images()
    assert torch.equal(ours(pixels), theirs(pixels))  # so a seed starts, and trains, both alike
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter)
    flat = [f"block.layers.{i}" for i in range(config.depth)]
    nested = [f"stages.{i}.layers.{j}" for i in range(config.stages) for j in range(config.layers_per_stage)]
    weights = {}
    for name, tensor in theirs.state_dict().items():
        ours_name = name.replace("block.norm", "norm")
        for old, new in zip(flat, nested, strict=True):
            ours_name = ours_name.replace(old, new)
        weights[ours_name] = tensor
    ours.load_state_dict(weights)
    assert torch.equal(ours(pixels), theirs(pixels))


@pytest.mark.parametrize("mixture", ["token", "scalar", "uniform", "last"])
def test_whatever_is_mixed_a_seed_starts_the_layers_alike(mixture):
    torch.manual_seed(1)
    found = SRViT(replace(SMALL, mixture=mixture)).state_dict()
    torch.manual_seed(1)
    expected = SRViT(replace(SMALL, recursion_depth=1)).state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


def test_a_stage_hands_on_the_weighted_sum_of_all_its_steps(close):
    model, pixels = stirred(depth=4, location="stage"), images()
    tokens = torch.cat([model.class_token.expand(3, -1, -1), model.patch_embed(pixels)], dim=1)
    for stage, router in zip(model.stages, model.mixers, strict=True):
        states, state = [], tokens
        for _ in range(3):
            state = at_once(stage.layers, state)
            states.append(state)
        scores = []
        for r, state in enumerate(states):
            centred = state - state.mean(dim=-1, keepdim=True)
            normal = centred / (centred.square().mean(dim=-1, keepdim=True) + 1e-5).sqrt()
            hidden = torch.nn.functional.gelu(router.into(normal))
            scores.append((hidden * router.out.weight[r]).sum(dim=-1) + router.out.bias[r])
        weights = torch.stack(scores, dim=-1).softmax(dim=-1)  # (B, 1+L, R)
        tokens = torch.einsum("bsr,rbsd->bsd", weights, torch.stack(states))
    expected = model.classifier(model.norm(tokens[:, 0]))
    close(model(pixels), expected)
    close(model.mix(pixels)[1][-1], weights[:, :1])


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_weights_are_those_of_a_mixture(variant):
    model = stirred(**VARIANTS[variant])
    found = model.mix(images())[1]
    assert [tuple(w.shape) for w in found] == [(3, 17, 3)] * (model.config.stages - 1) + [(3, 1, 3)]
    for weights in found:
        assert 0 <= float(weights.min().detach()) <= float(weights.max().detach()) <= 1
        if model.config.normaliser == "softmax":
            torch.testing.assert_close(weights.sum(dim=-1), torch.ones(weights.shape[:2]))
        differs = float(weights.std(dim=1).max().detach()) if weights.shape[1] > 1 else None
        if differs is not None:  # each token has its own, or all the same
            assert (differs > 0.01) == (model.config.mixture == "token")


@pytest.mark.parametrize("changes", [{}, {"normaliser": "sigmoid"}, {"router_dim": 0}, {"mixture": "scalar"}])
def test_an_untrained_mixture_is_the_mean_of_all_steps(changes, close):
    model, pixels = make_model(replace(SMALL, **changes)).eval(), images()
    close(model(pixels), model.logits_with(pixels, "uniform"))


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_recursion_can_end_early_and_the_mixture_be_replaced(variant, close):
    model, pixels = stirred(**VARIANTS[variant]), images()
    config = model.config
    close(model.logits_with(pixels, recursion_depth=3), model(pixels))
    for depth in (1, 2):
        for mixture in ("last", "uniform"):  # the same layers in a model that was made for it
            other = make_model(replace(config, recursion_depth=depth, mixture=mixture)).eval()
            names = other.state_dict()
            other.load_state_dict({name: tensor for name, tensor in model.state_dict().items() if name in names})
            close(model.logits_with(pixels, mixture, depth), other(pixels))
    if config.normaliser == "softmax":
        for weights in model.mix(pixels, recursion_depth=2)[1]:
            torch.testing.assert_close(weights.sum(dim=-1), torch.ones(weights.shape[:2]))
    for depth in (0, 4):
        with pytest.raises(ValueError, match=f"recursion_depth={depth}: expected 1 to 3"):
            model.logits_with(pixels, recursion_depth=depth)
    with pytest.raises(ValueError, match="mixture='mean': expected 'last', 'uniform' or None"):
        model.logits_with(pixels, "mean")


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_parameter_gets_a_gradient(variant):
    model = stirred(**VARIANTS[variant]).train()
    model(images(4)).square().sum().backward()
    assert all(p.grad is not None and float(p.grad.abs().max()) > 0 for p in model.parameters())


def test_sr_vit_s_is_deit_s_and_little_more():
    def parameters(**changes):
        with torch.device("meta"):
            return sum(p.numel() for p in build("sr-vit-s", num_classes=1000, **changes).parameters())

    d, length, hidden = 384, 196, 1536
    layer = 4 * d + 3 * (d * d + d) + d * d + d + d * hidden + hidden + hidden * d + d
    embedding, class_token, head = 3 * 16 * 16 * d + d + length * d, d, 2 * d + d * 1000 + 1000
    assert parameters(recursion_depth=1) == embedding + class_token + 12 * layer + head == 22_050_280
    # DeiT-S has 22,050,664: the class token's own position, which is no more than a second bias on it
    router = d * d + d + d * 4 + 4
    assert parameters(recursion_depth=4) - parameters(recursion_depth=1) == 12 * router == 1_792_560
    assert parameters(recursion_depth=4, mixture="last") == parameters(recursion_depth=1)
    assert parameters(recursion_depth=4, mixture="scalar") == parameters(recursion_depth=1) + 12 * 4


def test_the_deep_control_has_as_many_layers_as_the_recursion_applies():
    recursive, deep = PRESETS["sr-vit-tiny"], PRESETS["vit-tiny-deep"]
    assert deep.model.depth == recursive.model.depth * recursive.model.recursion_depth
    same = {"family", "depth"}
    assert all(
        getattr(deep.model, each.name) == getattr(recursive.model, each.name)
        for each in fields(ViTConfig)
        if each.name not in same
    )
    assert deep.train == recursive.train


def test_the_depth_counts_every_application_of_a_layer():
    model = replace(SMALL, depth=4, location="stage")
    assert (model.unique_layers, model.unrolled_layers) == (4, 12)
    assert [each.layers for each in model.passes()] == [(0, 1)] * 3 + [(2, 3)] * 3


@pytest.mark.parametrize(("changes", "message"), [
    ({"location": "stage", "stage_layers": 3}, "stage_layers=3: expected a divisor of depth=2"),
    ({"router_dim": -1}, "router_dim=-1: expected 0"),
    ({"recursion_depth": 0}, "recursion_depth=0: expected 1 to 256"),
    ({"image_size": 9}, "image_size=9 is not a multiple of patch_size=2"),
])  # fmt: skip
def test_what_makes_no_model_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        replace(SMALL, **changes)


def test_its_configuration_survives_being_written_and_mistakes_are_named():
    config = replace(preset("sr-vit-tiny"), model=replace(SMALL, router_dim=None, location="stack"))
    assert Config.from_dict(config.to_dict()) == config
    assert config.with_fields({"model.router_dim": "0"}).model.router_width == 0
    assert as_command(preset("sr-vit-digits").with_fields({"train.lr": 1e-3})) == ("sr-vit-digits", {"train.lr": 1e-3})
    with pytest.raises(ConfigError, match=r"expected one of 'token', 'scalar', 'uniform', 'last'"):
        config.with_fields({"model.mixture": "mean"})


def test_the_trainer_trains_it_and_evaluation_scores_it(small_run, few_digits):
    config = replace(small_run, model=SMALL, train=replace(small_run.train, epochs=1, batch_size=40, lr=1e-2))
    trainer = Trainer(config, few_digits)
    started = [p.detach().clone() for p in trainer.model.mixers.parameters()]
    end = next(event for event in trainer.events() if isinstance(event, EpochEnd))
    assert (len(end.val_accuracy), end.val_halt_prob) == (1, ())
    assert all(not torch.equal(a, b) for a, b in zip(started, trainer.model.mixers.parameters(), strict=True))
    assert end.val_loss == evaluate(trainer.averaged, few_digits.preprocess, few_digits.val).loss


def test_a_trace_holds_the_mixture_and_the_answers_without_it(few_digits, tmp_path, close):
    model = equip(stirred(), Config(model=SMALL)).train()
    shot = mixture_trace(model, few_digits.test.images[0], label=3)
    assert model.training
    model.eval()
    pixels = model.transform.normalize(few_digits.test.images[:1])
    first, last = model.mix(pixels)[1]
    assert shot.weights.shape == (2, 3, 17)
    close(shot.weights[0], first[0].T.detach())
    close(shot.weights[1, :, 0], last[0, 0].detach())
    assert np.isnan(shot.weights[1, :, 1:]).all()  # of the last stage only the class token is read
    for depth in (1, 2, 3):
        row = [getattr(shot, name)[depth - 1] for name in ("logits", "last_logits", "uniform_logits")]
        for found, mixture in zip(row, (None, "last", "uniform"), strict=True):
            close(found, model.logits_with(pixels, mixture, depth)[0].detach())
    close(shot.probs, model(pixels)[0].softmax(dim=-1).detach())
    close(shot.last_logits[0], shot.uniform_logits[0])  # of one step the mean is itself
    assert (shot.grid, shot.label, shot.mixture, shot.layers_per_stage) == ((4, 4), 3, "token", 1)
    shot.save(tmp_path / "shot.npz")
    again = MixtureTrace.load(tmp_path / "shot.npz")
    for each in fields(MixtureTrace):
        np.testing.assert_array_equal(getattr(again, each.name), getattr(shot, each.name))
    with pytest.raises(ValueError, match="read-only"):
        shot.weights[0] = 0


def test_entropy_and_mean_step_of_known_weights(few_digits):
    model = equip(stirred(normaliser="sigmoid"), Config(model=SMALL))
    shot = mixture_trace(model, few_digits.test.images[0])
    weights = np.full((2, 3, 17), 0.4, np.float32)  # gates that are alike
    weights[0, :, 1] = [0, 0, 0.7]  # one patch listens to the last step alone
    weights[0, :, 2] = [0.5, 0.5, 0]
    known = replace(shot, weights=weights)
    np.testing.assert_allclose(known.entropy[0, :4], [math.log(3), 0, math.log(2), math.log(3)], atol=1e-6)
    np.testing.assert_allclose(known.mean_step[0, :4], [2, 3, 1.5, 2], atol=1e-6)


def test_models_that_mix_nothing_say_so(few_digits):
    picture = few_digits.test.images[0]
    for config in (replace(SMALL, recursion_depth=1), plain(SMALL)):
        with pytest.raises(ConfigError, match=r"needs an SR-ViT of recursion depth 2 or more; a .* mixes no steps"):
            mixture_trace(equip(make_model(config), Config(model=config)), picture)
    with pytest.raises(ConfigError, match=r"SR-ViT: .*recursion depth 3, soft mixture\) answers once"):
        trace(equip(make_model(SMALL), Config(model=SMALL)), picture)


@pytest.mark.slow
def test_from_the_command_line_to_a_checkpoint_with_a_gallery(tmp_path, capsys, close):
    small = ("--model.dim", "16", "--model.num_heads", "2", "--model.mlp_dim", "24", "--train.epochs", "1")
    where = ("--device", "cpu", "--threads", "1", "--runs", str(tmp_path), "--name", "run")
    assert cli.main(["train", "sr-vit-digits", *small, *where]) == 0
    run = Run(tmp_path / "run")
    assert (
        "A recursive ViT (SR-ViT: 3 layers of width 16, recursion depth 4, soft mixture)"
        in (run.path / "README.md").read_text()
    )
    out = tmp_path / "exported"
    assert cli.main(["export", str(run.path), str(out), "--bf16", "--gallery", "3", "--mixture"]) == 0
    exported = Run(out)
    shots = exported.mixtures()
    assert len(shots) == 3
    assert (run.mixtures(), exported.gallery()) == ({}, {})
    name, shot = next(iter(shots.items()))
    picture = load_dataset("digits", 8, 1).test.images[int(name.removeprefix("test-"))]
    assert torch.equal(torch.tensor(shot.pixels), picture)
    close(shot.logits, mixture_trace(exported.load_model(), picture).logits)
    capsys.readouterr()
    assert cli.main(["evaluate", str(out), "--mixture", "--json", "--device", "cpu", "--threads", "1"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["mixture"].items() <= exported.report("mixture").numbers().items()
    assert found["mixture"]["own"][-1] == pytest.approx(found["accuracy"][0])
    assert run.report("mixture") is None


def test_accuracy_per_recursion_step_is_that_of_the_answers(few_digits):
    model = equip(stirred(), Config(model=SMALL)).train()
    scores = measured("mixture", model, few_digits)
    assert model.training
    pixels = model.eval().transform.normalize(few_digits.test.images)
    for name, mixture in (("own", None), ("last", "last"), ("uniform", "uniform")):
        for depth in (1, 2, 3):
            answers = model.logits_with(pixels, mixture, depth).argmax(dim=-1)
            expected = float((answers == few_digits.test.labels).float().mean())
            assert getattr(scores, name)[depth - 1] == pytest.approx(expected)
    assert (scores.n, scores.mixture) == (40, "token")
