"""Settings as frozen dataclasses: what a model is, how it is trained, on what data, and the presets.

There are several families of models; each has a dataclass of its own, told apart by its field `family`.

`Config` is what `config.json` in a run folder holds. Reading is strict: an unknown key is an error
that names the key and the nearest valid one, so that a typo never trains the wrong model.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, Literal, Self

from vitrm.data.mazes import MazeSettings
from vitrm.errors import ConfigError, DataError

# Far above anything useful. They keep a damaged or hostile config.json from taking all memory, or forever.
_LARGEST = {
    "num_classes": 100_000,
    "image_size": 4096,
    "patch_size": 4096,
    "dim": 16_384,
    "depth": 256,
    "num_heads": 1024,
    "mlp_dim": 65_536,
    "memory_tokens": 65_536,
    "memory_steps": 1000,
    "recursion_steps": 1000,
    "supervision_steps": 1000,
    "recursion_depth": 256,
    "stage_layers": 256,
}


def _check(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(message)


def _check_shape(model: Any) -> None:
    """What every family has in common: counts within reason, images that can be cut up, rates below 1."""
    for name, largest in _LARGEST.items():
        value = getattr(model, name, None)
        if value is not None:
            _check(1 <= value <= largest, f"{name}={value}: expected 1 to {largest:,}")
    _check(model.channels in (1, 3), f"channels={model.channels}: expected 1 (grey) or 3 (colour)")
    for name in ("dropout", "drop_path"):
        value = getattr(model, name, 0.0)
        _check(0 <= value < 1, f"{name}={value}: expected 0 <= {name} < 1")


def _check_patches(model: Any) -> None:
    """The same for what is made of patches and attention heads."""
    _check(
        model.image_size % model.patch_size == 0,
        f"image_size={model.image_size} is not a multiple of patch_size={model.patch_size}",
    )
    _check(model.dim % model.num_heads == 0, f"dim={model.dim} is not a multiple of num_heads={model.num_heads}")
    _check(model.num_patches <= 65_536, f"{model.num_patches:,} patches: expected at most 65,536; enlarge patch_size")


def _check_reference(model: Any) -> None:
    """The same for attention that is scaled by the size of the image."""
    side = model.reference_side
    if side is not None:
        _check(1 <= side <= 4096, f"reference_side={side}: expected 1 to 4,096 patches along a side, or null")
        _check(
            model.positions == "relative",
            f"reference_side={side} needs positions='relative': with absolute ones images are of one size",
        )


def setting(default: Any, label: str, sentence: str, **published: Any) -> Any:
    """A field of a configuration, with the words that describe it wherever somebody sets it, as its metadata.

    `label` is its name for people, `sentence` what it means. `published` holds its values in ViTRM's publication:
    `paper=` where the paper says it or its published configuration has it, `code=` where only the authors' code does;
    neither for a setting that is this project's own.
    """
    assert published.keys() <= {"paper", "code"}, published
    return field(default=default, metadata={"label": label, "sentence": sentence, "published": published})


@dataclass(frozen=True)
class Pass:
    """Some layers applied one after the other, and what for: the depth of a model is a sequence of these."""

    step: int  # supervision step, from 0
    name: str  # what it updates; "" where a model has but one pass
    layers: tuple[int, ...]  # which of the model's layers, each with weights of its own, from 0


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
    num_classes: int = 10
    image_size: int = setting(32, "Image size", "Side of the square images in pixels.", paper=32)
    channels: int = setting(3, "Colour channels", "1 for grey, 3 for colour.", paper=3)
    patch_size: int = setting(4, "Patch size", "Side of a patch in pixels; it must divide the image size.", paper=4)
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
        _check_shape(self)
        _check_patches(self)
        _check(0 < self.halt_threshold < 1, f"halt_threshold={self.halt_threshold}: expected between 0 and 1")
        _check(math.isfinite(self.halt_bias), f"halt_bias={self.halt_bias}: expected a finite number")
        if self.positions == "relative":
            _check(
                self.memory_size == self.num_patches and self.glimpse_patches is None,
                "positions='relative' needs memory_tokens=None and glimpse_patches=None: one memory token per patch",
            )
            _check(
                self.token_mixing == "attention" and self.reading == "joint",
                "positions='relative' needs token_mixing='attention' and reading='joint'",
            )
        _check_reference(self)
        if self.glimpse_patches is not None:
            _check(
                1 <= self.glimpse_patches <= self.num_patches,
                f"glimpse_patches={self.glimpse_patches}: expected 1 to {self.num_patches}, the number of patches",
            )
            _check(
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


@dataclass(frozen=True)
class ViTConfig:
    """The shape of a plain vision transformer, the paper's first comparison. The defaults are its ViT-Small.

    It is made of ViTRM's own layers, applied once each. Queries, keys and values have no bias: so the paper's
    parameter counts come out.

    `patch_multiple` makes it the control of a ViTRM with glimpses of as many patches: in training it is given those of
    one glimpse, two, three, ... or all of them at once, and can then be asked about so many (`ViT.features`).
    """

    recurrent: ClassVar[bool] = False
    family_title: ClassVar[str] = "plain ViT"
    mixes: ClassVar[bool] = False  # whether it mixes the outputs of several recursion steps
    supervision_steps: ClassVar[int] = 1
    token_mixing: ClassVar[str] = "attention"
    final_norm: ClassVar[bool] = True
    head: ClassVar[str] = "linear"

    family: Literal["vit"] = "vit"
    num_classes: int = 10
    image_size: int = 32
    channels: int = 3
    patch_size: int = 4
    dim: int = 512
    depth: int = 8
    num_heads: int = 8
    mlp_dim: int = 1024
    feed_forward: Literal["swiglu", "gelu"] = "gelu"
    positions: Literal["absolute", "relative"] = "absolute"
    reference_side: int | None = None  # see `ModelConfig`
    qkv_bias: bool = False
    dropout: float = 0.1
    drop_path: float = 0.0
    patch_multiple: int | None = None  # S, this project's own option; None: always all patches

    def __post_init__(self) -> None:
        _check_shape(self)
        _check_patches(self)
        _check_reference(self)
        if self.patch_multiple is not None:
            _check(
                1 <= self.patch_multiple <= self.num_patches,
                f"patch_multiple={self.patch_multiple}: expected 1 to {self.num_patches}, the number of patches",
            )
            _check(self.positions == "absolute", "patch_multiple needs positions='absolute'")

    @property
    def num_patches(self) -> int:
        """L, the number of patches of one image."""
        return (self.image_size // self.patch_size) ** 2

    @property
    def unique_layers(self) -> int:
        """Layers with weights of their own."""
        return self.depth

    @property
    def unrolled_layers(self) -> int:
        """Effective depth: layers applied one after the other."""
        return self.depth

    def passes(self) -> Iterator[Pass]:
        """Which layers are applied for what, in order."""
        yield Pass(0, "", tuple(range(self.depth)))

    @property
    def title(self) -> str:
        return f"plain ViT ({self.depth} layers of width {self.dim})"


@dataclass(frozen=True)
class SRViTConfig(ViTConfig):
    """The shape of an SR-ViT (arXiv 2607.00774): a plain ViT whose layers are applied R times, mixed token by token.

    The layers are cut into consecutive stages. A stage is applied R times with the same weights, and what the next one
    reads is a mixture of the outputs h_1..h_R of ALL its steps, with weights of each token's own. The defaults are
    SR-ViT-S: the shape of DeiT-S. Only the abstract is known here, so each field says how it came about:

    ================ ====================== =======================================================================
    field            status
    ================ ====================== =======================================================================
    recursion_depth  known                  R, 1 to 4 in the abstract; 1 is the plain ViT
    mixture          known: "token"         learned weights for each token. The controls are ours: "scalar" (one learned
                                            number per step), "uniform" (the mean) and "last" (the last step only)
    dim, depth, ...  derived                22.05 M parameters at R = 1, and 27 % of DeiT-B's at R = 4: DeiT-S
    router_dim       inferred               1.7 M extra parameters fit a hidden layer of about D in a router for each
                                            layer (1.79 M); linear routers (0) would be 1 % of that. None: D
    location         our interpretation     what a stage is: each layer ("block"), `stage_layers` of them ("stage"), or
                                            all, so that the mixture is the read-out ("stack")
    router_input     our interpretation     what scores step r: its own output ("state"), all steps' outputs side by
                                            side ("all"), or the input of the stage ("start")
    normaliser       our interpretation     "softmax": weights sum to 1; "sigmoid": each is a gate of its own, 0..1
    ================ ====================== =======================================================================
    """

    family_title: ClassVar[str] = "SR-ViT"

    family: Literal["sr-vit"] = "sr-vit"
    image_size: int = 224
    patch_size: int = 16
    dim: int = 384
    depth: int = 12
    num_heads: int = 6
    mlp_dim: int = 1536
    qkv_bias: bool = True
    dropout: float = 0.0
    recursion_depth: int = 4  # R
    mixture: Literal["token", "scalar", "uniform", "last"] = "token"
    location: Literal["block", "stage", "stack"] = "block"
    stage_layers: int = 2  # of location "stage"
    router_input: Literal["state", "all", "start"] = "state"
    router_dim: int | None = None  # hidden width; 0: linear
    normaliser: Literal["softmax", "sigmoid"] = "softmax"

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(self.patch_multiple is None, f"patch_multiple={self.patch_multiple}: an SR-ViT reads all; expected null")
        _check(
            self.depth % self.layers_per_stage == 0,
            f"stage_layers={self.stage_layers}: expected a divisor of depth={self.depth}",
        )
        _check(
            0 <= self.router_width <= 65_536, f"router_dim={self.router_dim}: expected 0 (linear) to 65,536, or null"
        )

    @property
    def mixes(self) -> bool:
        """Whether there are several recursion steps to mix."""
        return self.recursion_depth > 1

    @property
    def layers_per_stage(self) -> int:
        return {"block": 1, "stage": self.stage_layers, "stack": self.depth}[self.location]

    @property
    def stages(self) -> int:
        return self.depth // self.layers_per_stage

    @property
    def unrolled_layers(self) -> int:
        """Effective depth: layers applied one after the other, depth * R."""
        return self.depth * self.recursion_depth

    def passes(self) -> Iterator[Pass]:
        """Which layers are applied for what, in order."""
        size = self.layers_per_stage
        for stage in range(self.stages):
            for _ in range(self.recursion_depth):
                yield Pass(0, f"stage {stage + 1}", tuple(range(stage * size, (stage + 1) * size)))

    @property
    def router_width(self) -> int:
        """Width of a router's hidden layer; 0 where it has none."""
        return self.dim if self.router_dim is None else self.router_dim

    @property
    def title(self) -> str:
        how = {"token": "soft mixture", "scalar": "one weight per step", "uniform": "mean of all", "last": "last only"}
        steps = f"recursion depth {self.recursion_depth}" + (f", {how[self.mixture]}" if self.mixes else "")
        return f"recursive ViT (SR-ViT: {self.depth} layers of width {self.dim}, {steps})"


