"""What a model costs, counted exactly as it is computed: multiply-adds of all matrix products, per image.

Norms, activations and softmax are left out, as is usual. Tests hold these counts to what torch counts while it runs.
"""

from __future__ import annotations

import math
from dataclasses import replace

from vitrm.config import AnyModelConfig, GlimpsePolicy, ModelConfig, ResNetConfig, SRViTConfig, ViTConfig

_FLOAT = 4  # bytes


def multiply_adds(
    config: AnyModelConfig,
    supervision_steps: int | None = None,
    recursion_steps: int | None = None,
    memory_steps: int | None = None,
    *,
    policy: GlimpsePolicy = "random",
) -> int:
    """Multiply-adds for one image in evaluation; N, T and M default to the configuration's.

    `policy` says who chooses the glimpses: "learned" works for it. For a family without recursion these mean nothing;
    of an SR-ViT the recursion steps are R. Its routers count; the mixing itself, R * D products for each token, is left
    out like all that is no matrix product.
    """
    if isinstance(config, SRViTConfig):
        config = replace(config, recursion_depth=recursion_steps or config.recursion_depth)
        return _vit(config, config.recursion_depth) + (_routers(config) if config.mixes else 0)
    if isinstance(config, ViTConfig):
        return _vit(config, 1)
    if isinstance(config, ResNetConfig):
        return _resnet(config)
    n = config.supervision_steps if supervision_steps is None else supervision_steps
    t = config.recursion_steps if recursion_steps is None else recursion_steps
    m = config.memory_steps if memory_steps is None else memory_steps
    readings = n if config.glimpse_patches is not None else 1  # the whole image is read once and kept
    recursion = m * _memory_update(config) + _answer_update(config)
    choosing = _choosing(config, n) if policy == "learned" else 0
    mixing = 0
    if config.readout == "mixture":  # at step k from 2 on: k answers are scored and summed
        mixing = config.dim * sum(2 * k for k in range(2, n + 1))
    return readings * _reading(config) + n * (t * recursion + _heads(config)) + choosing + mixing


def all_at_once(config: ModelConfig) -> ModelConfig:
    """The same model reading the whole image at every step, with the N and M whose multiply-adds come nearest.

    What glimpses are to be compared with: the same width, depth and memory, about the same work for an image. Of two
    settings equally near the one with fewer memory steps, which is nearer to the glimpsing model, is taken.
    """
    whole, target = replace(config, glimpse_patches=None), multiply_adds(config)
    settings = [
        replace(whole, memory_steps=m, supervision_steps=n)
        for m in range(1, 2 * config.memory_steps + 3)
        for n in range(1, config.supervision_steps + 1)
    ]
    return min(settings, key=lambda each: abs(multiply_adds(each) - target))


def working_bytes(
    config: AnyModelConfig,
    supervision_steps: int | None = None,
    recursion_steps: int | None = None,
    memory_steps: int | None = None,
    *,
    images: int = 1,
    backward: bool = False,
) -> int:
    """At least the memory that is needed beside the weights to answer some images at once: the widest layer in float32,
    with attention weights, and, of a recursion, all that a trace of one image holds.

    With `backward` about what its layers keep until gradients have gone back through all of them.
    """
    if isinstance(config, ResNetConfig):
        return _FLOAT * images * 3 * 256 * config.image_size**2
    d, patches = config.dim, config.num_patches
    memory = config.memory_size if isinstance(config, ModelConfig) else 0
    read = _patches(config) if isinstance(config, ModelConfig) else patches
    tokens = 1 + memory + read
    scores = 0 if config.token_mixing == "mlp" else config.num_heads * tokens**2
    layer = tokens * (6 * d + 3 * config.mlp_dim) + scores + patches * config.channels * config.patch_size**2
    if not isinstance(config, ModelConfig):
        repeats = config.recursion_depth if isinstance(config, SRViTConfig) else 1
        return _FLOAT * images * (layer + repeats * tokens * d)
    counts = (supervision_steps, recursion_steps, memory_steps)
    usual = (config.supervision_steps, config.recursion_steps, config.memory_steps)
    moments = math.prod(usual[k] if given is None else given for k, given in enumerate(counts))
    kept = config.num_classes + 1 + d + memory * d
    kept += config.depth * config.num_heads * (memory * read + (1 + memory) ** 2)
    if backward:
        steps = usual[0] if supervision_steps is None else supervision_steps
        updates = moments + steps * (usual[1] if recursion_steps is None else recursion_steps)  # of z, then of y
        images *= config.depth * updates
    return _FLOAT * (images * layer + 2 * moments * kept)  # moments are kept one by one, then as one array


