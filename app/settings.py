"""What every setting means, in a sentence: the words of the form on the Train page. No streamlit here."""

from __future__ import annotations

import typing
from dataclasses import dataclass, fields
from typing import Any

from vitrm.config import PRESETS, Config, DataConfig, ModelConfig, TrainConfig


@dataclass(frozen=True)
class Setting:
    """One field of the configuration: `name` is dotted, `hint` its type."""

    name: str
    label: str
    sentence: str
    hint: Any

    @property
    def paper(self) -> Any:
        """The value in the preset `paper`."""
        return value(PRESETS["paper"], self.name)


# The presets that the page offers, in this order.
EXPECTATIONS = {
    "digits": "Handwritten digits, 8 × 8 pixels. Watch the accuracy climb past 95 % on validation (n = 144, seed 0) "
    "within half a minute on two otherwise idle cores. One supervision step: the answer is right at once or never.",
    "digits-deep": "The same digits, a smaller model, six supervision steps. Early in training the later steps are "
    "clearly better than the first; at the end step 2 gains a point or two, and the last steps lose some again "
    "(seed 0): more steps are not always better.",
    "digits-glimpse": "The same digits, but each step sees only a quarter of the patches: here later steps really "
    "help (test accuracy of the bundled run: 73 % after step 1, 98 % after step 6).",
    "photos": "Your own photographs: a folder with one folder per class, or parquet files, on the machine that runs "
    "the server. Expect much less than from a model pretrained on millions of images, and little from a few dozen.",
    "tiny": "CIFAR-10 with a small model and glimpses. About two hours on two CPU cores.",
    "paper": "The published CIFAR-10 setting, 3.62 million parameters. Days on a CPU: a GPU is needed.",
    "best": "The paper's model under what stronger recipes of its size have: label smoothing, random erasing, repeated "
    "augmentation, drop path, an end without mixing. A GPU is needed; its gain has not been measured yet.",
}
# What ViTRM is to be compared with, under the same trainer; none of them has steps, a memory or halting.
COMPARISONS = {
    "digits-vit": "What `digits` is to be compared with: the same block applied once, as a plain transformer, under "
    "the same recipe. Train both, then choose **Compare** (one seed each: a point or two mean little).",
    "sr-vit-digits": "SR-ViT on the same digits: a plain transformer run several times over, each patch mixing "
    "all of its recursion steps as a router says, without memory or halting.",
    "vit-same-block": "What `paper` is to be compared with: ViTRM's own block applied once, under the same recipe. "
    "Days on a CPU, unless “Own settings” ask for fewer epochs, or fewer images an epoch.",
    "vit-same-size": "What `paper` is to be compared with: as many parameters, spent on twelve layers instead of a "
    "recursion, under the same recipe. Days on a CPU, unless “Own settings” ask for less.",
    "resnet18": "The paper's comparison: a residual network of 11 million parameters, three times those of `paper`. "
    "Days on a CPU, unless “Own settings” ask for less.",
}

