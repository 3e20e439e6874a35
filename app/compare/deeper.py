"""The plain ViT that is as deep as a recursive model: counted, never trained."""

from __future__ import annotations

from app.compare.comparison import Entry
from app.compare.labels import count
from vitrm.config import AnyModelConfig, ViTConfig
from vitrm.errors import ConfigError
from vitrm.nets.cost import vit_parameters


def as_deep(config: AnyModelConfig) -> ViTConfig | None:
    """The plain ViT with as many layers as `config` applies, each with weights of its own: "just make it deeper".

    None for a family that has no transformer layers, no recursion, or more of it than a ViT may have layers.
    """
    if config.unrolled_layers == config.unique_layers:
        return None
    same = ("num_classes", "image_size", "channels", "patch_size", "dim", "num_heads", "mlp_dim", "feed_forward")
    try:
        values = {name: getattr(config, name) for name in (*same, "qkv_bias")}
        return ViTConfig(depth=config.unrolled_layers, dropout=0.0, **values)
    except (AttributeError, ConfigError):
        return None


def deeper_words(entry: Entry) -> str:
    """What the plain ViT that is as deep would take, in a sentence; "" where there is none."""
    deep = as_deep(entry.config)
    if deep is None:
        return ""
    more = vit_parameters(deep) / entry.parameters
    return (
        f"A plain ViT of this width with {deep.depth} layers of its own would have {count(vit_parameters(deep))} "
        f"parameters, {more:.1f} times as many. It is drawn and counted here, not trained."
    )
