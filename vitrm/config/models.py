"""What a model is: ViTRM's shape, the families there are, and what some of them can't do."""

from __future__ import annotations

import math
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from vitrm.config.comparisons import ResNetConfig, SRViTConfig, ViTConfig
from vitrm.config.fields import check, setting
from vitrm.config.limits import Pass, check_embedding, check_patches, check_relative, check_shape


@dataclass(frozen=True)
class ModelConfig:
    """The shape of a ViTRM. Paper letters in brackets; the defaults are the published ones.

    `memory_tokens=None` means one memory token per patch (K = L), as in the authors' code;
    the paper's text leaves K free. `glimpse_patches=None` means every step reads the whole image.
    """

    recurrent: ClassVar[bool] = True  # it works in supervision steps, with a memory, and says when it has seen enough
    mixes: ClassVar[bool] = False
    qkv_bias: ClassVar[bool] = True
    title: ClassVar[str] = "ViTRM"
    family_title: ClassVar[str] = "ViTRM"

    family: Literal["vitrm"] = "vitrm"
    num_classes: int = setting(10, "Classes", "How many the data have; they decide it, where it is not given.")
    image_size: int = setting(32, "Image size", "Side of the square images in pixels.", paper=32)
    channels: int = setting(3, "Colour channels", "1 for grey, 3 for colour.", paper=3)
    patch_size: int = setting(4, "Patch size", "Side of a patch in pixels; it must divide the image size.", paper=4)
    embedding: Literal["linear", "convolutional"] = setting(
        "linear",
        "Patches become tokens by",
        "One linear map of each patch, or a few small convolutions, which see over its edges.",
        paper="linear",
    )
    dim: int = setting(
        384, "Width D", "Length of every token; it must be a multiple of the number of heads.", paper=384
    )
    depth: int = setting(3, "Layers k", "Layers in the block; ViTRM shares one for all its steps.", paper=3)
    num_heads: int = setting(6, "Attention heads", "How many attentions each layer runs side by side.", paper=6)
    mlp_dim: int = setting(512, "Feed-forward width", "Width inside each layer's feed-forward part.", paper=512)
    feed_forward: Literal["swiglu", "gelu"] = setting(
        "swiglu",
        "Feed-forward kind",
        "SwiGLU as in the authors' code, or GELU as in the paper's text.",
        paper="gelu",
        code="swiglu",
    )
    token_mixing: Literal["attention", "mlp"] = setting(
        "attention", "Tokens mix by", "Attention, or an MLP over fixed positions.", paper="attention"
    )
    reading: Literal["joint", "cross"] = setting(
        "joint",
        "Memory reads by",
        "Joint self-attention over everything, or cross-attention to the patches.",
        paper="joint",
    )
    positions: Literal["absolute", "relative"] = setting(
        "absolute",
        "Positions",
        "Where a patch is: learnt for each place of the image, or by distance, for any size.",
        paper="absolute",
    )
    reference_side: int | None = setting(
        None,
        "Attention scaled from",
        "Patches along a side where attention is as ever; elsewhere its logits are multiplied by log(keys) / log(keys "
        "there), so that it does not thin out as the image grows. Empty means nowhere.",
    )
    attention_within: int | None = setting(
        None,
        "Attention within",
        "How many rows and columns away a patch or memory token reads others at most; the answer token reads all. "
        "Empty means all.",
    )
    shared_block: bool = setting(
        True, "One block for both updates", "Whether memory and answer are updated by the same block.", code=True
    )
    final_norm: bool = setting(False, "Final norm", "A norm on the block's output keeps the states bounded.")
    head: Literal["linear", "mlp"] = setting(
        "linear", "Heads", "Linear, as in the paper's text, or two layers, as in its Figure 1.", paper="linear"
    )
    readout: Literal["last", "mixture"] = setting(
        "last",
        "Read-out",
        "The heads read the last step's answer, or a learned mixture of all steps' answers so far.",
    )
    memory_tokens: int | None = setting(
        None, "Memory tokens K", "Size of the memory; empty means one token per patch.", code=None
    )
    memory_steps: int = setting(
        3, "Memory iterations M", "How often the memory is updated before the answer is.", paper=3
    )
    recursion_steps: int = setting(
        1, "Recursion steps T", "Rounds of memory and answer updates within a supervision step.", paper=1
    )
    supervision_steps: int = setting(
        1, "Supervision steps N", "How often the model answers, each time with a loss.", paper=1
    )
    init: Literal["xavier", "authors"] = setting(
        "xavier",
        "Weights at the start",
        "Xavier, small embeddings and an undecided halting head; or the authors' choice, see `init_as_authors`.",
        code="authors",
    )
    glimpse_patches: int | None = setting(None, "Glimpse", "Patches that each step may see; empty means all.")
    halt_threshold: float = setting(
        0.5, "Halting threshold", "The halting probability above which it stops.", paper=0.5
    )
    halt_bias: float = setting(
        -5.0, "Halting bias at the start", "Below zero the halting head begins by saying “not yet”.", code=0
    )
    dropout: float = setting(
        0.1, "Dropout", "Share of each layer's output that is dropped at random while training.", paper=0.1
    )
    drop_path: float = setting(
        0.0, "Drop path", "Largest probability, at the last layer, that an image skips a layer's branch."
    )

    def __post_init__(self) -> None:
        check_shape(self)
        check_patches(self)
        check_embedding(self, "glimpse_patches")
        check(0 < self.halt_threshold < 1, f"halt_threshold={self.halt_threshold}: expected between 0 and 1")
        check(math.isfinite(self.halt_bias), f"halt_bias={self.halt_bias}: expected a finite number")
        if self.positions == "relative":
            check(
                self.memory_size == self.num_patches and self.glimpse_patches is None,
                "positions='relative' needs memory_tokens=None and glimpse_patches=None: one memory token per patch",
            )
            check(
                self.token_mixing == "attention" and self.reading == "joint",
                "positions='relative' needs token_mixing='attention' and reading='joint'",
            )
        check_relative(self)
        if self.glimpse_patches is not None:
            check(
                1 <= self.glimpse_patches <= self.num_patches,
                f"glimpse_patches={self.glimpse_patches}: expected 1 to {self.num_patches}, the number of patches",
            )
            check(
                self.token_mixing == "attention" or self.reading == "cross",
                "glimpse_patches needs token_mixing='attention' or reading='cross': "
                "a token-mixing MLP ties every weight to one fixed patch position",
            )

    @property
    def num_patches(self) -> int:
        """L, the number of patches of one image."""
        return (self.image_size // self.patch_size) ** 2

    @property
    def memory_size(self) -> int:
        """K, the number of memory tokens."""
        return self.num_patches if self.memory_tokens is None else self.memory_tokens

    @property
    def unique_layers(self) -> int:
        """Layers with weights of their own."""
        return self.depth * (1 if self.shared_block else 2)

    @property
    def unrolled_layers(self) -> int:
        """Effective depth: layers applied one after the other in all supervision steps, N * T * (M + 1) * depth."""
        return self.supervision_steps * self.recursion_steps * (self.memory_steps + 1) * self.depth

    def passes(self) -> Iterator[Pass]:
        """Which layers are applied for what, in order (Eq. 2, M times, then Eq. 3)."""
        block = tuple(range(self.depth))
        answering = block if self.shared_block else tuple(self.depth + layer for layer in block)
        for step in range(self.supervision_steps):
            for _ in range(self.recursion_steps):
                for _ in range(self.memory_steps):
                    yield Pass(step, "memory", block)
                yield Pass(step, "answer", answering)


AnyModelConfig = ModelConfig | ViTConfig | ResNetConfig | SRViTConfig


GlimpsePolicy = Literal["random", "fixed", "learned"]  # who chooses the patches of a step, see vitrm/nets/glimpses.py
GLIMPSE_POLICIES: tuple[GlimpsePolicy, ...] = typing.get_args(GlimpsePolicy)


def check_policy(policy: str, model: AnyModelConfig) -> None:
    """Raises ConfigError for a glimpse policy that does not exist, or one other than "random" without glimpses."""
    choices = ", ".join(GLIMPSE_POLICIES)
    check(policy in GLIMPSE_POLICIES, f"unknown glimpse policy '{policy}': expected one of {choices}")
    check(
        policy == "random" or getattr(model, "glimpse_patches", None) is not None,
        f"glimpse policy '{policy}': this model reads every patch at every step, so there is nothing to choose",
    )


def require_recursion(model: AnyModelConfig, what: str) -> None:
    """Raises ConfigError, saying that `what` needs a recursion, for a family that has none."""
    check(
        model.recurrent,
        f"{what} needs a model with supervision steps, memory and halting; a {model.title} answers once, without them",
    )


def require_halting(model: AnyModelConfig, supervision_steps: int | None = None) -> None:
    """Raises ConfigError where there is no halting to judge over N supervision steps, by default the trained ones."""
    require_recursion(model, "a judgement of halting")
    steps = supervision_steps or model.supervision_steps
    check(
        steps > 1,
        f"supervision_steps={steps}: a judgement of halting needs 2 or more, after a single one there is nothing to "
        "stop early; choose a model that was trained with more, such as digits-glimpse",
    )


def require_mixture(model: AnyModelConfig, what: str) -> None:
    """Raises ConfigError, saying that `what` needs recursion steps that are mixed, for a model that mixes none."""
    check(model.mixes, f"{what} needs an SR-ViT of recursion depth 2 or more; a {model.title} mixes no steps")