@dataclass(frozen=True)
class ResNetConfig:
    """torchvision's ResNet, unpretrained, the paper's second comparison.

    `stem="imagenet"` is torchvision's own, which the paper used as it is: a 7 x 7 convolution of stride 2 and a
    pooling, which shrink a 32 x 32 image to 8 x 8 before the first block. `stem="cifar"`, one 3 x 3 convolution, is
    what ResNets are usually given at that size.
    """

    recurrent: ClassVar[bool] = False
    family_title: ClassVar[str] = "ResNet"
    mixes: ClassVar[bool] = False
    supervision_steps: ClassVar[int] = 1

    family: Literal["resnet"] = "resnet"
    num_classes: int = 10
    image_size: int = 32
    channels: int = 3
    layers: Literal[18, 34, 50] = 18
    stem: Literal["imagenet", "cifar"] = "imagenet"

    def __post_init__(self) -> None:
        _check_shape(self)

    @property
    def unique_layers(self) -> int:
        """Layers with weights of their own, as its name counts them: without those on the shortcuts."""
        return self.layers

    @property
    def unrolled_layers(self) -> int:
        """Effective depth: layers (convolutions, and the last linear one) applied one after the other."""
        return self.layers

    def passes(self) -> Iterator[Pass]:
        """Which layers are applied for what, in order."""
        yield Pass(0, "", tuple(range(self.layers)))

    @property
    def title(self) -> str:
        return f"ResNet-{self.layers}"


