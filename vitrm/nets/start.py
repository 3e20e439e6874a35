"""What a newly made model starts with."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn

from vitrm.nets.layers import Attention


def init_linear(model: nn.Module) -> None:
    """Start every linear map of a model as all families do by default: Xavier uniform, no bias."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def init_as_authors(model: nn.Module, starts: Iterable[Tensor], heads: Iterable[nn.Module]) -> None:
    """Start a newly made ViTRM as the authors' code does.

    torch's defaults for the projection of the patches and in the block, where queries, keys and values are one Xavier
    uniform matrix without bias; Xavier normal for the `starts`, which are positions, y and z as (1, *, D), and for the
    `heads`, which have no bias.
    """
    for module in model.modules():
        if isinstance(module, Attention):
            bound = (6 / (4 * module.out.in_features)) ** 0.5  # of one matrix D -> 3D
            for part in (module.query, module.key_value):
                nn.init.uniform_(part.weight, -bound, bound)
            for part in (module.query, module.key_value, module.out):
                if part.bias is not None:
                    nn.init.zeros_(part.bias)
    for start in starts:
        nn.init.xavier_normal_(start)
    for head in heads:
        for part in head.modules():
            if isinstance(part, nn.Linear):
                nn.init.xavier_normal_(part.weight)
                nn.init.zeros_(part.bias)
