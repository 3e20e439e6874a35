"""The counted multiply-adds are those that torch sees."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from vitrm.config import PRESETS, ModelConfig, ResNetConfig, SRViTConfig, ViTConfig
from vitrm.families import make_model
from vitrm.nets.cost import all_at_once, multiply_adds, vit_parameters

ROOT = Path(__file__).resolve().parents[3]

SMALL = ModelConfig(
    image_size=8, channels=1, patch_size=2, dim=16, depth=2, num_heads=2, mlp_dim=24, memory_tokens=3, memory_steps=2
)
VARIANTS = {
    "joint": {},
    "one-layer": {"depth": 1},
    "three-layers": {"depth": 3},
    "gelu": {"feed_forward": "gelu"},
    "one-token-per-patch": {"memory_tokens": None},
    "cross": {"reading": "cross"},
    "cross-one-layer": {"reading": "cross", "depth": 1},
    "mlp": {"token_mixing": "mlp"},
    "mlp-cross": {"token_mixing": "mlp", "reading": "cross"},
    "glimpses": {"glimpse_patches": 5, "supervision_steps": 3},
    "glimpses-cross": {"glimpse_patches": 5, "reading": "cross", "supervision_steps": 2},
    "two-blocks": {"shared_block": False},
    "mlp-head": {"head": "mlp"},
    "stem": {"patch_size": 4, "embedding": "convolutional"},
    "stem-cross": {"patch_size": 4, "embedding": "convolutional", "reading": "cross"},
    "deep": {"recursion_steps": 2, "supervision_steps": 3},
    "mixed-readout": {"readout": "mixture", "supervision_steps": 3},
    "mixed-readout-one-step": {"readout": "mixture"},
}
SMALL_SR = SRViTConfig(
    num_classes=10, image_size=8, channels=1, patch_size=2, dim=16, depth=2, num_heads=2, mlp_dim=24, recursion_depth=3
)
MIXTURES = {
    "once": {"recursion_depth": 1},
    "state": {},
    "linear": {"router_dim": 0},
    "all": {"router_input": "all"},
    "all-linear": {"router_input": "all", "router_dim": 0},
    "start": {"router_input": "start", "router_dim": 5},
    "start-linear": {"router_input": "start", "router_dim": 0},
    "stages": {"depth": 4, "location": "stage"},
    "stack": {"location": "stack"},
    "stem": {"patch_size": 4, "embedding": "convolutional"},
    "scalar": {"mixture": "scalar"},
    "last": {"mixture": "last"},
}


def counted(config, device="cpu", **choice):
    with torch.device(device):  # on "meta" nothing is computed, however large the model
        model = make_model(config).eval().requires_grad_(False)
        images = torch.randn(1, config.channels, config.image_size, config.image_size)
    with torch.no_grad(), FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        list(model.steps(images, **choice))
    return counter.get_total_flops() // 2


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_option_costs_what_torch_counts(variant):
    config = replace(SMALL, **VARIANTS[variant])
    assert multiply_adds(config) == counted(config)


@pytest.mark.parametrize("variant", ["glimpses", "glimpses-cross"])
def test_choosing_by_attention_costs_what_torch_counts(variant):
    config = replace(SMALL, **VARIANTS[variant])
    assert multiply_adds(config, policy="learned") == counted(config, policy="learned") > multiply_adds(config)
    assert multiply_adds(config, policy="fixed") == multiply_adds(config)


@pytest.mark.parametrize("variant", MIXTURES)
def test_every_mixture_costs_what_torch_counts(variant):
    config = replace(SMALL_SR, **MIXTURES[variant])
    assert multiply_adds(config) == counted(config)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_preset_costs_what_torch_counts(name):
    config = PRESETS[name].model
    assert multiply_adds(config) == counted(config, "cpu" if config.recurrent and config.glimpse_patches else "meta")


def test_recursion_steps_of_an_sr_vit_cost_as_if_they_were_configured():
    config = PRESETS["sr-vit-tiny"].model
    assert multiply_adds(config, recursion_steps=2) == multiply_adds(replace(config, recursion_depth=2))


def test_steps_given_at_run_time_cost_as_if_they_were_configured():
    deeper = replace(SMALL, supervision_steps=4, recursion_steps=2, memory_steps=5)
    assert multiply_adds(SMALL, 4, 2, 5) == multiply_adds(deeper)


def test_a_residual_network_costs_what_its_convolutions_say():
    # conv1: 64 maps of 16 x 16 from 3 x 7 x 7; a basic block of stride 1 at 8 x 8: two of 64 x 64 x 9
    config = ResNetConfig()
    stem, first = 64 * 16 * 16 * 3 * 49, 2 * 2 * 64 * 64 * 9 * 8 * 8
    rest = sum(
        ((width // 2 + 3 * width) * width * 9 + width // 2 * width) * size**2
        for width, size in ((128, 4), (256, 2), (512, 1))
    )
    assert multiply_adds(config) == stem + first + rest + 512 * 10


@pytest.mark.parametrize(
    "config",
    [
        ResNetConfig(layers=18, stem="cifar", image_size=9),
        ResNetConfig(layers=18, image_size=45, channels=1),
        ResNetConfig(layers=50, image_size=37),
    ],
)
def test_residual_networks_of_odd_shapes_cost_what_torch_counts(config):
    assert multiply_adds(config) == counted(config, "meta")


@pytest.mark.parametrize(
    "config",
    [
        ViTConfig(),
        PRESETS["vit-same-size"].model,
        PRESETS["vit-same-block"].model,
        ViTConfig(image_size=8, channels=1, patch_size=2, dim=16, depth=5, num_heads=2, mlp_dim=24, num_classes=7),
    ],
)
def test_the_parameters_of_a_plain_vit_are_those_that_it_has(config):
    with torch.device("meta"):
        model = make_model(config)
    assert vit_parameters(config) == sum(parameter.numel() for parameter in model.parameters())


def test_counting_needs_no_torch():
    code = (
        "import sys; from vitrm.config import PRESETS; from vitrm.nets.cost import multiply_adds; "
        "[multiply_adds(each.model) for each in PRESETS.values()]; print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_all_at_once_is_the_same_model_for_the_nearest_work():
    glimpsing = PRESETS["tiny"].model
    whole = all_at_once(glimpsing)
    assert whole.glimpse_patches is None
    assert (whole.dim, whole.depth, whole.memory_tokens) == (glimpsing.dim, glimpsing.depth, glimpsing.memory_tokens)
    distance = abs(multiply_adds(whole) - multiply_adds(glimpsing))
    for m, n in ((1, 1), (1, 3), (2, 1), (3, 1)):
        other = replace(whole, memory_steps=m, supervision_steps=n)
        assert abs(multiply_adds(other) - multiply_adds(glimpsing)) > distance
