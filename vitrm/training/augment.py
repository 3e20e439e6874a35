"""Training augmentation of a batch: crop, affine map, flip, RandAugment, erasing, then Mixup or CutMix.

Everything runs on the device that the batch lies on, without the host waiting for it. Every random draw is per image
(Mixup and CutMix: one weight per batch, as in the paper, drawn on the host) and comes from torch's default generator,
which the trainer seeds for each batch: the same batch is always augmented the same way.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from vitrm.config import TrainConfig
from vitrm.training.randaugment import randaugment


def augment(images: Tensor, config: TrainConfig) -> Tensor:
    """(B, C, H, W) uint8 -> the same shape: random crop from a zero-padded image, affine map, flip, RandAugment,
    erasing.
    """
    if config.crop_pad:
        images = random_crop(images, config.crop_pad)
    if config.affine:
        images = random_affine(images, config.affine)
    if config.flip:
        flipped = torch.rand(len(images), device=images.device) < 0.5
        images = torch.where(flipped[:, None, None, None], images.flip(-1), images)
    if config.randaugment_ops:
        images = randaugment(images, config.randaugment_ops, config.randaugment_magnitude)
    if config.erasing:
        images = random_erase(images, config.erasing)
    return images


def random_crop(images: Tensor, pad: int) -> Tensor:
    """Each image shifted by its own whole-pixel offset, -pad..pad in both directions, zeros moving in."""
    b, _, h, w = images.shape
    padded = F.pad(images, [pad] * 4)
    offset = torch.randint(0, 2 * pad + 1, (b, 2), device=images.device)
    rows = offset[:, :1] + torch.arange(h, device=images.device)  # (B, H)
    columns = offset[:, 1:] + torch.arange(w, device=images.device)  # (B, W)
    batch = torch.arange(b, device=images.device)
    return padded[batch[:, None, None], :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def random_affine(images: Tensor, strength: float) -> Tensor:
    """Each uint8 image rotated, zoomed and shifted by its own draws from -strength..strength, edges repeated.

    Rotation is in radians, zoom a factor 1 + draw, the shift a share of half the image. Bilinear.
    """
    angle, zoom, right, down = (torch.rand(4, len(images), device=images.device) * 2 - 1) * strength
    cos, sin = (1 + zoom) * angle.cos(), (1 + zoom) * angle.sin()
    maps = torch.stack([cos, -sin, right, sin, cos, down], dim=-1).view(-1, 2, 3)
    grid = F.affine_grid(maps, list(images.shape), align_corners=False)
    moved = F.grid_sample(images.float(), grid, padding_mode="border", align_corners=False)
    return moved.round().clamp(0, 255).to(torch.uint8)


def random_erase(images: Tensor, probability: float) -> Tensor:
    """Each image, with that probability, with a rectangle of its own replaced by noise (Zhong et al. 2020).

    The rectangle covers 2 to 33 % of the image, its sides in a ratio of 0.3 to 3.3 (cut off where it does not fit).
    """
    b, _, h, w = images.shape
    size, shape, down, right, chance = torch.rand(5, b, 1, device=images.device)
    area, ratio = (0.02 + 0.31 * size) * h * w, torch.exp((2 * shape - 1) * 1.2)  # e^1.2 = 3.3
    height, width = (area * ratio).sqrt().round().clamp(1, h), (area / ratio).sqrt().round().clamp(1, w)
    top, left = (down * (h - height + 1)).floor(), (right * (w - width + 1)).floor()
    rows, columns = torch.arange(h, device=images.device), torch.arange(w, device=images.device)
    in_rows = (rows >= top) & (rows < top + height) & (chance < probability)  # (B, H)
    in_columns = (columns >= left) & (columns < left + width)  # (B, W)
    noise = torch.randint(0, 256, images.shape, dtype=torch.uint8, device=images.device)
    return torch.where((in_rows[:, :, None] & in_columns[:, None, :])[:, None], noise, images)


def mix(images: Tensor, labels: Tensor, num_classes: int, config: TrainConfig) -> tuple[Tensor, Tensor]:
    """Mixup or CutMix of normalised images (B, C, H, W) with a shuffled copy of the batch.

    Which of the two is drawn per batch, at even odds if both are on. Returns the images and either the
    labels (B,) as they came, if both are off, or the mixed targets (B, C), whose rows sum to 1.
    """
    kinds = [kind for kind in ("mixup", "cutmix") if getattr(config, f"{kind}_alpha") > 0]
    if not kinds:
        return images, labels
    kind = kinds[int(torch.randint(len(kinds), ()))]
    alpha = getattr(config, f"{kind}_alpha")
    weight = float(torch.distributions.Beta(alpha, alpha).sample())
    other = torch.randperm(len(images), device=images.device)
    if kind == "mixup":
        images = images * weight + images[other] * (1 - weight)
    else:
        h, w = images.shape[-2:]
        side = (1 - weight) ** 0.5
        row, column = int(torch.randint(h, ())), int(torch.randint(w, ()))
        odd = int(config.cutmix_box == "exact")  # whether the last pixel of an odd side counts
        top, bottom = max(0, row - int(h * side) // 2), min(h, row + (int(h * side) + odd) // 2)
        left, right = max(0, column - int(w * side) // 2), min(w, column + (int(w * side) + odd) // 2)
        images = images.clone()
        images[..., top:bottom, left:right] = images[other][..., top:bottom, left:right]
        weight = 1 - (bottom - top) * (right - left) / (h * w)  # the share that is really left
    onehot = F.one_hot(labels, num_classes).to(images.dtype)
    return images, onehot * weight + onehot[other] * (1 - weight)