_TEXTS = {
    "train.epochs": ("Epochs", "How many times every training image is shown."),
    "train.batch_size": ("Batch size", "How many images share one update of the weights."),
    "train.lr": ("Learning rate", "How far one update moves the weights; too high and the loss turns into NaN."),
    "train.min_lr": ("Final learning rate", "Where the cosine schedule ends."),
    "train.warmup_epochs": ("Warm-up epochs", "How long the learning rate rises before it falls."),
    "train.weight_decay": ("Weight decay", "How strongly AdamW pulls the weight matrices towards zero."),
    "train.betas": ("Adam's betas", "How long AdamW remembers the gradient and its square."),
    "train.grad_clip": ("Gradient clipping", "The longest gradient that is used as it is; 0 switches clipping off."),
    "train.ema_decay": (
        "Averaging of weights",
        "How slowly the averaged weights follow the raw ones; the averaged ones are tested and saved.",
    ),
    "train.halt_weight": ("Weight of the halting loss", "How much the halting head counts beside the classes (Eq. 5)."),
    "train.stop_unrolling": (
        "Stop unrolling (Eq. 6)",
        "In training, skip the remaining supervision steps once the mean halting probability passes the threshold.",
    ),
    "train.patience": ("Patience", "Epochs without a better validation accuracy before training ends; 0 means never."),
    "train.backprop": ("Gradients reach back", "How far a loss looks back: one supervision step, one recursion, all."),
    "train.update": ("Weights move", "After every supervision step, as in the paper, or once per batch."),
    "train.crop_pad": ("Random shift", "Images are shifted by up to this many pixels, so that place matters less."),
    "train.flip": ("Random mirror", "Half of the images are mirrored; wrong for digits and letters."),
    "train.affine": ("Random rotation and zoom", "Largest rotation in radians, and zoom and shift as a share."),
    "train.randaugment_ops": ("RandAugment operations", "How many random colour and shape changes each image gets."),
    "train.randaugment_magnitude": ("RandAugment strength", "How strong these changes are, 0 to 30."),
    "train.mixup_alpha": ("Mixup", "How strongly pairs of images are blended, labels too; 0 switches it off."),
    "train.cutmix_alpha": ("CutMix", "How strongly rectangles are exchanged between images; 0 switches it off."),
    "train.label_smoothing": ("Label smoothing", "Share of the label that is spread over all classes."),
    "train.erasing": ("Random erasing", "Probability that a rectangle of an image is replaced by noise."),
    "train.repeats": (
        "Repeats in a batch",
        "How often an image stands in its batch, augmented anew each time; an epoch then sees fewer images.",
    ),
    "train.unmixed_share": ("Unmixed end", "Share of the epochs, the last ones, without Mixup and CutMix."),
    "train.epoch_images": ("Images in an epoch", "How many images an epoch draws; 0 means every training image once."),
    "train.deterministic": ("Deterministic", "The same numbers again on a GPU too; slower."),
    "train.progress_steps": (
        "Steps before those that learn",
        "Each batch first makes a random number of steps without learning, up to this many; so the model learns to go "
        "on from wherever it is. Not in the paper.",
    ),
    "train.precision": ("Precision", "bf16 halves memory and time on a recent GPU; weights stay in fp32."),
    "train.compile": ("Compile the block", "Lets torch compile the shared block: a slow start, then faster on a GPU."),
    "train.seed": ("Seed", "Where all randomness starts: the same seed gives the same run."),
    "model.image_size": ("Image size", "Side of the square images in pixels."),
    "model.channels": ("Colour channels", "1 for grey, 3 for colour."),
    "model.patch_size": ("Patch size", "Side of a patch in pixels; it must divide the image size."),
    "model.dim": ("Width D", "Length of every token; it must be a multiple of the number of heads."),
    "model.depth": ("Layers k", "Layers in the block; ViTRM shares one for all its steps."),
    "model.num_heads": ("Attention heads", "How many attentions each layer runs side by side."),
    "model.mlp_dim": ("Feed-forward width", "Width inside each layer's feed-forward part."),
    "model.feed_forward": ("Feed-forward kind", "SwiGLU as in the authors' code, or GELU as in the paper's text."),
    "model.positions": (
        "Positions",
        "Where a patch is: learnt for each place of the image, or by distance, for any size (not in the paper).",
    ),
    "model.reference_side": (
        "Attention scaled from",
        "Patches along a side beyond which attention is sharpened, so that it reads larger images as well; empty means "
        "never. Not in the paper.",
    ),
    "model.token_mixing": ("Tokens mix by", "Attention, or an MLP over fixed positions."),
    "model.reading": ("Memory reads by", "Joint self-attention over everything, or cross-attention to the patches."),
    "model.shared_block": ("One block for both updates", "Whether memory and answer are updated by the same block."),
    "model.final_norm": (
        "Final norm",
        "A norm on the block's output keeps the states bounded; not in the paper.",
    ),
    "model.head": ("Heads", "Linear, as in the paper's text, or two layers, as in its Figure 1."),
    "model.readout": (
        "Read-out",
        "The heads read the last step's answer, or a learned mixture of all steps' answers so far. Not in the paper.",
    ),
    "model.memory_tokens": ("Memory tokens K", "Size of the memory; empty means one token per patch."),
    "model.memory_steps": ("Memory iterations M", "How often the memory is updated before the answer is."),
    "model.recursion_steps": ("Recursion steps T", "Rounds of memory and answer updates within a supervision step."),
    "model.supervision_steps": ("Supervision steps N", "How often the model answers, each time with a loss."),
    "model.glimpse_patches": ("Glimpse", "Patches that each step may see; empty means all. Not in the paper."),
    "model.halt_threshold": ("Halting threshold", "The halting probability above which it stops."),
    "model.halt_bias": ("Halting bias at the start", "Below zero the halting head begins by saying “not yet”."),
    "model.dropout": ("Dropout", "Share of each layer's output that is dropped at random while training."),
    "model.drop_path": ("Drop path", "Largest probability, at the last layer, that an image skips a layer's branch."),
    "data.val_fraction": ("Validation share", "Share of the training images kept aside to choose the weights on."),
    "data.split_seed": ("Split seed", "Which images these are."),
    "data.memory_gb": (
        "Memory for images, GB",
        "Decoded images beyond it are read from a file; 0 means a third of what is free.",
    ),
    "data.train_images": ("Training images", "Learn from so many of them only; 0 means from all."),
}
GROUPS = {
    "How long and how fast": ("train.epochs", "train.batch_size", "train.lr", "train.warmup_epochs", "train.min_lr",
                              "train.patience", "train.seed", "train.epoch_images"),
    "The recursion": ("model.supervision_steps", "model.recursion_steps", "model.memory_steps", "model.memory_tokens",
                      "model.glimpse_patches", "model.halt_threshold", "model.halt_bias"),
    "The block": ("model.dim", "model.depth", "model.num_heads", "model.mlp_dim", "model.dropout", "model.drop_path",
                  "model.feed_forward", "model.positions", "model.reference_side", "model.token_mixing",
                  "model.reading", "model.shared_block", "model.final_norm", "model.head", "model.readout"),
    "The images": ("model.image_size", "model.channels", "model.patch_size", "data.val_fraction", "data.split_seed",
                   "data.train_images", "data.memory_gb"),
    "The schedule of updates": ("train.update", "train.backprop", "train.progress_steps", "train.stop_unrolling",
                                "train.halt_weight", "train.weight_decay", "train.betas", "train.grad_clip",
                                "train.ema_decay", "train.label_smoothing", "train.precision", "train.compile", "train.deterministic"),
    "Augmentation": ("train.crop_pad", "train.flip", "train.affine", "train.randaugment_ops",
                     "train.randaugment_magnitude", "train.mixup_alpha", "train.cutmix_alpha", "train.unmixed_share",
                     "train.erasing", "train.repeats"),
}  # fmt: skip


def _hints() -> dict[str, Any]:
    sections = {"model": ModelConfig, "train": TrainConfig, "data": DataConfig}
    return {
        f"{section}.{field.name}": typing.get_type_hints(cls)[field.name]
        for section, cls in sections.items()
        for field in fields(cls)
    }


SETTINGS = {name: Setting(name, *_TEXTS[name], hint) for name, hint in _hints().items() if name in _TEXTS}


def groups(config: Config) -> dict[str, tuple[str, ...]]:
    """The names in `GROUPS` that are settings of this configuration: a comparison has no recursion to set."""
    there = {f"{part.name}.{each.name}" for part in fields(config) for each in fields(getattr(config, part.name))}
    found = {title: tuple(name for name in names if name in there) for title, names in GROUPS.items()}
    return {title: names for title, names in found.items() if names}


def value(config: Config, name: str) -> Any:
    """The value of a dotted setting."""
    section, _, field = name.partition(".")
    return getattr(getattr(config, section), field)


def shown(value: Any) -> str:
    """A value as the form shows it."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "on" if value else "off"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
