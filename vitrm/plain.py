"""The updates in their plainest form, without any of the exact savings: what tests and `vitrm bench` compare with.

Same parameters, same `moves`; only how one update is computed differs. Every call runs all layers over the whole
sequence [x ; y ; z] (or [y ; z]) and then throws most of the result away.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vitrm.config import ModelConfig
from vitrm.model import State, ViTRM
from vitrm.nets.block import Block, LayerAttention, Reading
from vitrm.nets.layers import ALL


class PlainViTRM(ViTRM):
    """`ViTRM` computed as the equations are written, with torch's own dropout. Loads the same `state_dict`."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        for module in self.modules():
            if hasattr(module, "dropout"):
                module.dropout = nn.Dropout(module.dropout.p)

    def read(self, images: Tensor, patches: Tensor | None = None) -> Reading:
        """Nothing is prepared: the patch tokens alone."""
        return Reading(self.patch_embed(images, patches), ())

    def update_memory(
        self, reading: Reading, state: State, record: bool = False
    ) -> tuple[State, tuple[LayerAttention, ...] | None]:
        """z <- last K of f([x ; y ; z]) (Eq. 2)."""
        memory = _apply(self.block, torch.cat([state.answer, state.memory], dim=1), reading.tokens)
        return State(state.answer, memory[:, -state.memory.shape[1] :]), None

    def update_answer(self, state: State, record: bool = False) -> tuple[State, tuple[LayerAttention, ...] | None]:
        """y <- first of f([y ; z]) (Eq. 3)."""
        answer = _apply(self.answer_block or self.block, torch.cat([state.answer, state.memory], dim=1), None)
        return State(answer[:, :1], state.memory), None


def _apply(block: Block, tokens: Tensor, patches: Tensor | None) -> Tensor:
    """All outputs of f([x ; y ; z]), or of f([y ; z]) without patches."""
    if patches is not None and block.joint:
        tokens = torch.cat([patches, tokens], dim=1)
    for layer in block.layers:
        if patches is not None and not block.joint:
            tokens, _ = layer.look(tokens, layer.project_image(patches), record=False)
        tokens, _ = layer(tokens, layer.project(tokens, ALL), ALL, record=False)
    return block.norm(tokens)
