"""What a trace says of the cells of its maze."""

from dataclasses import replace

import numpy as np

from app.mazes.cells import cell_maps


def test_maps_of_the_cells_are_those_of_the_trace(maze, seen):
    found = cell_maps(seen, maze, tied=True, reachable=np.full((2, 1, 2, 9), 0.25))
    assert found.distances.tolist() == [0, 1, 2, -1, -1, -1, -1, -1, -1]
    probe, alike, change, attention = found.maps
    assert probe.values.shape == alike.values.shape == change.values.shape == attention.values.shape == (4, 9)
    assert (probe.values == 0.25).all()
    np.testing.assert_allclose(alike.values[:, 0], 1, atol=1e-5)  # the start is like itself
    states = seen.memory.reshape(4, 9, 8)
    one, other = states[3, 0], states[3, 5]
    cosine = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
    np.testing.assert_allclose(alike.values[3, 5], cosine, atol=1e-5)
    np.testing.assert_allclose(change.values[0], np.linalg.norm(states[0] - seen.initial_memory, axis=-1), rtol=1e-5)
    np.testing.assert_allclose(change.values[2, 4], np.linalg.norm(states[2, 4] - states[1, 4]), rtol=1e-5)
    np.testing.assert_allclose(
        attention.values[1, 7], 100 * seen.patch_attention[0, 0, 1, :, :, :, 7].mean(), rtol=1e-5
    )


def test_without_a_token_per_cell_only_the_attention_is_left(maze, seen):
    fewer = replace(seen, memory=seen.memory[..., :4, :], initial_memory=seen.initial_memory[:4])
    assert [each.name for each in cell_maps(fewer, maze, tied=False).maps] == ["Attention of the memory to the cells"]
