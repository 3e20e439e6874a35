"""Models by the family of their configuration, and weights by the names that they had before."""

import shutil
from dataclasses import replace

import pytest
import safetensors.torch
import torch

from vitrm.config import PRESETS, ViTConfig
from vitrm.families import RENAMED, load_weights, make_model
from vitrm.runs.checkpoints import find_run
from vitrm.training.trainer import Trainer

FAMILIES = {"digits": "ViTRM", "vit-small": "ViT", "resnet18": "ResNet", "sr-vit-digits": "SRViT"}


@pytest.mark.parametrize(("preset", "family"), FAMILIES.items())
def test_each_family_of_configurations_has_its_class(preset, family):
    assert type(make_model(PRESETS[preset].model)).__name__ == family


@pytest.mark.parametrize("preset", FAMILIES)
def test_weights_are_taken_under_the_names_of_before_and_of_today(preset):
    first, second, third = (make_model(PRESETS[preset].model) for _ in range(3))
    today = first.state_dict()
    before = {RENAMED.get(name, name): tensor for name, tensor in today.items()}
    assert (before.keys() != today.keys()) == (preset in ("vit-small", "sr-vit-digits"))
    load_weights(second, today)
    load_weights(third, before)
    for loaded in (second, third):
        assert all(torch.equal(tensor, today[name]) for name, tensor in loaded.state_dict().items())


def test_a_weights_file_of_before_is_read_under_the_names_of_today(tmp_path):
    bundled = find_run("sr-vit-digits")
    expected = bundled.load_model().state_dict()
    shutil.copyfile(bundled.path / "config.json", tmp_path / "config.json")
    before = {RENAMED.get(name, name): tensor for name, tensor in expected.items()}
    assert "answer_init" in before
    safetensors.torch.save_file(before, tmp_path / "model.safetensors")
    found = find_run(tmp_path).load_model().state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


def test_a_training_begun_under_the_names_of_before_goes_on(small_run, few_digits):
    shape = {"num_classes": 10, "image_size": 8, "channels": 1, "patch_size": 4}
    config = replace(small_run, model=ViTConfig(**shape, dim=12, depth=1, num_heads=2, mlp_dim=8))
    first, second = Trainer(config, few_digits), Trainer(config, few_digits)
    state = first.state_dict()
    for part in ("model", "averaged"):
        state[part] = {RENAMED.get(name, name): tensor + 1 for name, tensor in state[part].items()}
    second.load_state_dict(state)
    assert torch.equal(second.model.class_token, first.model.class_token + 1)
    assert torch.equal(second.averaged.class_token, first.averaged.class_token + 1)
