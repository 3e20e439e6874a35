"""What any model may be set to at most, whatever its family, and how its depth is described."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vitrm.config.fields import check

MOST_CLASSES = 100_000
MOST_STEPS = 1000  # supervision steps
# Far above anything useful. They keep a damaged or hostile config.json from taking all memory, or forever.
_LARGEST = {
    "num_classes": MOST_CLASSES,
    "image_size": 4096,
    "patch_size": 4096,
    "dim": 16_384,
    "depth": 256,
    "num_heads": 1024,
    "mlp_dim": 65_536,
    "memory_tokens": 65_536,
    "memory_steps": 1000,
    "recursion_steps": 1000,
    "supervision_steps": MOST_STEPS,
    "recursion_depth": 256,
    "stage_layers": 256,
}

_MOST_LAYERS = 65_536  # applied one after the other: what is drawn, pass by pass


@dataclass(frozen=True)
class Pass:
    """Some layers applied one after the other, and what for: the depth of a model is a sequence of these."""

    step: int  # supervision step, from 0
    name: str  # what it updates; "" where a model has but one pass
    layers: tuple[int, ...]  # which of the model's layers, each with weights of its own, from 0


def check_shape(model: Any) -> None:
    """What every family has in common: counts within reason, images that can be cut up, rates below 1."""
    for name, largest in _LARGEST.items():
        value = getattr(model, name, None)
        if value is not None:
            check(1 <= value <= largest, f"{name}={value}: expected 1 to {largest:,}")
    layers = model.unrolled_layers
    check(layers <= _MOST_LAYERS, f"{layers:,} layers one after the other: expected at most {_MOST_LAYERS:,}")
    check(model.channels in (1, 3), f"channels={model.channels}: expected 1 (grey) or 3 (colour)")
    for name in ("dropout", "drop_path"):
        value = getattr(model, name, 0.0)
        check(0 <= value < 1, f"{name}={value}: expected 0 <= {name} < 1")


def check_patches(model: Any) -> None:
    """The same for what is made of patches and attention heads."""
    check(
        model.image_size % model.patch_size == 0,
        f"image_size={model.image_size} is not a multiple of patch_size={model.patch_size}",
    )
    check(model.dim % model.num_heads == 0, f"dim={model.dim} is not a multiple of num_heads={model.num_heads}")
    check(model.num_patches <= 65_536, f"{model.num_patches:,} patches: expected at most 65,536; enlarge patch_size")


STEM_GROUPS = 8  # that its maps are normalised in


def check_embedding(model: Any, part: str) -> None:
    """The same for a convolutional stem; `part` is the setting that, if set, lets the model see some patches only."""
    if model.embedding == "linear":
        return
    check(
        model.patch_size == 4,
        f"embedding='convolutional' needs patch_size=4, as its poolings leave it; found {model.patch_size}",
    )
    check(
        model.dim % (2 * STEM_GROUPS) == 0,
        f"embedding='convolutional' needs a dim that is a multiple of {2 * STEM_GROUPS}, found {model.dim}",
    )
    check(
        getattr(model, part) is None,
        f"embedding='convolutional' needs {part}=None: convolutions see over the edges of patches, into those that are "
        "not to be seen",
    )


def check_relative(model: Any) -> None:
    """The same for what only relative positions have: attention scaled by the size of the image, and to near places."""
    for name, what in (("reference_side", "patches along a side"), ("attention_within", "rows and columns")):
        value = getattr(model, name)
        if value is not None:
            check(1 <= value <= 4096, f"{name}={value}: expected 1 to 4,096 {what}, or null")
            check(
                model.positions == "relative",
                f"{name}={value} needs positions='relative': with absolute ones images are of one size",
            )
