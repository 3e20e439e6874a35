"""Weights: they come back bit for bit, and files that are damaged, hostile or of another model are refused."""

import json
import pickle

import pytest
import safetensors.torch
import torch

from vitrm.errors import RunError
from vitrm.model import ViTRM
from vitrm.runs.checkpoints import load


def test_loading_gives_back_the_weights_that_were_saved(fresh):
    run, trainer = fresh
    run.save_weights(trainer.averaged)
    model = load(run.path)
    assert not model.training
    for ours, theirs in zip(model.parameters(), trainer.averaged.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert model.class_names == tuple("0123456789")
    assert (model.transform.mean, model.transform.std) == (trainer.config.data.mean, trainer.config.data.std)


def test_truncated_weights_are_refused(copy):
    file = copy.path / "model.safetensors"
    whole = file.read_bytes()
    for length in (0, 4, 100, len(whole) - 1):
        file.write_bytes(whole[:length])
        with pytest.raises(RunError, match=r"model.safetensors' is damaged \(.*\); copy or train it again"):
            copy.load_model()


def test_loaded_weights_compute_what_the_trained_ones_did_bit_for_bit(fresh, few_digits):
    run, trainer = fresh
    run.save_weights(trainer.averaged)
    loaded, trained = run.load_model().requires_grad_(False), trainer.averaged.eval()  # with gradients: other kernels
    # Where a tensor begins decides in which order some processors sum.
    assert {tensor.data_ptr() % 64 for tensor in loaded.state_dict().values()} == {0}
    pixels = few_digits.preprocess.normalize(few_digits.val.images)
    with torch.inference_mode():
        for ours, theirs in zip(loaded.steps(pixels), trained.steps(pixels), strict=True):
            assert torch.equal(ours.logits, theirs.logits)
            assert torch.equal(ours.memory, theirs.memory)


def test_a_pickle_that_calls_itself_safetensors_is_refused_and_not_executed(copy, tmp_path, hostile):
    (copy.path / "model.safetensors").write_bytes(pickle.dumps(hostile(tmp_path / "mark")))
    with pytest.raises(RunError, match=r"model.safetensors' is damaged"):
        copy.load_model()
    assert not (tmp_path / "mark").exists()


def _rewrite(run, **changes):
    values = json.loads((run.path / "config.json").read_text())
    for name, value in changes.items():
        values["model"][name] = value
    (run.path / "config.json").write_text(json.dumps(values))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"dim": 32},
            r"does not fit its config.json: tensor 'answer_init' has shape \(1, 1, 16\), expected \(1, 1, 32\)",
        ),
        ({"depth": 2}, r"tensor 'block.layers.1.\S+' has shape absent, expected"),
        ({"final_norm": False}, r"tensor 'block.norm.bias' has shape \(16,\), expected absent"),
    ],
)
def test_the_config_of_another_model_is_refused(copy, changes, message):
    _rewrite(copy, **changes)
    with pytest.raises(RunError, match=message):
        copy.load_model()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dim": 2**60}, "dim=1152921504606846976: expected 1 to 16,384"),
        ({"depth": 10**9}, "depth=1000000000: expected 1 to 256"),
        ({"memory_tokens": 10**12}, "memory_tokens=1000000000000: expected 1 to"),
        ({"image_size": 2**40}, "image_size=1099511627776: expected 1 to 4,096"),
        ({"memory_steps": 10**15}, "memory_steps=1000000000000000: expected 1 to 1,000"),
        ({"dmi": 3}, r"unknown key 'dmi' in config.model; did you mean 'dim'\?"),
        ({"dim": float("inf")}, "dim=inf: expected a whole number"),
        ({"num_classes": 9}, "data.classes has 10 entries, but the model needs 9"),
        ({"channels": 3}, "data.mean has 1 entries, but the model needs 3"),
    ],
)
def test_absurd_settings_are_refused_before_anything_is_built(copy, changes, message):
    _rewrite(copy, **changes)
    with pytest.raises(RunError, match=message):
        copy.load_model()


def test_the_largest_model_that_settings_allow_is_refused_without_being_allocated(copy):
    _rewrite(copy, dim=16_384, mlp_dim=65_536, depth=256, num_heads=1024, memory_tokens=65_536)  # 3.5 terabytes
    with pytest.raises(RunError, match=r"does not fit its config\.json"):
        copy.load_model()


def test_weights_are_stored_by_the_names_of_the_module(finished):
    stored = safetensors.torch.load_file(finished.path / "model.safetensors")
    assert stored.keys() == ViTRM(finished.config().model).state_dict().keys()
