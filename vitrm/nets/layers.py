"""The layers that every transformer here is made of: patches in, token mixing, feed-forward, dropout."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from vitrm.config import ModelConfig, ViTConfig
from vitrm.errors import ConfigError
from vitrm.nets.positions import RelativePositions
from vitrm.nets.stem import ConvolutionalStem

ALL = slice(None)
NONE = slice(0, 0)


def small_start(*shape: int) -> nn.Parameter:
    """What positions and tokens that are learned start with: 0.02 times numbers of a standard normal distribution.

    On the meta device, which holds no numbers, none are drawn: that would import torch's compiler, a second and 100 MB.
    """
    start = torch.empty(shape)
    return nn.Parameter(start if start.is_meta else start.normal_() * 0.02)


class PatchEmbed(nn.Module):
    """Patch tokens x (Eq. 1): a linear projection of non-overlapping P x P patches plus learned positions.

    With relative positions, which the attention has instead, the projection alone. With embedding="convolutional" a
    stem of convolutions in its place.
    """

    def __init__(self, config: ModelConfig | ViTConfig) -> None:
        super().__init__()
        self.patch_size = config.patch_size
        linear = config.embedding == "linear"
        self.projection = nn.Linear(config.channels * config.patch_size**2, config.dim) if linear else None
        self.stem = None if linear else ConvolutionalStem(config)
        absolute = config.positions == "absolute"
        self.positions = small_start(config.num_patches, config.dim) if absolute else None

    def forward(self, images: Tensor, patches: Tensor | None = None) -> Tensor:
        """(B, C, H, W) -> (B, L, D), or (B, S, D) for the row-major `patches` (B, S) of each image.

        Raises ConfigError for `patches` with a stem, whose tokens all see more than their own patch, and with relative
        positions, which are those of whole images.
        """
        if patches is not None and (self.stem is not None or self.positions is None):
            why = "its positions are relative" if self.stem is None else "its convolutional stem sees over their edges"
            raise ConfigError(f"some patches alone cannot be read by this model: {why}")
        if self.stem is not None:
            tokens = self.stem(images)
            return tokens if self.positions is None else tokens + self.positions
        p = self.patch_size
        pixels = rearrange(images, "b c (h p) (w q) -> b (h w) (c p q)", p=p, q=p)  # (B, L, C*P*P)
        if self.positions is None:
            return self.projection(pixels)
        if patches is None:
            return self.projection(pixels) + self.positions
        pixels = pixels.gather(1, patches[..., None].expand(-1, -1, pixels.shape[-1]))  # (B, S, C*P*P)
        return self.projection(pixels) + self.positions[patches]


def _drawn(tokens: Tensor, dropped: int) -> Tensor:
    """Which elements are kept, each False with probability dropped / 65536: a mask as large as `tokens`."""
    bits = torch.empty(-(-tokens.numel() // 4), dtype=torch.int64).random_(-(2**63), None).view(torch.int16)
    return bits[: tokens.numel()].view(tokens.shape) >= dropped - 32768


# As one operation, for a compiler, which would draw each element's number in its own, slower way. The tag says that two
# calls are two draws.
_drawn_op = torch.library.custom_op("vitrm::drawn", _drawn, mutates_args=(), tags=(torch.Tag.nondeterministic_seeded,))
_drawn_op.register_fake(lambda tokens, dropped: torch.empty_like(tokens, dtype=torch.bool))


class Dropout(nn.Module):
    """`nn.Dropout` with a cheaper mask on the CPU, where one random number per element costs a seventh of the time.

    Here four elements share one 64-bit random number, 16 bits each, so that the probability is p to within 1/65536.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, tokens: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return tokens
        if tokens.device.type != "cpu":
            return F.dropout(tokens, self.p)
        dropped = min(round(self.p * 65536), 65535)  # of 65536 equally likely values
        scale = 65536 / (65536 - dropped)
        if torch.compiler.is_compiling():  # the compiler does not vectorise what is quicker without it
            return tokens * torch.where(_drawn_op(tokens, dropped), scale, 0.0).to(tokens.dtype)
        mask = _drawn(tokens, dropped).view(torch.int8).to(tokens.dtype).mul_(scale)  # half the time of a choice
        return tokens * mask


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


def drop_path_rates(config: ModelConfig | ViTConfig) -> list[float]:
    """Of each layer: growing linearly from 0 at the first to the full value at the last."""
    return [config.drop_path * (i / (config.depth - 1) if config.depth > 1 else 1) for i in range(config.depth)]


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
        b, s, d = tokens.shape  # views, where einops would take a twentieth of a small model's time on a CPU
        return self.query(tokens).view(b, s, self.num_heads, d // self.num_heads).transpose(1, 2)

    def project_key_value(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        b, s, d = tokens.shape
        k, v = self.key_value(tokens).view(b, s, 2, self.num_heads, d // self.num_heads).permute(2, 0, 3, 1, 4)
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
        scale: float | Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Mixed tokens (B, kept, D), and the attention weights (B, H, kept, S) if recorded.

        The softmax is taken of the scores, multiplied by `scale` (one for all, or (kept, 1); see `length_scale`), plus
        `bias` (H, kept, S).
        """
        q, k, v = projected
        if scale is not None:
            q = q * (scale.to(q.dtype) if isinstance(scale, Tensor) else scale)
        weights, dropout_p = None, self.dropout.p if self.training else 0.0
        learned = bias is not None and bias.requires_grad
        halves = q.dtype is torch.bfloat16 and q.requires_grad
        if record or ((dropout_p or learned or halves) and q.device.type == "cpu"):  # where no fused kernel is fast
            scores = q * q.shape[-1] ** -0.5 @ k.mT
            weights = (scores if bias is None else scores + bias).softmax(dim=-1)  # (B, H, kept, S), rows sum to 1
            mixed = self.dropout(weights) @ v
        else:
            mask = None if bias is None else bias[None]  # with three dimensions it would miss the CPU's fused kernel
            mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout_p)
        return self.out(mixed.transpose(1, 2).flatten(2)), weights if record else None


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
        relative = config.positions == "relative"
        by_place = (config.num_heads, kinds, config.reference_side, config.attention_within)
        self.places = RelativePositions(*by_place) if relative else None
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
            mixed, weights = self.mix(projected, keep, record, *self.places(tokens.shape[1], keep))
        tokens = tokens[:, keep] + self.drop_path(self.dropout(mixed))
        return tokens + self.drop_path(self.dropout(self.feed_forward(self.norm_ff(tokens)))), weights
