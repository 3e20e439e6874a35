"""Causal edits do what they say, and nothing else."""

import numpy as np
import pytest
import torch

from vitrm.errors import ConfigError
from vitrm.model import State
from vitrm.runs.checkpoints import build, load
from vitrm.traces.edits import Edit
from vitrm.traces.recording import trace

PIXELS = np.arange(64, dtype=np.uint8).reshape(1, 8, 8)


@pytest.fixture(scope="module")
def model():
    return load("digits-glimpse")


def test_hidden_patches_get_the_mean_colour_and_the_rest_stays():
    edited = Edit(hidden_patches=(5,)).pixels(PIXELS, 2, (0.5,))
    assert (edited[0, 2:4, 2:4] == 128).all()
    edited[0, 2:4, 2:4] = PIXELS[0, 2:4, 2:4]
    np.testing.assert_array_equal(edited, PIXELS)


def test_zeroed_and_frozen_tokens_and_no_others_change():
    before = State(torch.zeros(1, 1, 4), torch.ones(1, 3, 4))
    after = State(torch.ones(1, 1, 4), torch.full((1, 3, 4), 2.0))
    state = Edit(zeroed=(0,), frozen=(2,)).state(before, after)
    assert state.memory[0, :, 0].tolist() == [0, 2, 1]
    assert torch.equal(state.answer, after.answer)
    assert after.memory.min() == 2  # the state it was given is left alone


def test_no_edit_is_the_plain_trace(model):
    np.testing.assert_array_equal(trace(model, PIXELS, edit=Edit()).logits, trace(model, PIXELS).logits)


def test_the_memory_is_a_set_so_shuffling_it_changes_nothing(model, close):
    shuffled = trace(model, PIXELS, edit=Edit(shuffled=True))
    plain = trace(model, PIXELS)
    close(shuffled.logits, plain.logits)
    assert not np.allclose(shuffled.memory, plain.memory, atol=1e-3)


def test_with_a_token_mixing_mlp_the_order_of_the_memory_matters():
    torch.manual_seed(0)
    mixer = build("digits", token_mixing="mlp")
    shuffled, plain = (trace(mixer, PIXELS, edit=Edit(shuffled=on)) for on in (True, False))
    assert not np.allclose(shuffled.logits, plain.logits, atol=1e-3)


def test_a_zeroed_token_moves_the_answer(model):
    assert not np.allclose(trace(model, PIXELS, edit=Edit(zeroed=(0,))).logits, trace(model, PIXELS).logits, atol=1e-3)


def test_hiding_a_patch_changes_nothing_before_it_is_read(model):
    plain = trace(model, PIXELS)
    last = next(p for p in plain.patches[3] if p not in plain.patches[:3])
    hidden = trace(model, PIXELS, edit=Edit(hidden_patches=(int(last),)))
    np.testing.assert_array_equal(hidden.logits[:3], plain.logits[:3])
    assert not np.array_equal(hidden.logits[3:], plain.logits[3:])


@pytest.mark.parametrize(
    ("edit", "message"),
    [(Edit(hidden_patches=(16,)), "no patch 16: expected 0 to 15"), (Edit(frozen=(8,)), "no memory token 8")],
)
def test_what_is_not_there_is_refused_by_name(model, edit, message):
    with pytest.raises(ConfigError, match=message):
        trace(model, PIXELS, edit=edit)


def test_the_number_of_steps_is_a_choice_at_run_time(model, close):
    longer = trace(model, PIXELS, supervision_steps=3, recursion_steps=2, memory_steps=4)
    assert longer.halt_logit.shape == (3, 2, 4)
    images = model.transform.normalize(torch.from_numpy(PIXELS))[None]
    steps = list(model.steps(images, 3, recursion_steps=2, memory_steps=4))
    close(steps[-1].logits[0].detach(), longer.logits[-1, -1, -1])
