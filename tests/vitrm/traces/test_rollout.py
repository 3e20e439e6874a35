"""Attention rollout, against sums done by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from vitrm.model import ViTRM
from vitrm.runs.checkpoints import build, find_run
from vitrm.traces.recording import trace
from vitrm.traces.rollout import rollout


@pytest.fixture(scope="module")
def shown():
    return next(iter(find_run("digits-glimpse").gallery().values()))


def test_shares_are_not_negative_and_never_more_than_one(shown):
    shares = rollout(shown)
    assert shares.shape == (6, 1, 2, 16)
    assert shares.min() >= 0
    assert 0.1 < shares.sum(axis=-1).max() <= 1


def test_a_patch_that_was_never_read_gets_nothing(shown):
    first = rollout(shown)[0, 0, 0]
    unread = np.setdiff1d(np.arange(16), shown.patches[0])
    assert (first[unread] == 0).all()
    assert (first[shown.patches[0]] > 0).all()


def small(shown, reading):
    """One layer, one head, two memory tokens, two patches, one step of two memory iterations; weights made up."""
    if reading == "joint":
        patches = [[[0.5, 0.1], [0.0, 0.2]], [[0.2, 0.2], [0.4, 0.0]]]
        state = [[[0.2, 0.1, 0.1], [0.3, 0.2, 0.3]], [[0.3, 0.2, 0.1], [0.1, 0.1, 0.4]]]
    else:
        patches = [[[0.9, 0.1], [0.5, 0.5]], [[0.2, 0.8], [1.0, 0.0]]]
        state = [[[0.2, 0.5, 0.3], [0.1, 0.2, 0.7]], [[0.3, 0.3, 0.4], [0.6, 0.2, 0.2]]]
    answer = [[0.5, 0.3, 0.2], [0.1, 0.6, 0.3]]
    return replace(
        shown,
        patch_size=shown.pixels.shape[-1] // 2,
        patches=np.array([[2, 0]]),
        logits=np.zeros((1, 1, 2, 10)),
        halt_logit=np.zeros((1, 1, 2)),
        patch_attention=np.array(patches).reshape(1, 1, 2, 1, 1, 2, 2),
        state_attention=np.array(state).reshape(1, 1, 2, 1, 1, 2, 3),
        answer_attention=np.array(answer).reshape(1, 1, 2, 1, 1, 3),
    )


def test_joint_reading_by_hand(shown):
    one = small(shown, "joint")
    assert one.reading == "joint"
    # after the first memory update, shares of patches 2 and 0: half of what the patches give (the rest is the start)
    memory = np.array([[0.25, 0.05], [0.0, 0.1]])
    answer = 0.5 * (0.3 * memory[0] + 0.2 * memory[1])  # a read-out: the answer itself has nothing yet
    again = 0.5 * (memory + [[0.2, 0.2], [0.4, 0.0]] + np.array([[0.2, 0.1], [0.1, 0.4]]) @ memory)
    answer_2 = 0.5 * (0.6 * again[0] + 0.3 * again[1])
    expected = np.zeros((1, 1, 2, 4))
    expected[0, 0, 0, [2, 0]], expected[0, 0, 1, [2, 0]] = answer, answer_2
    np.testing.assert_allclose(rollout(one), expected, atol=1e-6)


def test_a_joint_row_that_spends_all_on_the_patches_is_still_joint(shown):
    one = small(shown, "joint")
    patches, state = one.patch_attention.copy(), one.state_attention.copy()
    patches[0, 0, 0, 0, 0, 0], state[0, 0, 0, 0, 0, 0] = [0.8, 0.2], 0
    assert replace(one, patch_attention=patches, state_attention=state).reading == "joint"


def brute_force(trace):
    """The same by whole matrices over [x ; y ; z], as in the paper, one for every layer."""
    steps, recursions, memory_steps, depth, _, tokens, reads = trace.patch_attention.shape
    total = (trace.pixels.shape[-1] // trace.patch_size) ** 2
    keep = np.eye(reads + 1 + tokens)
    to_patches, to_state, of_answer = (
        weights.mean(axis=4) for weights in (trace.patch_attention, trace.state_attention, trace.answer_attention)
    )

    def half(size, row, weights):  # of the rows from `row` on passes by, half is attention
        matrix = np.eye(size)
        matrix[row : row + len(weights)] = (matrix[row : row + len(weights)] + weights) / 2
        return matrix

    sources, found = np.zeros((1 + tokens, total)), []  # of y and z
    for n, t, m in np.ndindex(steps, recursions, memory_steps):
        through = keep
        for layer in range(depth):
            read = np.hstack([to_patches[n, t, m, layer], np.zeros((tokens, 1 + tokens))])
            mixed = np.hstack([np.zeros((tokens, reads)), to_state[n, t, m, layer]])
            for weights in (read, mixed) if trace.reading == "cross" else (read + mixed,):
                through = half(len(keep), reads + 1, weights) @ through
        sources[1:] = (through @ np.vstack([np.eye(total)[trace.patches[n]], sources]))[reads + 1 :]
        through = np.eye(1 + tokens)
        for weights in of_answer[n, t, m]:
            through = half(1 + tokens, 0, weights[None]) @ through
        found.append((through @ sources)[0])
        if m == memory_steps - 1:
            sources[0] = found[-1]
    return np.reshape(found, (steps, recursions, memory_steps, total))


@pytest.mark.parametrize("reading", ["joint", "cross"])
def test_a_traced_model_agrees_with_whole_matrices(reading):
    torch.manual_seed(0)
    model = build("digits-glimpse", reading=reading)
    pixels = np.random.default_rng(0).integers(0, 256, (1, 8, 8), dtype=np.uint8)
    made = trace(model, pixels, supervision_steps=3, recursion_steps=2, memory_steps=2, seed=4)
    assert made.reading == reading
    np.testing.assert_allclose(rollout(made), brute_force(made), atol=1e-6)


def test_cross_reading_by_hand(shown):
    one = small(shown, "cross")
    assert one.reading == "cross"
    read = 0.5 * np.array([[0.9, 0.1], [0.5, 0.5]])
    memory = 0.5 * (read + np.array([[0.5, 0.3], [0.2, 0.7]]) @ read)
    answer = 0.5 * (0.3 * memory[0] + 0.2 * memory[1])
    np.testing.assert_allclose(rollout(one)[0, 0, 0, [2, 0]], answer, atol=1e-6)


def test_a_model_without_attention_is_refused(tiny):
    torch.manual_seed(0)
    model = ViTRM(replace(tiny, token_mixing="mlp")).eval()
    from vitrm.config import Config
    from vitrm.families import equip

    equip(model, Config(model=model.config))
    with pytest.raises(ValueError, match="without attention"):
        rollout(trace(model, np.zeros((1, 8, 8), np.uint8)))
