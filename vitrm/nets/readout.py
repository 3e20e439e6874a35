"""What is read of an answer token (Eq. 4): the heads of class and halting, and the soft mixture of several answers."""

from __future__ import annotations

from torch import Tensor, nn

from vitrm.config import ModelConfig


def make_head(config: ModelConfig, outputs: int) -> nn.Module:
    """Of an answer (B, D) to (B, outputs): one linear map, or two as the configuration says."""
    if config.head == "linear":
        return nn.Linear(config.dim, outputs)
    return nn.Sequential(nn.Linear(config.dim, config.dim), nn.GELU(), nn.Linear(config.dim, outputs))


class AnswerMixer(nn.Module):
    """The answer tokens of all supervision steps so far as one, softly weighted: the idea of SR-ViT, for ViTRM.

    Each is scored by itself, D -> 1, and the scores go through a softmax. So it takes any number of steps, those of an
    early exit as well as more than it was trained with. The scores start at 0: the mean.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.dim, elementwise_affine=False)
        self.score = nn.Linear(config.dim, 1, bias=False)  # which would be the same for all
        nn.init.zeros_(self.score.weight)

    def weights(self, answers: Tensor) -> Tensor:
        """(B, n, D) -> (B, 1, n), which sum to 1."""
        return self.score(self.norm(answers)).softmax(dim=1).mT

    def forward(self, answers: Tensor) -> Tensor:
        """(B, n, D) -> (B, 1, D)."""
        return self.weights(answers) @ answers