AnyModelConfig = ModelConfig | ViTConfig | ResNetConfig | SRViTConfig
_FAMILIES: dict[str, type] = {"vitrm": ModelConfig, "vit": ViTConfig, "resnet": ResNetConfig, "sr-vit": SRViTConfig}


GlimpsePolicy = Literal["random", "fixed", "learned"]  # who chooses the patches of a step, see vitrm/nets/glimpses.py
GLIMPSE_POLICIES: tuple[GlimpsePolicy, ...] = typing.get_args(GlimpsePolicy)


def check_policy(policy: str, model: AnyModelConfig) -> None:
    """Raises ConfigError for a glimpse policy that does not exist, or one other than "random" without glimpses."""
    choices = ", ".join(GLIMPSE_POLICIES)
    _check(policy in GLIMPSE_POLICIES, f"unknown glimpse policy '{policy}': expected one of {choices}")
    _check(
        policy == "random" or getattr(model, "glimpse_patches", None) is not None,
        f"glimpse policy '{policy}': this model reads every patch at every step, so there is nothing to choose",
    )


def require_recursion(model: AnyModelConfig, what: str) -> None:
    """Raises ConfigError, saying that `what` needs a recursion, for a family that has none."""
    _check(
        model.recurrent,
        f"{what} needs a model with supervision steps, memory and halting; a {model.title} answers once, without them",
    )


def require_mixture(model: AnyModelConfig, what: str) -> None:
    """Raises ConfigError, saying that `what` needs recursion steps that are mixed, for a model that mixes none."""
    _check(model.mixes, f"{what} needs an SR-ViT of recursion depth 2 or more; a {model.title} mixes no steps")