def _vit(config: ViTConfig, times: int) -> int:
    """A transformer whose layers are applied so many times each."""
    s, d, length = config.num_patches, config.dim, config.num_patches + 1
    last = _layer(config, length, length, kept=1, queries=1)  # only the class token is read
    whole = _layer(config, length, length, kept=length, queries=length)
    layers = (times * config.depth - 1) * whole + last
    return _embedding(config, s) + layers + d * config.num_classes


def _embedding(config: ModelConfig | ViTConfig, patches: int) -> int:
    """Eq. 1 for so many patches; a convolutional stem, two 3 x 3 convolutions and a pooling between, makes all."""
    if config.embedding == "linear":
        return patches * config.channels * config.patch_size**2 * config.dim
    size, width = config.image_size, config.dim // 2
    return 9 * (config.channels * width * size**2 + width * config.dim * (size // 2) ** 2)


def _routers(config: SRViTConfig) -> int:
    """The scores of all steps: for every token, but in the last stage for the class token alone."""
    if config.mixture != "token":
        return 0
    r, d, hidden = config.recursion_depth, config.dim, config.router_width
    tokens = (config.stages - 1) * (config.num_patches + 1) + 1
    if config.router_input == "state":  # of each state the score of its own step
        return tokens * r * (d * hidden + hidden if hidden else d)
    inputs = r * d if config.router_input == "all" else d
    return tokens * (inputs * hidden + hidden * r if hidden else inputs * r)


def vit_parameters(config: ViTConfig) -> int:
    """Parameters of a plain ViT (linear patches, absolute positions): so one can be named that nobody has built."""
    d, hidden = config.dim, config.mlp_dim
    attention = 3 * d * d + (3 * d if config.qkv_bias else 0) + d * d + d
    if config.feed_forward == "swiglu":
        feed_forward = 2 * (d * hidden + hidden) + hidden * d + d
    else:
        feed_forward = d * hidden + hidden + hidden * d + d
    layer = attention + feed_forward + 4 * d  # and two norms
    embed = config.channels * config.patch_size**2 * d + d + config.num_patches * d
    return embed + d + config.depth * layer + 2 * d + (d + 1) * config.num_classes


# Blocks in each of the four stages (He et al. 2016, Table 1), and whether they have a bottleneck.
_STAGES = {18: ((2, 2, 2, 2), False), 34: ((3, 4, 6, 3), False), 50: ((3, 4, 6, 3), True)}


def _resnet(config: ResNetConfig) -> int:
    if config.stem == "cifar":
        size = config.image_size
        total = config.channels * 9 * 64 * size**2
    else:
        size = _halved(config.image_size)
        total = config.channels * 49 * 64 * size**2
        size = _halved(size)
    blocks, bottleneck = _STAGES[config.layers]
    before = 64
    for stage, count in enumerate(blocks):
        width = 64 * 2**stage
        after = 4 * width if bottleneck else width
        for block in range(count):
            stride = 2 if stage and not block else 1
            reads, size = size, _halved(size) if stride == 2 else size
            if bottleneck:  # torchvision puts the stride into the 3 x 3 convolution
                total += before * width * reads**2 + (9 * width * width + width * after) * size**2
            else:
                total += (9 * before * width + 9 * width * width) * size**2
            if before != after:
                total += before * after * size**2  # on the shortcut
            before = after
    return total + before * config.num_classes


def _halved(size: int) -> int:
    return (size + 1) // 2


def _reading(config: ModelConfig) -> int:
    """Patch tokens (Eq. 1), and what is computed of them once."""
    s, d = _patches(config), config.dim
    embed = _embedding(config, s)
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


def _layer(config: ModelConfig | ViTConfig, projected: int, length: int, kept: int, queries: int) -> int:
    """One layer over `length` tokens, of which `projected` are newly projected and `kept` are computed to the end."""
    d = config.dim
    feed_forward = kept * d * config.mlp_dim * (3 if config.feed_forward == "swiglu" else 2)
    if config.token_mixing == "mlp":
        return d * config.mlp_dim * (length + kept) + feed_forward
    project = projected * 2 * d * d + queries * d * d
    mix = 2 * kept * length * d
    return project + mix + kept * d * d + feed_forward


def _choosing(config: ModelConfig, steps: int) -> int:
    """Keys (and values, of no use) of the places, once; a query of each memory token and its scores, at each step."""
    d, k, places = config.dim, config.memory_size, config.num_patches
    return places * 2 * d * d + steps * (k * d * d + k * d * places)


def _heads(config: ModelConfig) -> int:
    outputs, d = config.num_classes + 1, config.dim
    return d * outputs if config.head == "linear" else 2 * d * d + d * outputs


def _patches(config: ModelConfig) -> int:
    return config.num_patches if config.glimpse_patches is None else config.glimpse_patches
