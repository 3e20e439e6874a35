"""Training augmentation of a batch: crop, affine map, flip, RandAugment, then Mixup or CutMix.

Every random draw is per image (Mixup and CutMix: one weight per batch, as in the paper) and comes from torch's
default generator, which the trainer seeds for each batch: the same batch is always augmented the same way.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from vitrm.config import TrainConfig


def augment(images: Tensor, config: TrainConfig) -> Tensor:
    """(B, C, H, W) uint8 -> the same shape: random crop from a zero-padded image, affine map, flip, RandAugment."""
    if config.crop_pad:
        images = random_crop(images, config.crop_pad)
    if config.affine:
        images = random_affine(images, config.affine)
    if config.flip:
        flipped = torch.rand(len(images), device=images.device) < 0.5
        images = torch.where(flipped[:, None, None, None], images.flip(-1), images)
    if config.randaugment_ops:
        from torchvision.transforms import v2

        policy = v2.RandAugment(config.randaugment_ops, config.randaugment_magnitude)
        images = torch.stack([policy(image) for image in images])  # one call per image: one draw per image
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
    other = torch.randperm(len(images)).to(images.device)
    if kind == "mixup":
        images = images * weight + images[other] * (1 - weight)
    else:
        h, w = images.shape[-2:]
        side = (1 - weight) ** 0.5
        row, column = int(torch.randint(h, ())), int(torch.randint(w, ()))
        top, bottom = max(0, row - int(h * side) // 2), min(h, row + (int(h * side) + 1) // 2)
        left, right = max(0, column - int(w * side) // 2), min(w, column + (int(w * side) + 1) // 2)
        images = images.clone()
        images[..., top:bottom, left:right] = images[other][..., top:bottom, left:right]
        weight = 1 - (bottom - top) * (right - left) / (h * w)  # the share that is really left
    onehot = F.one_hot(labels, num_classes).to(images.dtype)
    return images, onehot * weight + onehot[other] * (1 - weight)