@dataclass(frozen=True)
class TrainConfig:
    """How a model is trained. The defaults are the published recipe (batch 128, at most 1000 epochs).

    `backprop` says how far a loss reaches back and `update` how often the weights move ("batch": once, by the mean of
    the supervision steps' losses):

    =================== ============ ==========================================================
    backprop            update       schedule
    =================== ============ ==========================================================
    "supervision_step"  "step"       the paper: N independent updates per batch
    "last_recursion"    "batch"      strict TRM as the paper describes it: T-1 recursion steps
                                     without gradient, one with it, one update
    "last_recursion"    "step"       TRM's own code: the same, one update per supervision step
    "all"               "batch"      plain back-propagation through all N supervision steps
    =================== ============ ==========================================================

    `progress_steps` K is this project's own option for recursion: before the steps that learn, each batch makes 0 to K
    supervision steps without gradient, how many drawn at random, so that a model learns to go on from wherever it is
    (incremental progress training, Bansal et al. 2022, arXiv 2202.05826). Validation then runs all K + N steps, and of
    equally good epochs the later one is kept.
    """

    epochs: int = setting(1000, "Epochs", "How many times every training image is shown.", paper=1000)
    batch_size: int = setting(128, "Batch size", "How many images share one update of the weights.", paper=128)
    epoch_images: int = setting(
        0, "Images in an epoch", "How many images an epoch draws; 0 means every training image once."
    )
    lr: float = setting(
        3e-4, "Learning rate", "How far one update moves the weights; too high and the loss turns into NaN.", paper=3e-4
    )
    min_lr: float = setting(1e-6, "Final learning rate", "Where the cosine schedule ends.", paper=1e-6)
    warmup_epochs: float = setting(30, "Warm-up epochs", "How long the learning rate rises before it falls.", paper=30)
    schedule: Literal["batch", "epoch"] = setting(
        "batch",
        "Learning rate changes",
        "With every batch; or once per epoch, the first epoch of a warm-up then learning at a rate of 0.",
        code="epoch",
    )
    weight_decay: float = setting(0.05, "Weight decay", "How strongly AdamW pulls weights towards zero.", paper=0.05)
    decay: Literal["matrices", "all"] = setting(
        "matrices", "Weights that decay", "The matrices and embeddings; or all, norms and biases too.", code="all"
    )
    betas: tuple[float, float] = setting(
        (0.9, 0.999), "Adam's betas", "How long AdamW remembers the gradient and its square.", paper=(0.9, 0.999)
    )
    grad_clip: float = setting(
        1.0, "Gradient clipping", "The longest gradient that is used as it is; 0 switches clipping off.", code=0
    )
    ema_decay: float = setting(
        0.999,
        "Averaging of weights",
        "How slowly the averaged weights, which are tested and saved, follow the raw ones; 0 switches it off.",
        paper=0.999,
    )
    ema_warmup: bool = setting(
        True,
        "Short memory at first",
        "The average begins with a short memory, so that the random start is soon forgotten.",
        code=False,
    )
    halt_weight: float = setting(
        1.0, "Weight of the halting loss", "How much the halting head counts beside the classes (Eq. 5).", paper=1.0
    )
    halt_target: Literal["share", "label"] = setting(
        "share",
        "Right, for mixed images",
        "What the halting head learns: the predicted class's share of the mixture; or 1 if it is the image's own.",
        code="label",
    )
    stop_unrolling: bool = setting(
        True,
        "Stop unrolling (Eq. 6)",
        "In training, skip the remaining supervision steps once the mean halting probability passes the threshold.",
        paper=True,
    )
    patience: int = setting(
        10, "Patience", "Epochs without a better validation accuracy before training ends; 0 means never.", paper=10
    )
    backprop: Literal["supervision_step", "last_recursion", "all"] = setting(
        "supervision_step",
        "Gradients reach back",
        "How far a loss looks back: one supervision step, one recursion, all.",
        paper="supervision_step",
    )
    update: Literal["step", "batch"] = setting(
        "step", "Weights move", "After every supervision step, as in the paper, or once per batch.", paper="step"
    )
    progress_steps: int = setting(
        0,
        "Steps before those that learn",
        "Each batch first makes a random number of steps without learning, up to this many, so that the model learns "
        "to go on from wherever it is.",
    )
    crop_pad: int = setting(
        4, "Random shift", "Images are shifted by up to this many pixels, so that place matters less.", paper=4
    )
    flip: bool = setting(
        True, "Random mirror", "Half of the images are mirrored; wrong for digits and letters.", paper=True
    )
    affine: float = setting(
        0.0, "Random rotation and zoom", "Largest rotation in radians, and zoom and shift as a share of half the image."
    )
    randaugment_ops: int = setting(
        2, "RandAugment operations", "How many random colour and shape changes each image gets.", paper=2
    )
    randaugment_magnitude: int = setting(9, "RandAugment strength", "How strong these changes are, 0 to 30.", paper=9)
    mixup_alpha: float = setting(
        0.2, "Mixup", "How strongly pairs of images are blended, labels too; 0 switches it off.", paper=0.2
    )
    cutmix_alpha: float = setting(
        1.0, "CutMix", "How strongly rectangles are exchanged between images; 0 switches it off.", paper=1.0
    )  # with both > 0, each batch draws one of the two at even odds
    cutmix_box: Literal["exact", "even"] = setting(
        "exact",
        "CutMix rectangles",
        "As large as drawn; or with odd sides made one pixel shorter, as in the authors' code.",
        code="even",
    )
    label_smoothing: float = setting(0.0, "Label smoothing", "Share of the label that is spread over all classes.")
    erasing: float = setting(0.0, "Random erasing", "Probability that a rectangle of an image is replaced by noise.")
    repeats: int = setting(
        1,
        "Repeats in a batch",
        "How often an image stands in its batch, augmented anew each time; an epoch then sees fewer images.",
    )
    unmixed_share: float = setting(0.0, "Unmixed end", "Share of the epochs, the last ones, without Mixup and CutMix.")
    precision: Literal["fp32", "bf16"] = setting(
        "fp32", "Precision", "bf16 halves memory and time on a recent GPU; weights stay in fp32."
    )
    compile: bool = setting(
        False, "Compile the block", "Lets torch compile the shared block: a slow start, then faster on a GPU."
    )
    deterministic: bool = setting(False, "Deterministic", "The same numbers again on a GPU too; slower.")
    start: str = ""  # a run or checkpoint whose weights the training begins with, in place of random ones
    seed: int = setting(
        0,
        "Seed",
        "Where all randomness starts: the same seed gives the same run, but on one kind of processor only.",
        code=42,
    )

    def __post_init__(self) -> None:
        _check(self.epochs >= 1, f"epochs={self.epochs}: expected 1 or more")
        _check(self.batch_size >= 1, f"batch_size={self.batch_size}: expected 1 or more")
        _check(0 < self.lr < math.inf, f"lr={self.lr}: expected more than 0")
        _check(0 <= self.min_lr <= self.lr, f"min_lr={self.min_lr}: expected between 0 and lr={self.lr}")
        _check(all(0 <= beta < 1 for beta in self.betas), f"betas={self.betas}: expected two values, 0 <= beta < 1")
        _check(0 <= self.ema_decay < 1, f"ema_decay={self.ema_decay}: expected 0 <= ema_decay < 1")
        _check(0 <= self.label_smoothing < 1, f"label_smoothing={self.label_smoothing}: expected 0 <= value < 1")
        for name in ("erasing", "unmixed_share"):
            _check(0 <= getattr(self, name) <= 1, f"{name}={getattr(self, name)}: expected 0 to 1")
        _check(
            1 <= self.repeats <= self.batch_size,
            f"repeats={self.repeats}: expected 1 to batch_size={self.batch_size}",
        )
        for name in ("epoch_images", "warmup_epochs", "weight_decay", "grad_clip", "halt_weight", "patience",
                     "crop_pad", "affine", "randaugment_ops", "mixup_alpha", "cutmix_alpha"):  # fmt: skip
            _check(0 <= getattr(self, name) < math.inf, f"{name}={getattr(self, name)}: expected 0 or more")
        _check(0 <= self.seed < 2**63, f"seed={self.seed}: expected 0 to 2^63 - 1")
        _check(0 <= self.randaugment_magnitude <= 30, f"randaugment_magnitude={self.randaugment_magnitude}: 0 to 30")
        _check(0 <= self.progress_steps <= 1000, f"progress_steps={self.progress_steps}: expected 0 to 1,000")
        _check(
            self.backprop != "all" or self.update == "batch",
            "backprop='all' needs update='batch': weights may not move inside one backward pass",
        )


