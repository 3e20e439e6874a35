"""ViTRM, the Vision Tiny Recursion Model (arXiv 2603.19503): the recursion, written once.

Three streams of tokens, all of width D:

    x  patch tokens   (B, L, D)  what the image says; fixed during the recursion
    y  answer token   (B, 1, D)  what the model would answer now
    z  memory tokens  (B, K, D)  what it has worked out so far

and one small transformer block f, applied again and again:

    z <- f([x ; y ; z])  M times   Eq. 2, the memory update: the only move that reads the image
    y <- f([y ; z])      once      Eq. 3, the answer update: what y knows of the image comes through z

Both together are a recursion step, T of them a supervision step, after which the class and the halting
probability are read from y (Eq. 4). `ViTRM.moves` yields every single update; `steps`, `forward`, training
and tracing all consume it, so there is no second copy of this loop anywhere.

Three savings are exact and built in, because [x ; y ; z] is long and only its last K outputs are kept:
x's first-layer projections are computed once per image (`Block.read`), and the last layer computes
queries, feed-forward and output only where they are kept (`keep`): z in Eq. 2, y in Eq. 3.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from vitrm.config import AnyModelConfig, GlimpsePolicy, ModelConfig, ViTConfig, check_policy
from vitrm.nets.glimpses import centre_outwards, glimpse_patches, most_attended, steps_in_cycle

ALL = slice(None)
NONE = slice(0, 0)


class PatchEmbed(nn.Module):
    """Patch tokens x (Eq. 1): a linear projection of non-overlapping P x P patches plus learned positions.

    With relative positions, which the attention has instead, the projection alone.
    """

    def __init__(self, config: ModelConfig | ViTConfig) -> None:
        super().__init__()
        self.patch_size = config.patch_size
        self.projection = nn.Linear(config.channels * config.patch_size**2, config.dim)
        absolute = config.positions == "absolute"
        self.positions = nn.Parameter(torch.randn(config.num_patches, config.dim) * 0.02) if absolute else None

    def forward(self, images: Tensor, patches: Tensor | None = None) -> Tensor:
        """(B, C, H, W) -> (B, L, D), or (B, S, D) for the row-major `patches` (B, S) of each image."""
        p = self.patch_size
        pixels = rearrange(images, "b c (h p) (w q) -> b (h w) (c p q)", p=p, q=p)  # (B, L, C*P*P)
        if self.positions is None:
            return self.projection(pixels)
        if patches is None:
            return self.projection(pixels) + self.positions
        pixels = pixels.gather(1, patches[..., None].expand(-1, -1, pixels.shape[-1]))  # (B, S, C*P*P)
        return self.projection(pixels) + self.positions[patches]


class Dropout(nn.Module):
    """`nn.Dropout` with a cheaper mask on the CPU, where one random number per element costs a seventh of the time.

    Here four elements share one 64-bit random number, 16 bits each, so that the probability is p to within 1/65536.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, tokens: Tensor) -> Tensor:
        if not self.training or self.p == 0 or tokens.device.type != "cpu" or torch.compiler.is_compiling():
            return F.dropout(tokens, self.p, self.training)
        dropped = min(round(self.p * 65536), 65535)  # of 65536 equally likely values
        bits = torch.empty(-(-tokens.numel() // 4), dtype=torch.int64).random_(-(2**63), None).view(torch.int16)
        kept = bits[: tokens.numel()].view(tokens.shape) >= dropped - 32768
        return tokens * torch.where(kept, 65536 / (65536 - dropped), 0.0).to(tokens.dtype)


class DropPath(nn.Module):
    """A residual branch that each image skips with probability p in training (Huang et al. 2016); what stays is scaled.

    The draws are per image and per call, so that each application of a shared layer is dropped on its own.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, branch: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return branch
        kept = torch.rand(branch.shape[0], 1, 1, device=branch.device) >= self.p
        return branch * (kept / (1 - self.p)).to(branch.dtype)


class Attention(nn.Module):
    """Multi-head attention in two halves, so that projections can be kept and joined.

    `project` maps tokens to queries, keys and values; `forward` mixes them. With `record` the weights come
    from an explicit softmax and are returned; otherwise the fused kernel is used. A test pins both equal.
    """

    def __init__(self, dim: int, num_heads: int, dropout: float, bias: bool = True) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.dropout = Dropout(dropout)
        self.query = nn.Linear(dim, dim, bias)
        self.key_value = nn.Linear(dim, 2 * dim, bias)
        self.out = nn.Linear(dim, dim)

    def project_query(self, tokens: Tensor) -> Tensor:
        return rearrange(self.query(tokens), "b s (h d) -> b h s d", h=self.num_heads)

    def project_key_value(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        k, v = rearrange(self.key_value(tokens), "b s (two h d) -> two b h s d", two=2, h=self.num_heads)
        return k, v

    def project(self, tokens: Tensor, keep: slice) -> tuple[Tensor, ...]:
        """(B, S, D) -> queries of the kept positions, keys and values of all: each (B, H, *, D/H)."""
        return self.project_query(tokens[:, keep]), *self.project_key_value(tokens)

    def forward(
        self,
        projected: tuple[Tensor, ...],
        keep: slice,
        record: bool,
        bias: Tensor | None = None,
        scale: float | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Mixed tokens (B, kept, D), and the attention weights (B, H, kept, S) if recorded.

        `bias` (H, kept, S) is added to what the softmax is taken of; `scale` multiplies both, see `length_scale`.
        """
        q, k, v = projected
        if scale is not None:
            q, bias = q * scale, None if bias is None else bias * scale
        weights, dropout_p = None, self.dropout.p if self.training else 0.0
        learned = bias is not None and bias.requires_grad
        if record or ((dropout_p or learned) and q.device.type == "cpu"):  # for which the CPU has no fused kernel
            scores = q * q.shape[-1] ** -0.5 @ k.mT
            weights = (scores if bias is None else scores + bias).softmax(dim=-1)  # (B, H, kept, S), rows sum to 1
            mixed = self.dropout(weights) @ v
        else:
            mask = None if bias is None else bias[None]  # with three dimensions it would miss the CPU's fused kernel
            mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout_p)
        return self.out(rearrange(mixed, "b h s d -> b s (h d)")), weights if record else None


class TokenMLP(nn.Module):
    """Token mixing by a two-layer MLP across positions (Mixer style): fixed resolution, no attention weights.

    Its matrices are indexed by position in [x ; y ; z]. When x is absent (Eq. 3) the columns of the
    remaining positions, the last ones, are used: the same as feeding zeros for x.
    """

    def __init__(self, num_tokens: int, hidden: int) -> None:
        super().__init__()
        self.into = nn.Linear(num_tokens, hidden)
        self.back = nn.Linear(hidden, num_tokens)

    def project(self, tokens: Tensor, keep: slice) -> tuple[Tensor, ...]:
        return (tokens,)

    def forward(self, projected: tuple[Tensor, ...], keep: slice, record: bool) -> tuple[Tensor, None]:
        (tokens,) = projected
        s = tokens.shape[1]
        hidden = F.gelu(F.linear(tokens.mT, self.into.weight[:, -s:], self.into.bias))  # (B, D, hidden)
        mixed = F.linear(hidden, self.back.weight[-s:][keep], self.back.bias[-s:][keep])  # (B, D, kept)
        return mixed.mT, None


def length_scale(tokens: int, side: int, reference_side: int) -> float:
    """What logits are multiplied by where `tokens` are attended to that lie on side x side places: log(tokens) over
    its value on reference_side x reference_side places.

    The more keys there are, the more of the softmax goes to those that do not matter; a logarithm in the logits holds
    it together (Chiang and Cholak 2022, arXiv 2202.12172). 1 at the reference itself.
    """
    reference = 1 + (tokens - 1) // side**2 * reference_side**2  # all but y lie on a place
    return math.log(tokens) / math.log(reference)


def side_of(tokens: int) -> int:
    """Places along a side, of a sequence [x ; y ; z], [y ; z] or [y ; x] with `tokens` tokens, one of each on a place.

    Both 1 + L and 1 + 2L tokens tell it, as no square is twice another.
    """
    side = math.isqrt(tokens - 1)
    return side if side**2 == tokens - 1 else math.isqrt((tokens - 1) // 2)


class RelativePositions(nn.Module):
    """What attention prefers by place: a learned bias per head for each way two tokens can lie to each other.

    As in Swin (Liu et al. 2021), but cut off: rows and columns farther apart than REACH count as REACH apart. So the
    weights know nothing of the size of the image, and fit images of any size. It starts as in ALiBi (Press et al.
    2022), the nearer the better, by another slope in each head. Patches and memory tokens lie on the same places and
    have a table for each pair of kinds; y has no place and no bias.
    """

    REACH = 2
    RATE = 3.0  # bias per unit of the table: Adam moves every weight alike, and a bias has far to go

    def __init__(self, num_heads: int, kinds: int) -> None:
        """`kinds` is 2 where patches and memory are both attended to, else 1."""
        super().__init__()
        slopes = torch.linspace(1, 2, num_heads) if num_heads > 1 else torch.ones(1)
        apart = torch.arange(-self.REACH, self.REACH + 1).abs()
        steps = (apart[:, None] + apart).flatten()  # (ways,) there are from one to the other
        table = -slopes[:, None, None, None] * steps / self.RATE  # (H, 1, 1, ways)
        self.table = nn.Parameter(table.repeat(1, kinds, kinds, 1))

    def forward(self, tokens: int, side: int) -> Tensor:
        """(H, S, S) for `tokens` S on side x side places: [x ; y ; z] with the image, [y ; z] without. Rows ask,
        columns are attended to.
        """
        if tokens == 1 + side**2:
            return F.pad(self._bias(self.table[:, -1, -1], side), (1, 0, 1, 0))
        bias, to_answer = self._bias(self.table, side), (0, 1, 0, 0)
        rows = torch.cat([F.pad(bias[:, :, 0], to_answer), bias[:, :, 1]], dim=-1)  # (H, 2, L, L+1+L)
        return torch.cat([F.pad(rows[:, 0], (0, 0, 0, 1)), rows[:, 1]], dim=-2)

    def _bias(self, table: Tensor, side: int) -> Tensor:
        """(..., ways) -> (..., L, L)."""
        way, one_hot = _ways(side, self.REACH, table.device)
        if torch.is_grad_enabled():  # a product has a cheaper gradient than an index
            return (self.RATE * table @ one_hot.to(table.dtype)).unflatten(-1, way.shape)
        return self.RATE * table[..., way]


@lru_cache(maxsize=32)
def _ways(side: int, reach: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Which way each key lies from each query: its number (L, L), and the same one-hot (ways, L*L)."""
    with torch.inference_mode(False):
        rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
        down, right = ((place.flatten() - place.flatten()[:, None]).clamp(-reach, reach) for place in (rows, columns))
        across = 2 * reach + 1
        way = (down + reach) * across + right + reach
        return way.to(device), F.one_hot(way.flatten(), across**2).T.float().to(device)


class FeedForward(nn.Module):
    """SwiGLU (the authors' code) or GELU (the paper's text), D -> mlp_dim -> D, per token."""

    def __init__(self, config: ModelConfig | ViTConfig) -> None:
        super().__init__()
        self.gated = config.feed_forward == "swiglu"
        self.into = nn.Linear(config.dim, config.mlp_dim * (2 if self.gated else 1))
        self.back = nn.Linear(config.mlp_dim, config.dim)

    def forward(self, tokens: Tensor) -> Tensor:
        hidden = self.into(tokens)
        if self.gated:
            value, gate = hidden.chunk(2, dim=-1)
            return self.back(value * F.silu(gate))
        return self.back(F.gelu(hidden))


class Layer(nn.Module):
    """One pre-norm transformer layer: token mixing, then feed-forward, each with a residual.

    With `reads=True` (cross-attention reading) the memory tokens first look at the image. `drop_path` is the
    probability that an image skips a residual branch in training. `kinds` is that of `RelativePositions`.
    """

    def __init__(
        self, config: ModelConfig | ViTConfig, num_tokens: int, reads: bool, drop_path: float = 0.0, kinds: int = 1
    ) -> None:
        super().__init__()
        if reads:
            self.norm_query, self.norm_image = nn.LayerNorm(config.dim), nn.LayerNorm(config.dim)
            self.cross = Attention(config.dim, config.num_heads, config.dropout)
        self.norm_mix = nn.LayerNorm(config.dim)
        if config.token_mixing == "attention":
            self.mix = Attention(config.dim, config.num_heads, config.dropout, config.qkv_bias)
        else:
            self.mix = TokenMLP(num_tokens, config.mlp_dim)
        self.places = RelativePositions(config.num_heads, kinds) if config.positions == "relative" else None
        self.reference_side = config.reference_side
        self.norm_ff = nn.LayerNorm(config.dim)
        self.feed_forward = FeedForward(config)
        self.dropout = Dropout(config.dropout)
        self.drop_path = DropPath(drop_path)

    def project(self, tokens: Tensor, keep: slice) -> tuple[Tensor, ...]:
        """What the mixing needs of each token; the pieces of several token groups join along dim -2."""
        return self.mix.project(self.norm_mix(tokens), keep)

    def project_image(self, patches: Tensor) -> tuple[Tensor, ...]:
        """Keys and values of the patches for the cross-attention: (B, H, L, D/H) each."""
        return self.cross.project_key_value(self.norm_image(patches))

    def look(self, tokens: Tensor, image: tuple[Tensor, ...], record: bool) -> tuple[Tensor, Tensor | None]:
        """[y ; z] with z having read the image by cross-attention, and the weights (B, H, K, L)."""
        answer, memory = tokens[:, :1], tokens[:, 1:]
        query = self.cross.project_query(self.norm_query(memory))
        seen, weights = self.cross((query, *image), ALL, record)
        return torch.cat([answer, memory + self.drop_path(self.dropout(seen))], dim=1), weights

    def forward(
        self, tokens: Tensor, projected: tuple[Tensor, ...], keep: slice, record: bool
    ) -> tuple[Tensor, Tensor | None]:
        """The kept tokens after this layer (B, kept, D), and the attention weights if recorded."""
        if self.places is None:
            mixed, weights = self.mix(projected, keep, record)
        else:
            count, side = tokens.shape[1], side_of(tokens.shape[1])
            scale = self.reference_side and length_scale(count, side, self.reference_side)
            mixed, weights = self.mix(projected, keep, record, self.places(count, side)[:, keep], scale)
        tokens = tokens[:, keep] + self.drop_path(self.dropout(mixed))
        return tokens + self.drop_path(self.dropout(self.feed_forward(self.norm_ff(tokens)))), weights


def drop_path_rates(config: ModelConfig | ViTConfig) -> list[float]:
    """Of each layer: growing linearly from 0 at the first to the full value at the last."""
    return [config.drop_path * (i / (config.depth - 1) if config.depth > 1 else 1) for i in range(config.depth)]


class Reading(NamedTuple):
    """The patches as the block reads them, computed once per image (or per glimpse) and used M*T times."""

    tokens: Tensor  # (B, L, D)
    projected: tuple[tuple[Tensor, ...], ...]  # joint: first layer's; cross: every layer's keys and values

    def of(self, images: Tensor) -> Reading:
        """The same for some of the images, by index."""
        return Reading(self.tokens[images], tuple(tuple(part[images] for part in layer) for layer in self.projected))


class LayerAttention(NamedTuple):
    """Attention weights of one layer: over the block's own sequence, and over the patches (cross reading only)."""

    mix: Tensor | None  # (B, H, rows, columns)
    cross: Tensor | None  # (B, H, K, L)


class Block(nn.Module):
    """f: the layers that are shared over all updates, or that a plain ViT applies once."""

    def __init__(self, config: ModelConfig | ViTConfig, num_tokens: int, reads: bool) -> None:
        """For sequences of at most `num_tokens`.

        `reads=False` makes a block that never sees the image apart from its sequence: for the answer update alone, or
        for a plain ViT.
        """
        super().__init__()
        self.joint = reads and config.reading == "joint"
        cross = reads and config.reading == "cross"
        rates = drop_path_rates(config)
        self.layers = nn.ModuleList(Layer(config, num_tokens, cross, rate, 1 + self.joint) for rate in rates)
        self.norm = nn.LayerNorm(config.dim) if config.final_norm else nn.Identity()

    def read(self, patches: Tensor) -> Reading:
        """Everything about x that does not change during the recursion (exact saving)."""
        if self.joint:
            queries = NONE if len(self.layers) == 1 else ALL  # a last layer keeps no output of x
            return Reading(patches, (self.layers[0].project(patches, queries),))
        return Reading(patches, tuple(layer.project_image(patches) for layer in self.layers))

    def forward(
        self, tokens: Tensor, keep: slice, reading: Reading | None = None, record: bool = False
    ) -> tuple[Tensor, tuple[LayerAttention, ...] | None]:
        """f([x ; y ; z]) with a reading, f([y ; z]) without; only the outputs `keep` are computed and returned.

        tokens (B, 1+K, D) is [y ; z]; `keep` counts from the end of the sequence for z and from its start for y,
        so it means the same with and without x. Returns (B, kept, D) and, if recorded, each layer's attention.
        """
        attention = []
        for i, layer in enumerate(self.layers):
            positions = keep if i == len(self.layers) - 1 else ALL
            cross = None
            if reading is not None and not self.joint:
                tokens, cross = layer.look(tokens, reading.projected[i], record)
            projected = layer.project(tokens, positions)
            if reading is not None and self.joint and i == 0:
                projected = tuple(torch.cat(pair, dim=-2) for pair in zip(reading.projected[0], projected, strict=True))
                tokens = torch.cat([reading.tokens, tokens], dim=1)  # (B, L+1+K, D)
            tokens, mix = layer(tokens, projected, positions, record)
            attention.append(LayerAttention(mix, cross))
        return self.norm(tokens), tuple(attention) if record else None


@dataclass(frozen=True)
class State:
    """What the recursion carries: the answer token (B, 1, D) and the memory (B, K, D)."""

    answer: Tensor
    memory: Tensor

    def detach(self) -> State:
        return State(self.answer.detach(), self.memory.detach())

    def of(self, images: Tensor) -> State:
        """The same for some of the images, by index."""
        return State(self.answer[images], self.memory[images])


@dataclass(frozen=True)
class Move:
    """One update, just made. All counters start at 0."""

    supervision_step: int
    recursion_step: int
    memory_step: int | None  # None: this move was the answer update that closes the recursion step
    state: State
    patches: Tensor | None  # (B, S) indices of the patches being read, row-major; None = all of them
    attention: tuple[LayerAttention, ...] | None
    closes_step: bool  # this answer update was the last move of its supervision step


@dataclass(frozen=True)
class Step:
    """What one supervision step ends with (Eq. 4). Only a ViTRM has a halting logit and a memory."""

    logits: Tensor  # (B, C)
    halt_logit: Tensor | None  # (B,)
    answer: Tensor  # (B, 1, D), what the logits were read from; with readout="mixture" the newest part of it
    memory: Tensor | None  # (B, K, D)
    patches: Tensor | None  # (B, S) indices of the patches this step read; None = all of them

    @property
    def halt_prob(self) -> Tensor:
        """(B,) the model's own estimate, 0..1, that its current prediction is right."""
        return self.halt_logit.sigmoid()


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


class ViTRM(nn.Module):
    """The Vision Tiny Recursion Model. `config` decides every option; see `ModelConfig`."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.patch_embed = PatchEmbed(config)
        self.answer_init = nn.Parameter(torch.randn(1, 1, config.dim) * 0.02)
        starts = config.memory_size if config.positions == "absolute" else 1  # with relative ones all start the same
        self.memory_init = nn.Parameter(torch.randn(1, starts, config.dim) * 0.02)
        state = 1 + config.memory_size
        self.block = Block(config, state + (config.num_patches if config.reading == "joint" else 0), reads=True)
        self.answer_block = None if config.shared_block else Block(config, state, reads=False)
        self.classifier = _head(config, config.num_classes)
        self.halting = _head(config, 1)
        final = self.halting if config.head == "linear" else self.halting[-1]
        if config.init == "authors":
            init_as_authors(self)
        else:
            init_linear(self)
            nn.init.zeros_(final.weight)
        nn.init.constant_(final.bias, config.halt_bias)
        self.mixer = AnswerMixer(config) if config.readout == "mixture" else None  # last: the rest starts as without it

    @property
    def repeated(self) -> tuple[nn.Module, ...]:
        """The modules that do nearly all the work: what is worth compiling."""
        return (self.block,) if self.answer_block is None else (self.block, self.answer_block)

    # The paper's moves, one method each

    def initial_state(self, batch: int, memory_size: int | None = None) -> State:
        """The learned y and z that every image starts from; K is the configuration's if none is given."""
        memory = self.memory_init.expand(batch, memory_size or self.config.memory_size, -1)
        return State(self.answer_init.expand(batch, -1, -1), memory)

    def read(self, images: Tensor, patches: Tensor | None = None) -> Reading:
        """x (Eq. 1) of (B, C, H, W) images, ready to be read; only the given `patches` (B, S) if any."""
        return self.block.read(self.patch_embed(images, patches))

    def update_memory(
        self, reading: Reading, state: State, record: bool = False
    ) -> tuple[State, tuple[LayerAttention, ...] | None]:
        """z <- last K outputs of f([x ; y ; z]) (Eq. 2)."""
        tokens = torch.cat([state.answer, state.memory], dim=1)  # (B, 1+K, D)
        memory, attention = self.block(tokens, slice(-state.memory.shape[1], None), reading, record)
        return State(state.answer, memory), attention

    def update_answer(self, state: State, record: bool = False) -> tuple[State, tuple[LayerAttention, ...] | None]:
        """y <- first output of f([y ; z]) (Eq. 3); x is deliberately absent."""
        tokens = torch.cat([state.answer, state.memory], dim=1)  # (B, 1+K, D)
        answer, attention = (self.answer_block or self.block)(tokens, slice(0, 1), None, record)
        return State(answer, state.memory), attention

    def read_out(self, answer: Tensor, earlier: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Class logits (B, C) and halting logit (B,) of an answer token (B, 1, D) (Eq. 4).

        With `readout="mixture"` they are of its mixture with the `earlier` answers (B, n, D) that the supervision steps
        before ended with, if any; otherwise those are not looked at.
        """
        if self.mixer is not None and earlier is not None:
            answer = self.mixer(torch.cat([earlier, answer], dim=1))
        return self.classifier(answer[:, 0]), self.halting(answer[:, 0])[:, 0]

    # Where to look next

    def places(self) -> tuple[Tensor, ...]:
        """What the first layer makes of the positional embeddings alone: the keys (1, H, L, D/H) are second to last.

        No image comes into it: it is the same for all of them, and for all supervision steps.
        """
        layer, positions = self.block.layers[0], self.patch_embed.positions[None]  # (1, L, D)
        return layer.project(positions, NONE) if self.block.joint else layer.project_image(positions)

    def attention_to_places(self, state: State, places: tuple[Tensor, ...], seen: Tensor) -> Tensor:
        """(B, L) the first layer's attention of the memory to places not `seen` (B, L), each row summing to 1.

        The queries are those of the memory tokens z in the next memory update, the keys those of `places`; softmax
        over the places not seen, then the mean over heads and memory tokens. So it depends on what has been read,
        through z, and on no pixel that has not. It was never trained for choosing: it is the attention that training
        for the answer has left behind, asked about places instead of patches. Seen places have 0; at least one place
        must not be seen. Before the first step z is its learned start, the same for every image.
        """
        layer = self.block.layers[0]
        if self.block.joint:
            query = layer.mix.project_query(layer.norm_mix(state.memory))  # (B, H, K, D/H)
        else:
            query = layer.cross.project_query(layer.norm_query(state.memory))
        scores = query * query.shape[-1] ** -0.5 @ places[-2].mT  # (B, H, K, L)
        return scores.masked_fill(seen[:, None, None], -torch.inf).softmax(dim=-1).mean(dim=(1, 2))

    @torch.no_grad()
    def choose(
        self,
        policy: GlimpsePolicy,
        step: int,
        state: State,
        seen: Tensor,
        *,
        seeds: int | Tensor = 0,
        places: tuple[Tensor, ...] | None = None,
    ) -> Tensor:
        """Row-major indices (B, S) of the patches that `policy` has supervision step `step` (from 0) read.

        `state` is what the step before ended with; `seen` (B, L) marks what has been read in this cycle and only
        matters to "learned", `seeds` only to "random"; `places` are `self.places()`, if they are at hand.
        """
        config, batch, device = self.config, len(seen), seen.device
        if policy == "random":
            return glimpse_patches(step, seeds, batch, config, device)
        if policy == "fixed":
            return centre_outwards(step, batch, config, device)
        attention = self.attention_to_places(state, places or self.places(), seen)
        return most_attended(attention, config.glimpse_patches)

    # The recursion

    def moves(
        self,
        images: Tensor,
        supervision_steps: int | None = None,
        seeds: int | Tensor = 0,
        backprop: str = "supervision_step",
        record: bool = False,
        *,
        recursion_steps: int | None = None,
        memory_steps: int | None = None,
        edit: Callable[[State, State], State] | None = None,
        start: State | None = None,
        unlearned: int = 0,
        patches: Tensor | None = None,
        policy: GlimpsePolicy = "random",
    ) -> Generator[Move, Tensor | None, None]:
        """Every update of the recursion, in order, each computed when it is asked for.

        images (B, C, H, W); `supervision_steps` N, `recursion_steps` T and `memory_steps` M default to the config's.
        `policy` says who chooses the glimpses (see glimpse.py); `seeds`, one for all images or (B,), draws random ones,
        and the draw of an image depends on its own seed alone.
        `backprop` is the gradient policy of `TrainConfig`. `record=True` attaches the attention weights. `edit` may
        replace the state after a memory update, given the one before and the one after. `start` is a state to go on
        from, in place of the learned one. The first `unlearned` supervision steps are made without gradient, whatever
        `backprop` says: those after them begin with a state that is a constant. `patches` are given in place of a
        policy: (B, S) are read at every step, (N, B, S) are one choice for each.
        In training mode the image is embedded anew at each supervision step, because the weights may have moved in
        between.

        Whoever sends an index of images into the generator (`moves.send(index)`) goes on with those images alone:
        that is how images that have halted leave the batch.
        """
        config = self.config
        check_images(images, config)
        n_steps = _count("supervision_steps", supervision_steps, config)
        t_steps = _count("recursion_steps", recursion_steps, config)
        m_steps = _count("memory_steps", memory_steps, config)
        check_policy(policy, config)
        if patches is not None and patches.ndim == 3 and len(patches) < n_steps:
            raise ValueError(f"patches of {len(patches)} steps, expected one choice for each of {n_steps}")
        memory_size = _patches_in(images, config) if config.positions == "relative" else config.memory_size
        state, reading = start or self.initial_state(len(images), memory_size), None
        chooses = config.glimpse_patches is not None and patches is None
        given = patches if patches is not None and patches.ndim == 3 else None
        places = self.places() if chooses and policy == "learned" and not self.training else None
        for n in range(n_steps):
            if chooses and n % steps_in_cycle(config) == 0:
                seen = torch.zeros(len(images), config.num_patches, dtype=torch.bool, device=images.device)
            if chooses:
                patches = self.choose(policy, n, state, seen, seeds=seeds, places=places)
                seen = seen.scatter(1, patches, True)
            elif given is not None:
                patches = given[n]
            if chooses or given is not None or n in (0, unlearned) or (self.training and n > unlearned):
                with torch.set_grad_enabled(torch.is_grad_enabled() and n >= unlearned):
                    reading = self.read(images, patches)
            if backprop != "all":
                state = state.detach() if n else state
            for t in range(t_steps):
                free = n < unlearned or (backprop == "last_recursion" and t < t_steps - 1)
                for m in [*range(m_steps), None]:
                    with torch.set_grad_enabled(torch.is_grad_enabled() and not free):
                        if m is None:
                            state, attention = self.update_answer(state, record)
                        else:
                            before = state
                            state, attention = self.update_memory(reading, state, record)
                            state = state if edit is None else edit(before, state)
                    staying = yield Move(n, t, m, state, patches, attention, m is None and t == t_steps - 1)
                    if staying is not None:
                        images, state, reading = images[staying], state.of(staying), reading.of(staying)
                        seeds = seeds[staying] if isinstance(seeds, Tensor) else seeds
                        patches = None if patches is None else patches[staying]
                        given = None if given is None else given[:, staying]
                        seen = seen[staying] if chooses else None

    def steps(
        self,
        images: Tensor,
        supervision_steps: int | None = None,
        seeds: int | Tensor = 0,
        backprop: str = "supervision_step",
        *,
        recursion_steps: int | None = None,
        memory_steps: int | None = None,
        start: State | None = None,
        unlearned: int = 0,
        patches: Tensor | None = None,
        policy: GlimpsePolicy = "random",
    ) -> Generator[Step, Tensor | None, None]:
        """The read-out after each supervision step; arguments, and what can be sent, as in `moves`.

        A consumer may stop early, or update the weights between two steps (the paper's training does).
        """
        budget = {"recursion_steps": recursion_steps, "memory_steps": memory_steps}
        choice = {"start": start, "unlearned": unlearned, "patches": patches, "policy": policy}
        moves = self.moves(images, supervision_steps, seeds, backprop, **budget, **choice)
        staying, earlier = None, None
        with contextlib.suppress(StopIteration):
            while True:
                move = moves.send(staying)
                staying = None
                if move.closes_step:
                    answer = move.state.answer
                    logits, halt_logit = self.read_out(answer, earlier)
                    staying = yield Step(logits, halt_logit, answer, move.state.memory, move.patches)
                    if self.mixer is not None:  # as constants, where the weights move between the steps
                        kept = answer if backprop == "all" else answer.detach()
                        earlier = kept if earlier is None else torch.cat([earlier, kept], dim=1)
                        earlier = earlier if staying is None else earlier[staying]

    def forward(self, images: Tensor, supervision_steps: int | None = None, seeds: int | Tensor = 0) -> Tensor:
        """Class logits (B, C) after the last supervision step; no halting, as in the paper's evaluation."""
        for step in self.steps(images, supervision_steps, seeds):
            last = step
        return last.logits


def init_linear(model: nn.Module) -> None:
    """Start every linear map of a model as all families do by default: Xavier uniform, no bias."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def init_as_authors(model: ViTRM) -> None:
    """Start a newly made model as the authors' code does.

    torch's defaults for the projection of the patches and in the block, where queries, keys and values are one Xavier
    uniform matrix without bias; Xavier normal for positions, y, z and the heads, which have no bias.
    """
    for module in model.modules():
        if isinstance(module, Attention):
            bound = (6 / (4 * module.out.in_features)) ** 0.5  # of one matrix D -> 3D
            for part in (module.query, module.key_value):
                nn.init.uniform_(part.weight, -bound, bound)
            for part in (module.query, module.key_value, module.out):
                if part.bias is not None:
                    nn.init.zeros_(part.bias)
    if model.patch_embed.positions is not None:
        nn.init.xavier_normal_(model.patch_embed.positions[None])  # as (1, L, D), like z
    for start in (model.answer_init, model.memory_init):
        nn.init.xavier_normal_(start)
    for head in (model.classifier, model.halting):
        for part in head.modules():
            if isinstance(part, nn.Linear):
                nn.init.xavier_normal_(part.weight)
                nn.init.zeros_(part.bias)


def _count(name: str, given: int | None, config: ModelConfig) -> int:
    """How many steps to run: as given, or as configured. Raises ValueError below 1."""
    count = getattr(config, name) if given is None else given
    if count < 1:
        raise ValueError(f"{name}={count}: expected 1 or more")
    return count


def _head(config: ModelConfig, outputs: int) -> nn.Module:
    if config.head == "linear":
        return nn.Linear(config.dim, outputs)
    return nn.Sequential(nn.Linear(config.dim, config.dim), nn.GELU(), nn.Linear(config.dim, outputs))


def _patches_in(images: Tensor, config: ModelConfig) -> int:
    """L of images (B, C, H, W), which may be of another size than the configuration's."""
    return (images.shape[-1] // config.patch_size) ** 2


def check_images(images: Tensor, config: AnyModelConfig) -> None:
    """Raises ValueError if these are not (B, C, H, W) as the model was made for; with relative positions any square of
    whole patches is.
    """
    size = config.image_size
    if getattr(config, "positions", "absolute") == "relative" and images.ndim == 4:
        size = max(images.shape[-1] // config.patch_size, 1) * config.patch_size
    expected = (config.channels, size, size)
    if images.ndim != 4 or tuple(images.shape[1:]) != expected:
        raise ValueError(
            f"images have shape {tuple(images.shape)}, expected (batch, {', '.join(map(str, expected))}); "
            "model.transform makes such a tensor from a PIL image, images[None] adds the batch"
        )
