"""How a model is trained."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from vitrm.config.fields import check, setting


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
    (incremental progress training, Bansal et al. 2022, arXiv 2202.05826). Begin with weights that use their steps:
    others settle for what is seen at once. Weights that never went on fall apart far beyond their own steps, which
    `progress_ramp` spares them: K grows with what has been learned. Drawn evenly, nearly every batch begins where a
    small problem is solved already, and teaches to hold; with `progress_draw="log"` as many begin after 1 or 2 steps as
    after 30 to 60, so that solving is taught for as long as holding, in fewer steps. What is answered wrongly after so
    many steps may be past mending, and learning from it ruins what was learned: a share `rewind_wrong` of it is back at
    an earlier one of them, drawn log-uniformly, where it can still be solved; of glimpses it reads on with those that
    are next for its batch. Validation runs all K + N steps, and of equally good epochs the later one is kept.
    `memory_noise` is meant to keep such a recursion from drifting, and `start_noise` makes it begin anywhere, as in EqR
    (arXiv 2605.21488); what they brought on mazes: results/mazes.md.

    `keep_right` and `keep_wrong` come to the same without a step more: an image of a full batch stays for
    the next one of its size with this probability, and goes on from the state it has come to; a new one takes the place
    of any other. With `keep_wrong` alone it is the unsolved ones that stay, as in TRM (arXiv 2510.04871), which goes by
    its halting head; for 1 / (1 - keep_wrong) batches at most, on average. An epoch then has as many batches, and fewer
    images. Validation runs as many steps as an image that always stays makes on average, if those are more.
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
    optimizer: Literal["adamw", "muon"] = setting(
        "adamw",
        "Optimizer",
        "AdamW; or Muon for the matrices of the shared block, which all turn equally far in every direction, and AdamW "
        "for the rest.",
        paper="adamw",
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
    progress_draw: Literal["even", "log"] = setting(
        "even",
        "How many of them",
        "Every number as often; or few more often: as many batches make 1 or 2 as 32 to 63, so that finding the answer "
        "is learned for as long as keeping it.",
    )
    progress_ramp: float = setting(
        0.0,
        "Growing over",
        "Share of the training over which the steps before those that learn grow from none to their full number.",
    )
    rewind_wrong: float = setting(
        0.0,
        "Wrong ones that go back",
        "Share of the images answered wrongly after the steps before those that learn, which go back to an earlier one "
        "of these, often to the start.",
    )
    memory_noise: float = setting(
        0.0,
        "Noise in the memory",
        "Standard deviation of what is added to the memory at random after each update in training, so that the model "
        "learns to mend small errors, not to carry them on.",
    )
    start_noise: float = setting(
        0.0,
        "Noise at the start",
        "Standard deviation of what is added at random to the memory that a training image begins with, so that the "
        "model learns to begin anywhere.",
    )
    keep_right: float = setting(
        0.0,
        "Right ones that stay",
        "Probability that an image answered rightly stays for the next batch, and goes on from where it is.",
    )
    keep_wrong: float = setting(
        0.0, "Wrong ones that stay", "The same for an image answered wrongly; with this alone, the unsolved are kept."
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
    precision: Literal["fp32", "bf16", "auto"] = setting(
        "fp32",
        "Precision",
        "bf16 halves memory and time on a recent GPU; weights stay in fp32. auto tries both and takes the faster.",
    )
    compile: Literal[False, True, "auto"] = setting(
        False,
        "Compile the block",
        "Lets torch compile the shared block: a slow start, then faster on a GPU, and on a CPU with bf16. Needs a C++ "
        "compiler there. auto tries it where the training is long enough to gain by it, and keeps it if it is faster.",
    )
    deterministic: bool = setting(False, "Deterministic", "The same numbers again on a GPU too; slower.")
    start: str = setting(
        "", "Begin with the weights of", "A run or checkpoint of the same shape; empty means random weights."
    )
    seed: int = setting(
        0,
        "Seed",
        "Where all randomness starts: the same seed gives the same run, but on one kind of processor only.",
        code=42,
    )

    @property
    def keeps(self) -> bool:
        """Whether images of a batch may stay for the next one."""
        return bool(self.keep_right or self.keep_wrong)

    @property
    def augments(self) -> bool:
        """Whether images are changed before they are learned from."""
        shifted = self.crop_pad or self.flip or self.affine or self.erasing
        return bool(shifted or self.randaugment_ops or self.mixup_alpha or self.cutmix_alpha)

    def __post_init__(self) -> None:
        check(self.epochs >= 1, f"epochs={self.epochs}: expected 1 or more")
        check(self.batch_size >= 1, f"batch_size={self.batch_size}: expected 1 or more")
        check(0 < self.lr < math.inf, f"lr={self.lr}: expected more than 0")
        check(0 <= self.min_lr <= self.lr, f"min_lr={self.min_lr}: expected between 0 and lr={self.lr}")
        check(all(0 <= beta < 1 for beta in self.betas), f"betas={self.betas}: expected two values, 0 <= beta < 1")
        check(0 <= self.ema_decay < 1, f"ema_decay={self.ema_decay}: expected 0 <= ema_decay < 1")
        check(0 <= self.label_smoothing < 1, f"label_smoothing={self.label_smoothing}: expected 0 <= value < 1")
        for name in ("erasing", "unmixed_share", "progress_ramp", "rewind_wrong"):
            check(0 <= getattr(self, name) <= 1, f"{name}={getattr(self, name)}: expected 0 to 1")
        for name in ("keep_right", "keep_wrong"):  # at 1 the first batch would be the only one
            check(0 <= getattr(self, name) <= 0.99, f"{name}={getattr(self, name)}: expected 0 to 0.99")
        check(
            1 <= self.repeats <= self.batch_size,
            f"repeats={self.repeats}: expected 1 to batch_size={self.batch_size}",
        )
        for name in ("epoch_images", "warmup_epochs", "weight_decay", "grad_clip", "halt_weight",
                     "patience", "memory_noise", "start_noise", "crop_pad", "affine", "randaugment_ops"):  # fmt: skip
            check(0 <= getattr(self, name) < math.inf, f"{name}={getattr(self, name)}: expected 0 or more")
        for name in ("mixup_alpha", "cutmix_alpha"):  # beyond these a Beta distribution is a coin, a half, or an error
            value = getattr(self, name)
            check(value == 0 or 0.01 <= value <= 100, f"{name}={value}: expected 0 (none), or 0.01 to 100")
        check(0 <= self.seed < 2**63, f"seed={self.seed}: expected 0 to 2^63 - 1")
        check(0 <= self.randaugment_magnitude <= 30, f"randaugment_magnitude={self.randaugment_magnitude}: 0 to 30")
        check(0 <= self.progress_steps <= 1000, f"progress_steps={self.progress_steps}: expected 0 to 1,000")
        check(
            self.backprop != "all" or self.update == "batch",
            "backprop='all' needs update='batch': weights may not move inside one backward pass",
        )
