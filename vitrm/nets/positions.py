"""Where a token lies, told to the attention: preferences by relative place, for images of any size."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

KEPT = 4  # biases by relative position, of two kinds of updates each, on images of two sizes


def length_scale(tokens: int, reference_side: int) -> float:
    """What logits are multiplied by where `tokens` are attended to: log(tokens) over its value where they lie on
    reference_side x reference_side places.

    The more keys there are, the more of the softmax goes to those that do not matter; a logarithm in the logits holds
    it together (Chiang and Cholak 2022, arXiv 2202.12172). 1 at the reference itself.
    """
    reference = 1 + (tokens - 1) // side_of(tokens) ** 2 * reference_side**2  # all but y lie on a place
    return math.log(tokens) / math.log(reference)


def side_of(tokens: int) -> int:
    """Places along a side, of a sequence [x ; y ; z], [y ; z] or [y ; x] with `tokens` tokens, one of each on a place.

    Both 1 + L and 1 + 2L tokens tell it, as no square is twice another.
    """
    side = math.isqrt(tokens - 1)
    return side if side**2 == tokens - 1 else math.isqrt((tokens - 1) // 2)


class Prefers(NamedTuple):
    """What is added to the logits of attention, and what multiplies them before."""

    bias: Tensor  # (H, kept, S), multiplied already
    scale: float | Tensor | None  # of every row, or (kept, 1); None for 1


class RelativePositions(nn.Module):
    """What attention prefers by place: a learned bias per head for each way two tokens can lie to each other.

    As in Swin (Liu et al. 2021), but cut off: rows and columns farther apart than REACH count as REACH apart. So the
    weights know nothing of the size of the image, and fit images of any size. It starts as in ALiBi (Press et al.
    2022), the nearer the better, by another slope in each head. Patches and memory tokens lie on the same places and
    have a table for each pair of kinds; y has no place and no bias.

    Places more than `within` rows or columns away are not read at all (neighbourhood attention, Hassani et al. 2023),
    by y alone.
    """

    REACH = 2
    RATE = 3.0  # bias per unit of the table: Adam moves every weight alike, and a bias has far to go

    def __init__(
        self, num_heads: int, kinds: int, reference_side: int | None = None, within: int | None = None
    ) -> None:
        """`kinds` is 2 where patches and memory are both attended to, else 1; the rest as in `ModelConfig`."""
        super().__init__()
        with torch.device("cpu"):  # on the meta device sums would import torch's compiler
            slopes = torch.linspace(1, 2, num_heads) if num_heads > 1 else torch.ones(1)
            apart = torch.arange(-self.REACH, self.REACH + 1).abs()
            steps = (apart[:, None] + apart).flatten()  # (ways,) there are from one to the other
            table = -slopes[:, None, None, None] * steps / self.RATE  # (H, 1, 1, ways)
            table = table.repeat(1, kinds, kinds, 1)
        self.table = nn.Parameter(table.to(torch.get_default_device()))
        self.reference_side, self.within = reference_side, within
        self.kept: tuple[Tensor, dict[tuple, Prefers]] | None = None  # weights, and what `forward` made of them

    def forward(self, tokens: int, keep: slice = slice(None)) -> Prefers:
        """For sequences [x ; y ; z], or [y ; z] without the image, of `tokens` S.

        Rows ask, columns are attended to. Without gradient, on a CPU, the last few are kept until the weights change:
        they are the same for all updates of a recursion, and as large as the attention itself.
        """
        table = self.table
        if torch.is_grad_enabled() or torch.compiler.is_compiling() or table.device.type != "cpu":
            return self._made(tokens, keep)
        weights, kept = self.kept or (None, {})
        if weights is None or weights.dtype != table.dtype or not torch.equal(weights, table):
            weights, kept = table.detach().clone(), {}  # versions of tensors do not tell: optimizers may not count them
        key = (tokens, keep.start, keep.stop, self.within)
        if key not in kept:
            with torch.inference_mode(False), torch.no_grad():
                kept = dict(list(kept.items())[1 - KEPT :]) | {key: self._made(tokens, keep)}
            self.kept = weights, kept
        return kept[key]

    def _made(self, tokens: int, keep: slice) -> Prefers:
        side = side_of(tokens)
        if tokens == 1 + side**2:
            answer, whole = 0, F.pad(self._bias(self.table[:, -1, -1], side), (1, 0, 1, 0))
        else:
            bias, to_answer, answer = self._bias(self.table, side), (0, 1, 0, 0), side**2
            rows = torch.cat([F.pad(bias[:, :, 0], to_answer), bias[:, :, 1]], dim=-1)  # (H, 2, L, L+1+L)
            whole = torch.cat([F.pad(rows[:, 0], (0, 0, 0, 1)), rows[:, 1]], dim=-2)
        if self.reference_side is None:
            return Prefers(whole[:, keep], None)
        scale = length_scale(tokens, self.reference_side)
        if self.within is not None:  # y alone reads the more keys, the larger the image is
            is_answer = torch.arange(tokens, device=whole.device)[:, None] == answer
            scale = torch.where(is_answer, scale, 1.0)[keep]
        return Prefers(whole[:, keep] * scale, scale)

    def _bias(self, table: Tensor, side: int) -> Tensor:
        """(..., ways) -> (..., L, L)."""
        ways = _ways.__wrapped__ if torch.compiler.is_compiling() else _ways  # what is traced is no tensor to be kept
        way = ways(side, self.REACH, table.device)
        if torch.is_grad_enabled():  # a product has a cheaper gradient than an index
            one_hot = _one_hot_ways(side, self.REACH, table.device).to(table.dtype)
            bias = (self.RATE * table @ one_hot).unflatten(-1, way.shape)
        else:
            bias = self.RATE * table[..., way]
        if self.within is None:
            return bias
        place = torch.arange(side, device=table.device)
        far = (place[:, None] - place).abs() > self.within  # in rows, and in columns
        far = far[:, None, :, None] | far[None, :, None]
        return bias.masked_fill(far.flatten(2).flatten(0, 1), -torch.inf)


@lru_cache(maxsize=32)
def _ways(side: int, reach: int, device: torch.device) -> Tensor:
    """Which way each key lies from each query: its number (L, L)."""
    with torch.inference_mode(False):
        rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
        down, right = ((place.flatten() - place.flatten()[:, None]).clamp(-reach, reach) for place in (rows, columns))
        across = 2 * reach + 1
        return ((down + reach) * across + right + reach).to(device)


@lru_cache(maxsize=8)
def _one_hot_ways(side: int, reach: int, device: torch.device) -> Tensor:
    """The same one-hot, (ways, L*L)."""
    with torch.inference_mode(False):
        return F.one_hot(_ways(side, reach, device).flatten(), (2 * reach + 1) ** 2).T.float()
