"""Attention rollout: a derived map from the patches to the answer, which itself never attends to them. Pure numpy."""

from __future__ import annotations

import numpy as np

from vitrm.traces.trace import Trace


def rollout(trace: Trace) -> np.ndarray:
    """How much of the answer can have come from each patch, by the paths that attention opened: (N, T, M, L), 0..1.

    After Abnar and Zuidema (2020): attention weights, averaged over the heads, are multiplied along all updates so far;
    half of each layer is its residual. What does not come from a patch comes from the learned start, so rows sum to at
    most 1. A trace holds the attention of the tokens that an update keeps; the others (patches and answer while the
    memory is updated, memory while the answer is) count as what they were at its start.
    Raises ValueError if the trace has no attention weights.
    """
    to_patches, to_state, of_answer = trace.patch_attention, trace.state_attention, trace.answer_attention
    if to_patches is None or to_state is None or of_answer is None:
        raise ValueError("the model mixes its tokens without attention: there is nothing to roll out")
    steps, recursions, memory_steps, depth, _, tokens, _ = to_patches.shape
    total = (trace.pixels.shape[-1] // trace.patch_size) ** 2
    cross = trace.reading == "cross"
    answer, memory = np.zeros(total), np.zeros((tokens, total))  # shares that came from each patch
    reached = np.empty((steps, recursions, memory_steps, total), np.float32)
    for n, t, m in np.ndindex(steps, recursions, memory_steps):
        read = np.zeros((to_patches.shape[-1], total))
        read[np.arange(len(read)), trace.patches[n]] = 1  # each patch token is its own patch
        patches, state = to_patches[n, t, m].mean(axis=1), to_state[n, t, m].mean(axis=1)  # mean of the heads
        for layer in range(depth):
            seen = patches[layer] @ read
            if cross:  # an attention of its own, with its own residual, before the tokens are mixed
                memory, seen = (memory + seen) / 2, 0
            memory = (memory + seen + state[layer] @ np.vstack([answer, memory])) / 2
        answered = answer
        for weights in of_answer[n, t, m].mean(axis=1):
            answered = (answered + weights @ np.vstack([answered, memory])) / 2
        reached[n, t, m] = answered
        if m == memory_steps - 1:
            answer = answered
    return reached