SOURCES = "digits, cifar10, cifar100, fashion_mnist, mazes:6x6,gems=2,..., folder:PATH, parquet:PATH"
_DATA_TITLES = {
    "digits": "handwritten digits (scikit-learn, 8 × 8 pixels)",
    "cifar10": "CIFAR-10",
    "cifar100": "CIFAR-100",
    "fashion_mnist": "Fashion-MNIST",
}


@dataclass(frozen=True)
class DataConfig:
    """What is learned from, and what it turned out to be: the run folder's memory of its data.

    `source` is "digits", "cifar10", "cifar100", "fashion_mnist", "folder:PATH", "parquet:PATH" or a string of
    `MazeSettings`.
    `classes`, `mean` and `std` are filled in when the data is read (mean and std per channel, of the
    training split, on the 0..1 scale) and travel with the checkpoint, so that it can be used without the data.
    """

    source: str = "digits"
    name: str = ""  # what people call it, for cards and captions; empty: the source itself
    val_fraction: float = setting(
        0.1,
        "Validation share",
        "Share of the training images kept aside to choose the weights on.",
        paper="none, it chose the weights on the test split",
    )
    split_seed: int = setting(0, "Split seed", "Which images these are.")
    memory_gb: float = setting(
        0.0, "Memory for images, GB", "Decoded images beyond it are read from a file; 0 means a third of what is free."
    )
    train_images: int = setting(
        0, "Training images", "Learn from so many of them only, a random choice; 0 means from all."
    )
    classes: tuple[str, ...] = ()
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    @property
    def title(self) -> str:
        """What to call the data wherever a number stands beside it."""
        if self.name or self.mazes is None:
            return self.name or _DATA_TITLES.get(self.source, self.source)
        return self.mazes.title

    @property
    def mazes(self) -> MazeSettings | None:
        """What mazes the source asks for; None if it asks for none, or for what cannot be."""
        try:
            return MazeSettings.parse(self.source)
        except DataError:
            return None

    def __post_init__(self) -> None:
        _check(0 < self.val_fraction < 1, f"val_fraction={self.val_fraction}: expected between 0 and 1")
        _check(0 <= self.split_seed < 2**63, f"split_seed={self.split_seed}: expected 0 to 2^63 - 1")
        _check(0 <= self.memory_gb < math.inf, f"memory_gb={self.memory_gb}: expected 0 or more")
        _check(self.train_images >= 0, f"train_images={self.train_images}: expected 0 (all of them) or more")
        _check(all(0 < value < math.inf for value in self.std), f"std={self.std}: expected values above 0")
        _check(all(map(math.isfinite, self.mean)), f"mean={self.mean}: expected finite values")


