"""What the recursion costs, counted exactly as model.py computes it: multiply-adds of all matrix products, per image.

Norms, activations and softmax are left out, as is usual. Tests hold these counts to what torch counts while it runs.
"""

from __future__ import annotations

from vitrm.config import ModelConfig


def multiply_adds(
    config: ModelConfig,
    supervision_steps: int | None = None,
    recursion_steps: int | None = None,
    memory_steps: int | None = None,
) -> int:
    """Multiply-adds for one image in evaluation; N, T and M default to the configuration's."""
    n = config.supervision_steps if supervision_steps is None else supervision_steps
    t = config.recursion_steps if recursion_steps is None else recursion_steps
    m = config.memory_steps if memory_steps is None else memory_steps
    readings = n if config.glimpse_patches is not None else 1  # the whole image is read once and kept
    recursion = m * _memory_update(config) + _answer_update(config)
    return readings * _reading(config) + n * (t * recursion + _heads(config))


def _reading(config: ModelConfig) -> int:
    """Patch tokens (Eq. 1), and what is computed of them once."""
    s, d = _patches(config), config.dim
    embed = s * config.channels * config.patch_size**2 * d
    if config.reading == "cross":
        return embed + config.depth * s * 2 * d * d
    if config.token_mixing == "mlp":
        return embed
    return embed + s * d * d * (2 if config.depth == 1 else 3)


def _memory_update(config: ModelConfig) -> int:
    """Eq. 2: only the memory's outputs of the last layer are computed."""
    s, k, d = _patches(config), config.memory_size, config.dim
    joint = config.reading == "joint"
    length = 1 + k + (s if joint else 0)
    total = 0
    for i in range(config.depth):
        last = i == config.depth - 1
        new = 1 + k if i == 0 and joint else length  # of the first layer, x's share is in _reading
        total += _layer(config, new, length, kept=k if last else length, queries=k if last else new)
        if not joint:
            total += 2 * k * d * d + 2 * k * s * d  # cross-attention of z to x: query, output; scores, mixing
    return total


def _answer_update(config: ModelConfig) -> int:
    """Eq. 3: only the answer's output of the last layer is computed."""
    length, total = 1 + config.memory_size, 0
    for i in range(config.depth):
        kept = 1 if i == config.depth - 1 else length
        total += _layer(config, length, length, kept=kept, queries=kept)
    return total


def _layer(config: ModelConfig, projected: int, length: int, kept: int, queries: int) -> int:
    """One layer over `length` tokens, of which `projected` are newly projected and `kept` are computed to the end."""
    d = config.dim
    feed_forward = kept * d * config.mlp_dim * (3 if config.feed_forward == "swiglu" else 2)
    if config.token_mixing == "mlp":
        return d * config.mlp_dim * (length + kept) + feed_forward
    project = projected * 2 * d * d + queries * d * d
    mix = 2 * kept * length * d
    return project + mix + kept * d * d + feed_forward


def _heads(config: ModelConfig) -> int:
    outputs, d = config.num_classes + 1, config.dim
    return d * outputs if config.head == "linear" else 2 * d * d + d * outputs


def _patches(config: ModelConfig) -> int:
    return config.num_patches if config.glimpse_patches is None else config.glimpse_patches
