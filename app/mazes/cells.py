"""What a trace says of the cells of its maze. R = N * T * M moments, one after every memory update; L = S * S cells.

Pure, no streamlit, no torch.
"""

from __future__ import annotations

import numpy as np

from app.mazes.maze import Maze
from app.player.cells import CellMap, Cells
from vitrm.data.mazes import START
from vitrm.traces.trace import Trace


def cell_maps(
    trace: Trace, maze: Maze, tied: bool, reachable: np.ndarray | None = None, probe_words: str = ""
) -> Cells:
    """What a trace says of the cells of its maze.

    With one memory token per cell (K = L), also what each cell's own token does; `tied` says whether the model ties
    them to their cells by construction. `reachable` (R, L) is a probe's estimate, 0..1, that a cell can be reached.
    """
    moments, count, maps = trace.halt_logit.size, maze.cells.size, []
    if reachable is not None:
        maps.append(
            CellMap("Probe: can this cell be reached?", probe_words, _rows(reachable, moments), "sequential", 0.0, 1.0)
        )
    if trace.memory.shape[-2] == count:
        states = trace.memory.reshape(moments, count, -1)
        before = np.concatenate([np.broadcast_to(trace.initial_memory, states.shape[1:])[None], states[:-1]])
        change = np.linalg.norm(states - before, axis=-1)
        bound = (
            "Each cell has a memory token of its own."
            if tied
            else "There are as many memory tokens as cells, in the same order; that token and cell belong together was "
            "left to training."
        )
        if maze.has_one_start:
            unit = states / np.maximum(np.linalg.norm(states, axis=-1, keepdims=True), 1e-12)
            alike = np.einsum("rld,rd->rl", unit, unit[:, int(np.flatnonzero(maze.cells == START)[0])])
            maps.append(
                CellMap(
                    "Likeness to the start's memory token",
                    f"{bound} Cosine between a cell's token and that of the start: 1 the same direction, 0 none in "
                    "common. Tokens can be alike for other reasons than being reachable.",
                    alike.astype(np.float32),
                    "diverging",
                    -1.0,
                    1.0,
                )
            )
        maps.append(
            CellMap(
                "Change of the cell's memory token",
                f"{bound} Length of the change of a cell's token in this memory update. A change says that something "
                "was written there, not what.",
                change.astype(np.float32),
                "sequential",
                0.0,
                float(np.quantile(change[1:] if moments > 1 else change, 0.99)) or 1.0,
            )
        )
    if trace.patch_attention is not None:
        weights = trace.patch_attention.mean(axis=(3, 4, 5)).reshape(moments, -1)  # over layers, heads, memory tokens
        if weights.shape[1] == count:
            maps.append(
                CellMap(
                    "Attention of the memory to the cells",
                    "Mean over all layers, heads and memory tokens, in percent: which cells were read. What was read "
                    "need not have mattered.",
                    (100 * weights).astype(np.float32),
                    "sequential",
                    0.0,
                    float(100 * weights.max()) or 1.0,
                    "%",
                )
            )
    return Cells(maze.cells.ravel(), maze.distances.ravel(), tuple(maps))


def _rows(values: np.ndarray, moments: int) -> np.ndarray:
    return np.asarray(values, np.float32).reshape(moments, -1)
