"""What ViTRM is held against: plain ViT, SR-ViT and ResNet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from vitrm.config.fields import check, setting
from vitrm.config.limits import Pass, check_embedding, check_patches, check_relative, check_shape


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
    embedding: Literal["linear", "convolutional"] = "linear"
    dim: int = 512
    depth: int = 8
    num_heads: int = 8
    mlp_dim: int = 1024
    feed_forward: Literal["swiglu", "gelu"] = "gelu"
    positions: Literal["absolute", "relative"] = "absolute"
    reference_side: int | None = None  # see `ModelConfig`
    attention_within: int | None = None
    qkv_bias: bool = setting(False, "Bias in attention", "Whether queries, keys and values have one.")
    dropout: float = 0.1
    drop_path: float = 0.0
    patch_multiple: int | None = setting(
        None,
        "Patches in multiples of",
        "In training it is given some of the patches, as glimpses are; empty means all.",
    )  # S, this project's own option

    def __post_init__(self) -> None:
        check_shape(self)
        check_patches(self)
        check_embedding(self, "patch_multiple")
        check_relative(self)
        if self.patch_multiple is not None:
            check(
                1 <= self.patch_multiple <= self.num_patches,
                f"patch_multiple={self.patch_multiple}: expected 1 to {self.num_patches}, the number of patches",
            )
            check(self.positions == "absolute", "patch_multiple needs positions='absolute'")

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
    recursion_depth: int = setting(4, "Recursion depth R", "How often each stage is applied; 1 is the plain ViT.")
    mixture: Literal["token", "scalar", "uniform", "last"] = setting(
        "token", "Steps are mixed by", "Weights of each token's own, one learned number per step, their mean, the last."
    )
    location: Literal["block", "stage", "stack"] = setting(
        "block", "A stage is", "Each layer, so many of them, or all: then the mixture is the read-out."
    )
    stage_layers: int = setting(2, "Layers in a stage", "Where a stage is so many of them.")
    router_input: Literal["state", "all", "start"] = setting(
        "state", "Routers read", "What scores a step: its own output, all steps' outputs, or the input of the stage."
    )
    router_dim: int | None = setting(
        None, "Width of routers", "Of their hidden layer; 0 means linear, empty the width D."
    )
    normaliser: Literal["softmax", "sigmoid"] = setting(
        "softmax", "Weights of steps", "They sum to 1, or each is a gate of its own."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self.patch_multiple is None, f"patch_multiple={self.patch_multiple}: an SR-ViT reads all; expected null")
        check(
            self.depth % self.layers_per_stage == 0,
            f"stage_layers={self.stage_layers}: expected a divisor of depth={self.depth}",
        )
        check(0 <= self.router_width <= 65_536, f"router_dim={self.router_dim}: expected 0 (linear) to 65,536, or null")

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
    layers: Literal[18, 34, 50] = setting(18, "Layers of a ResNet", "As its name counts them.")
    stem: Literal["imagenet", "cifar"] = setting(
        "imagenet", "Stem of a ResNet", "torchvision's, which shrinks small images at once, or one small convolution."
    )

    def __post_init__(self) -> None:
        check_shape(self)

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
