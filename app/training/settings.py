"""The form on the Train page: its presets, and where each setting stands. Their words are with the fields of
`vitrm.config`. No streamlit here.
"""

from __future__ import annotations

from dataclasses import fields

from vitrm.config import Config

# The presets that the page offers, in this order.
EXPECTATIONS = {
    "digits": "Handwritten digits, 8 × 8 pixels. Watch the accuracy climb past 95 % on validation (n = 144, seed 0) "
    "within half a minute on two otherwise idle cores. One supervision step: the answer is right at once or never.",
    "digits-deep": "The same digits, a smaller model, six supervision steps. Early in training the later steps are "
    "clearly better than the first; at the end step 2 gains a point or two, and the last steps lose some again "
    "(seed 0): more steps are not always better.",
    "digits-glimpse": "The same digits, but each step sees only a quarter of the patches: later steps are "
    "right more often because more has been seen (test accuracy of the bundled run, one training: 73 % after step 1, "
    "98 % after step 6; `digits-glimpse-vit`, without steps, given the same patches at once: 73 % to nearly 100 %).",
    "photos": "Your own photographs: a ZIP file that you upload, or a folder or parquet files on the machine that runs "
    "the server, with one folder per class. Expect much less than from a model pretrained on millions of images, and "
    "little from a few dozen.",
    "tiny": "CIFAR-10 with a small model and glimpses. About two hours on two CPU cores.",
    "paper": "The published CIFAR-10 setting, 3.62 million parameters. Days on a CPU: a GPU is needed.",
    "paper-as-published": "The same with every choice of the authors' code that `paper` changes, such as gradients "
    "that are not clipped and a first epoch at a learning rate of 0. A GPU is needed; it has not been trained yet.",
    "best": "The paper's model under what stronger recipes of its size have: label smoothing, random erasing, repeated "
    "augmentation, drop path, an end without mixing. A GPU is needed; its gain has not been measured yet.",
}
# What ViTRM is to be compared with, under the same trainer; none of them has steps, a memory or halting.
COMPARISONS = {
    "digits-vit": "What `digits` is to be compared with: the same block applied once, as a plain transformer, under "
    "the same recipe. Train both, then choose **Compare** (one seed each: a point or two mean little).",
    "digits-glimpse-vit": "What `digits-glimpse` is to be compared with: as many layers of the same width, without "
    "memory or steps, given the patches of one, two, three or four glimpses at once. Six minutes on one CPU core.",
    "sr-vit-digits": "SR-ViT on the same digits: a plain transformer run several times over, each patch mixing "
    "all of its recursion steps as a router says, without memory or halting.",
    "vit-same-block": "What `paper` is to be compared with: ViTRM's own block applied once, under the same recipe. "
    "Days on a CPU, unless “Own settings” ask for fewer epochs, or fewer images an epoch.",
    "vit-same-size": "What `paper` is to be compared with: as many parameters, spent on twelve layers instead of a "
    "recursion, under the same recipe. Days on a CPU, unless “Own settings” ask for less.",
    "resnet18": "The paper's comparison: a residual network of 11 million parameters, three times those of `paper`. "
    "Days on a CPU, unless “Own settings” ask for less.",
}

BEGINNING = "Where a batch begins"  # what means nothing without recursion
GROUPS = {
    "How long and how fast": ("train.epochs", "train.batch_size", "train.lr", "train.warmup_epochs", "train.min_lr",
                              "train.schedule", "train.patience", "train.seed", "train.epoch_images"),
    "The recursion": ("model.supervision_steps", "model.recursion_steps", "model.memory_steps", "model.memory_tokens",
                      "model.glimpse_patches", "model.halt_threshold", "model.halt_bias"),
    "The block": ("model.dim", "model.depth", "model.num_heads", "model.mlp_dim", "model.dropout", "model.drop_path",
                  "model.feed_forward", "model.positions", "model.reference_side", "model.attention_within",
                  "model.token_mixing", "model.reading", "model.shared_block", "model.final_norm", "model.head",
                  "model.readout", "model.init"),
    "The images": ("model.image_size", "model.channels", "model.patch_size", "model.embedding", "data.val_fraction",
                   "data.split_seed", "data.train_images", "data.memory_gb"),
    "The schedule of updates": ("train.update", "train.backprop", "train.stop_unrolling", "train.halt_weight",
                                "train.halt_target", "train.optimizer", "train.weight_decay", "train.decay",
                                "train.betas", "train.grad_clip", "train.ema_decay", "train.ema_warmup",
                                "train.label_smoothing", "train.precision", "train.compile", "train.deterministic"),
    BEGINNING: ("train.progress_steps", "train.progress_draw", "train.progress_ramp", "train.rewind_wrong",
                "train.keep_right", "train.keep_wrong", "train.start_noise", "train.memory_noise"),
    "Augmentation": ("train.crop_pad", "train.flip", "train.affine", "train.randaugment_ops",
                     "train.randaugment_magnitude", "train.mixup_alpha", "train.cutmix_alpha", "train.cutmix_box",
                     "train.unmixed_share", "train.erasing", "train.repeats"),
}  # fmt: skip


def groups(config: Config) -> dict[str, tuple[str, ...]]:
    """The names in `GROUPS` that are settings of this configuration: a comparison has no recursion to set."""
    titles = [title for title in GROUPS if title != BEGINNING or config.model.recurrent]
    there = {f"{part.name}.{each.name}" for part in fields(config) for each in fields(getattr(config, part.name))}
    found = {title: tuple(name for name in GROUPS[title] if name in there) for title in titles}
    return {title: names for title, names in found.items() if names}