@dataclass(frozen=True)
class Config:
    """Everything that defines a run."""

    model: AnyModelConfig = field(default_factory=ModelConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    data: DataConfig = field(default_factory=DataConfig)

    def __post_init__(self) -> None:
        for name, expected in (("classes", self.model.num_classes), ("mean", self.model.channels),
                               ("std", self.model.channels)):  # fmt: skip
            found = len(getattr(self.data, name))
            _check(found in (0, expected), f"data.{name} has {found} entries, but the model needs {expected}")
        if self.train.progress_steps:
            require_recursion(self.model, f"progress_steps={self.train.progress_steps}")

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; `from_dict` is the inverse."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Read `to_dict`'s form. Raises ConfigError for an unknown key or a value of the wrong type."""
        return _read(cls, values, "config")

    def differences(self, other: Config) -> dict[str, Any]:
        """Every setting that `other` has otherwise, by dotted name, with its value here."""
        mine, theirs = self._flat(), other._flat()
        return {name: value for name, value in mine.items() if name not in theirs or value != theirs[name]}

    def command(self) -> tuple[str, dict[str, Any]]:
        """The preset that is nearest to this configuration, and the settings to change in it.

        What the data decide (classes, mean, std) is left out.
        """
        changes = {
            name: {key: value for key, value in self.differences(nearest).items() if key not in _FOUND}
            for name, nearest in PRESETS.items()
            if nearest.model.family == self.model.family
        }
        name = min(changes, key=lambda each: len(changes[each]))
        return name, changes[name]

    def fingerprint(self) -> str:
        """The same for two configurations that ask for the same training."""
        read = Config.from_dict(self.to_dict())  # in which 3 for a number with decimals is 3.0
        return json.dumps({name: value for name, value in read._flat().items() if name not in _FOUND})

    def _flat(self) -> dict[str, Any]:
        return {f"{section}.{name}": value for section, part in self.to_dict().items() for name, value in part.items()}

    def with_fields(self, changes: dict[str, Any]) -> Config:
        """A copy with fields changed by dotted name: `{"train.lr": "1e-3", "model.dim": 96}`.

        Strings are read as the field's type, so that command-line values can be passed as they are.
        """
        parts: dict[str, dict[str, Any]] = {section.name: {} for section in fields(Config)}
        for dotted, value in changes.items():
            section, _, name = dotted.partition(".")
            hints = _hints(type(getattr(self, section))) if section in parts else {}
            if name not in hints:
                valid = [f"{s}.{f.name}" for s in parts for f in fields(getattr(self, s))]
                of = "" if section != "model" or self.model.recurrent else f" of a {self.model.title}"
                raise ConfigError(f"unknown setting '{dotted}'{of}{_nearest(dotted, valid)}")
            if dotted == "model.family" and value != self.model.family:
                raise ConfigError(f"model.family={value!r}: the family comes with the preset; choose another preset")
            parts[section][name] = _coerce(value, hints[name], dotted)
        return replace(self, **{section: replace(getattr(self, section), **new) for section, new in parts.items()})


_FOUND = ("model.num_classes", "data.name", "data.classes", "data.mean", "data.std")  # by reading the data


def _nearest(name: str, valid: list[str]) -> str:
    near = difflib.get_close_matches(name, valid, n=1, cutoff=0.5)
    return f"; did you mean '{near[0]}'?" if near else f"; expected one of: {', '.join(valid)}"


def _read(cls: type, values: Any, where: str) -> Any:
    if not isinstance(values, dict):
        raise ConfigError(f"{where} is {type(values).__name__}, expected an object with named fields")
    hints = _hints(cls)
    for key in values:
        if key not in hints:
            raise ConfigError(f"unknown key '{key}' in {where}{_nearest(key, list(hints))}")
    return cls(**{key: _coerce(value, hints[key], f"{where}.{key}") for key, value in values.items()})


def _hints(cls: type) -> dict[str, Any]:
    """The annotated type of each field."""
    hints = typing.get_type_hints(cls)
    return {each.name: hints[each.name] for each in fields(cls)}


def _read_family(values: Any, where: str) -> Any:
    """The configuration of whichever family `values` names; ViTRM where it names none."""
    name = values.get("family", "vitrm") if isinstance(values, dict) else "vitrm"
    if name not in list(_FAMILIES):  # a list: whatever JSON holds can be looked for in it
        raise ConfigError(f"unknown {where}.family '{name}'{_nearest(str(name), list(_FAMILIES))}")
    return _read(_FAMILIES[name], values, where)


def _coerce(value: Any, hint: Any, name: str) -> Any:
    """`value` as the annotated type `hint`, or a ConfigError that says what was expected."""
    wrong = ConfigError(f"{name}={value!r}: expected {_describe(hint)}")
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint == AnyModelConfig:
        return _read_family(value, name)
    if dataclasses.is_dataclass(hint):
        return _read(hint, value, name)
    if origin is types.UnionType:  # only "X | None" is used here
        if value is None or (isinstance(value, str) and value.lower() in ("none", "null")):
            return None
        return _coerce(value, args[0], name)
    if origin is Literal:
        found = [choice for choice in args if value == choice or value == str(choice)]
        if found and not isinstance(value, bool):
            return found[0]
        raise wrong
    if origin is tuple:
        items = value.split(",") if isinstance(value, str) else value
        if not isinstance(items, list | tuple) or (args[-1] is not Ellipsis and len(items) != len(args)):
            raise wrong
        return tuple(_coerce(item, args[0], name) for item in items)
    if hint is bool:
        words = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in words:
            return words[value.lower()]
        raise wrong
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise wrong
    try:
        number = hint(value)
    except (ValueError, OverflowError):
        raise wrong from None
    if hint is int and not isinstance(value, str) and number != value:
        raise wrong
    return number


def _describe(hint: Any) -> str:
    args = typing.get_args(hint)
    if typing.get_origin(hint) is Literal:
        return "one of " + ", ".join(repr(a) for a in args)
    if typing.get_origin(hint) is tuple:
        return "a list" if args[-1] is Ellipsis else f"{len(args)} values"
    if typing.get_origin(hint) is types.UnionType:
        return f"{_describe(args[0])} or null"
    return {int: "a whole number", float: "a number", bool: "true or false", str: "text"}.get(hint, str(hint))


def _small(**changes: Any) -> TrainConfig:
    """The recipe of the small presets: the paper's, less what a model of this size does not need."""
    plain = TrainConfig(randaugment_ops=0, mixup_alpha=0.0, cutmix_alpha=0.0, patience=0, stop_unrolling=False)
    return replace(plain, **changes)


_TINY = ModelConfig(
    dim=128,
    depth=2,
    num_heads=4,
    mlp_dim=256,
    memory_tokens=16,
    memory_steps=1,
    supervision_steps=4,
    glimpse_patches=16,
    final_norm=True,
    dropout=0.0,
)
_DIGITS = ModelConfig(
    image_size=8,
    channels=1,
    patch_size=2,
    dim=64,
    depth=2,
    num_heads=4,
    mlp_dim=128,
    memory_tokens=8,
    memory_steps=3,
    final_norm=True,
    dropout=0.0,
)

_SR_TINY = SRViTConfig(image_size=32, patch_size=4, dim=64, depth=2, num_heads=2, mlp_dim=96, feed_forward="swiglu")

# An 8 x 8 digit fills its frame: whole-pixel shifts cut strokes off, small rotations and zooms do not.
_DIGIT_IMAGES = {"crop_pad": 0, "flip": False, "affine": 0.1}

# A cell of a maze is a patch of 2 x 2 pixels; one layer, so that what a cell knows of others travels step by step.
_MAZES = ModelConfig(
    num_classes=3,
    image_size=14,
    patch_size=2,
    dim=32,
    depth=1,
    num_heads=2,
    mlp_dim=64,
    positions="relative",
    reference_side=5,
    memory_steps=1,
    supervision_steps=6,
    final_norm=True,
    dropout=0.0,
)
# What a step should leave for the next one is only taught by gradients that go through both.
_MAZE_RECIPE = {
    **{"batch_size": 64, "warmup_epochs": 0.5, "ema_decay": 0.99, "weight_decay": 0.01},
    **{"backprop": "all", "update": "batch", "crop_pad": 0, "flip": False},
}
_MAZE_SIZES = "mazes:7x7,gems=3,walls=0.3,lengths=1-7,train=10000,test=4000+9x9,lengths=1-12"

# The recipe of the paper's comparisons: 300 epochs, ten of them warm-up, no moving average of the weights.
_BASELINE = TrainConfig(epochs=300, warmup_epochs=10, ema_decay=0.0)
_CIFAR10 = DataConfig(source="cifar10")
_SR_TINY_RECIPE = _small(epochs=30, batch_size=64, lr=1e-3, warmup_epochs=1, ema_decay=0.99)

# One preset, one idea. `vitrm train NAME` runs it as it is.
PRESETS: dict[str, Config] = {
    # The published CIFAR-10 setting: 3.62 M parameters, 93.1 % in the paper's Table 1 at batch 128.
    "paper": Config(data=_CIFAR10),
    # The same with every choice of the authors' code that `paper` changes; docs/models.md lists them, and why.
    "paper-as-published": Config(
        ModelConfig(init="authors", halt_bias=0.0),
        TrainConfig(
            schedule="epoch",
            decay="all",
            grad_clip=0.0,
            ema_warmup=False,
            halt_target="label",
            cutmix_box="even",
            seed=42,
        ),
        _CIFAR10,
    ),
    # Photographs on a CPU: 0.34 M parameters, each supervision step glimpses a quarter of the patches.
    "tiny": Config(_TINY, _small(epochs=30, lr=1e-3, warmup_epochs=1), DataConfig(source="cifar10")),
    # Handwritten digits in a minute or two; every step sees the whole image.
    "digits": Config(_DIGITS, _small(epochs=60, lr=2e-3, warmup_epochs=3, ema_decay=0.99, **_DIGIT_IMAGES)),
    # The control of `digits`: its block applied once, as a plain transformer, under the same recipe.
    "digits-vit": Config(
        ViTConfig(
            image_size=8,
            channels=1,
            patch_size=2,
            dim=64,
            depth=2,
            num_heads=4,
            mlp_dim=128,
            feed_forward="swiglu",
            qkv_bias=True,
            dropout=0.0,
        ),
        _small(epochs=60, lr=2e-3, warmup_epochs=3, ema_decay=0.99, **_DIGIT_IMAGES),
    ),
    # Handwritten digits, six supervision steps of a small, shallow model: they differ most while it still learns.
    "digits-deep": Config(
        replace(_DIGITS, dim=32, depth=1, mlp_dim=64, memory_steps=1, supervision_steps=6),
        _small(epochs=60, lr=2e-3, warmup_epochs=3, ema_decay=0.99, **_DIGIT_IMAGES),
    ),
    # Handwritten digits, a quarter of the patches per step: more steps really help.
    "digits-glimpse": Config(
        replace(_DIGITS, memory_steps=2, supervision_steps=6, glimpse_patches=4),
        _small(epochs=100, lr=2e-3, warmup_epochs=3, ema_decay=0.99, **_DIGIT_IMAGES),
    ),
    # The control of `digits-glimpse`: as many layers of the same width, without memory or steps, given the patches of
    # one, two, three or all four glimpses at once; 100 epochs for each of these, as each step of the other has.
    "digits-glimpse-vit": Config(
        ViTConfig(
            image_size=8,
            channels=1,
            patch_size=2,
            dim=64,
            depth=2,
            num_heads=4,
            mlp_dim=128,
            feed_forward="swiglu",
            qkv_bias=True,
            dropout=0.0,
            patch_multiple=4,
        ),
        _small(epochs=400, lr=2e-3, warmup_epochs=12, ema_decay=0.99, **_DIGIT_IMAGES),
    ),
    # Small mazes with short ways, to begin with: two minutes.
    "mazes-small": Config(
        replace(_MAZES, image_size=10, supervision_steps=3),
        _small(epochs=4, lr=3e-3, min_lr=1e-3, **_MAZE_RECIPE),
        DataConfig(source="mazes:5x5,gems=3,walls=0.3,lengths=1-3,train=10000,test=1000"),
    ),
    # Mazes in which information must travel, and steps that go on for as long as it takes on larger ones:
    # vitrm train mazes --train.start mazes-small
    "mazes": Config(
        _MAZES,
        _small(epochs=6, lr=2e-3, min_lr=1e-4, progress_steps=24, **_MAZE_RECIPE | {"ema_decay": 0.995}),
        DataConfig(source=_MAZE_SIZES),
    ),
    # Its control: as many parameters, spent on depth, not recursion.
    "mazes-vit": Config(
        ViTConfig(
            num_classes=3,
            image_size=14,
            patch_size=2,
            dim=16,
            depth=4,
            num_heads=2,
            mlp_dim=32,
            feed_forward="swiglu",
            positions="relative",
            reference_side=5,
            qkv_bias=True,
            dropout=0.0,
        ),
        _small(epochs=6, lr=2e-3, min_lr=1e-4, **_MAZE_RECIPE | {"ema_decay": 0.995}),
        DataConfig(source=_MAZE_SIZES),
    ),
    # Your own photographs, CLASS/image.jpg or parquet: vitrm train photos --data folder:PATH
    "photos": Config(
        replace(_TINY, image_size=64, patch_size=8),
        _small(epochs=30, batch_size=32, lr=1e-3, warmup_epochs=1, ema_decay=0.99, affine=0.1),
        DataConfig(source="folder:photos"),
    ),
    # The paper's model under the cheap additions of stronger recipes; its length is fixed, so that mixing can end.
    "best": Config(
        ModelConfig(drop_path=0.1),
        TrainConfig(
            epochs=300,
            warmup_epochs=10,
            lr=5e-4,
            patience=0,
            label_smoothing=0.1,
            erasing=0.25,
            repeats=3,
            unmixed_share=0.4,
        ),
        _CIFAR10,
    ),
    # The paper's comparisons, with their parameters (CIFAR-10) and Table 1 at batch 128.
    "vit-small": Config(ViTConfig(), _BASELINE, _CIFAR10),  # 16.9 M, 93.9 %
    "vit-base": Config(ViTConfig(dim=768, depth=12, num_heads=12, mlp_dim=3072), _BASELINE, _CIFAR10),  # 85.1 M, 93.8 %
    "vit-large": Config(
        ViTConfig(dim=1024, depth=24, num_heads=16, mlp_dim=4096), _BASELINE, _CIFAR10
    ),  # 302 M, 73.4 %
    "resnet18": Config(ResNetConfig(), _BASELINE, _CIFAR10),  # 11.2 M, 89.7 %
    "resnet34": Config(ResNetConfig(layers=34), _BASELINE, _CIFAR10),  # 21.3 M, 90.1 %
    "resnet50": Config(ResNetConfig(layers=50), _BASELINE, _CIFAR10),  # 23.5 M, 90.9 %
    # The controls that the paper lacks, under ViTRM's own recipe. As many parameters, spent on depth, not recursion:
    "vit-same-size": Config(ViTConfig(dim=192, depth=12, num_heads=6, mlp_dim=384, qkv_bias=True), data=_CIFAR10),
    # ViTRM's own block, applied once: what is left when the recursion is taken away.
    "vit-same-block": Config(
        ViTConfig(dim=384, depth=3, num_heads=6, mlp_dim=512, feed_forward="swiglu", qkv_bias=True), data=_CIFAR10
    ),
    # SR-ViT-S at recursion depth 4 with DeiT-S's own recipe; the one it was published with is not known here.
    "sr-vit-s": Config(
        SRViTConfig(num_classes=1000, drop_path=0.1),
        TrainConfig(
            epochs=300,
            batch_size=1024,
            lr=1e-3,
            warmup_epochs=5,
            ema_decay=0.0,
            patience=0,
            mixup_alpha=0.8,
            label_smoothing=0.1,
            erasing=0.25,
            repeats=3,
        ),
        DataConfig(source="folder:imagenet"),
    ),
    # The same idea at the size of a CPU.
    "sr-vit-tiny": Config(_SR_TINY, _SR_TINY_RECIPE, _CIFAR10),
    # As many layers as sr-vit-tiny applies at recursion depth 4, each with weights of its own: "just make it deeper".
    "vit-tiny-deep": Config(
        ViTConfig(dim=64, depth=8, num_heads=2, mlp_dim=96, feed_forward="swiglu", qkv_bias=True, dropout=0.0),
        _SR_TINY_RECIPE,
        _CIFAR10,
    ),
    # Handwritten digits, three layers applied four times each.
    "sr-vit-digits": Config(
        replace(_SR_TINY, image_size=8, channels=1, patch_size=2, depth=3),
        _small(epochs=60, lr=2e-3, warmup_epochs=3, ema_decay=0.99, **_DIGIT_IMAGES),
    ),
}


def preset(name: str) -> Config:
    """The named preset. Raises ConfigError that lists the presets if there is none of that name."""
    if name not in PRESETS:
        raise ConfigError(f"unknown preset '{name}'{_nearest(name, list(PRESETS))}")
    return PRESETS[name]
