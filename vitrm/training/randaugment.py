"""RandAugment (Cubuk et al. 2020) of a whole batch at once, on the device it lies on, every image with its own draws.

torchvision's `v2.RandAugment`, given a batch, draws once for all of it; given single images, it keeps a GPU waiting for
hundreds of tiny kernels. Here all fourteen operations are done to the batch and each image takes the one that it drew,
so that the host never waits. Operations and magnitudes are torchvision's; tests hold each one to it.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

GEOMETRIC = ("ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate")
BLENDED = ("Brightness", "Color", "Contrast", "Sharpness")
OPERATIONS = ("Identity", *GEOMETRIC, *BLENDED, "Posterize", "Solarize", "AutoContrast", "Equalize")
_BINS = 30  # magnitudes go from 0 to this


def randaugment(images: Tensor, operations: int, magnitude: int) -> Tensor:
    """(B, C, H, W) uint8 -> the same shape: that many operations one after the other, drawn for each image."""
    for _ in range(operations):
        drawn = torch.randint(len(OPERATIONS), (len(images),), device=images.device)
        negative = torch.rand(len(images), device=images.device) < 0.5
        images = apply(images, drawn, negative, magnitude)
    return images


def apply(images: Tensor, drawn: Tensor, negative: Tensor, magnitude: int) -> Tensor:
    """(B, C, H, W) uint8 with, for each image, the operation of that index (B,) done to it.

    `negative` (B,) turns the direction round of those operations that have one; `magnitude` is 0..30.
    """
    from torchvision.transforms.v2.functional import equalize

    _, c, h, w = images.shape
    share, pixels = magnitude / _BINS, images.float()
    maps = _maps(magnitude, h, w, images.device)[drawn * 2 + negative]  # (B, 2, 3)
    grid = F.affine_grid(maps, list(images.shape), align_corners=False)
    # Where no geometric operation was drawn the map is the identity, and the nearest pixel the pixel itself.
    changed = F.grid_sample(pixels, grid, mode="nearest", padding_mode="zeros", align_corners=False)

    grey = pixels
    if c == 3:
        red, green, blue = pixels.unbind(1)
        grey = (0.2989 * red + 0.587 * green + 0.114 * blue).floor()[:, None]
    blurred = pixels
    if min(h, w) > 2:
        inner = (F.avg_pool2d(pixels, 3, stride=1) * 9 + 4 * pixels[..., 1:-1, 1:-1]) / 13  # weight 5 in the middle
        blurred = pixels.clone()
        blurred[..., 1:-1, 1:-1] = inner.round()
    ratio = torch.where(negative, 1 - 0.9 * share, 1 + 0.9 * share)[:, None, None, None]
    faded = {  # what each image is blended with, or away from
        "Brightness": torch.zeros_like(pixels),
        "Color": grey.expand_as(pixels),
        "Contrast": grey.mean(dim=(1, 2, 3), keepdim=True).expand_as(pixels),
        "Sharpness": blurred,
    }
    results = {name: torch.lerp(other, pixels, ratio) for name, other in faded.items()}
    low, high = pixels.amin((2, 3), keepdim=True), pixels.amax((2, 3), keepdim=True)
    stretched = (pixels - low) / ((high - low) * (1 / 255))
    results["AutoContrast"] = torch.where(high > low, stretched, pixels)
    results["Solarize"] = torch.where(pixels >= 255 * (1 - share), 255 - pixels, pixels)
    step = 2 ** (8 - round(8 - 4 * share))
    results["Posterize"] = (pixels / step).floor() * step
    results["Equalize"] = equalize(images).float()
    for name, result in results.items():
        mine = (drawn == OPERATIONS.index(name))[:, None, None, None]
        changed = torch.where(mine, result, changed)
    return changed.clamp(0, 255).to(torch.uint8)


@lru_cache(maxsize=16)
def _maps(magnitude: int, height: int, width: int, device: torch.device) -> Tensor:
    """(28, 2, 3) affine maps from output to input, in units of half the image: two directions of each operation."""
    share = magnitude / _BINS
    rows = []
    for name in OPERATIONS:
        for sign in (1, -1):
            a, b, right, c, d, down = 1.0, 0.0, 0.0, 0.0, 1.0, 0.0  # x' = a x + b y + right, in pixels from the centre
            if name == "ShearX":  # about the corner, as in torchvision
                b = sign * 0.3 * share
                right = b * height / 2
            elif name == "ShearY":
                c = sign * 0.3 * share
                down = c * width / 2
            elif name == "TranslateX":
                right = -sign * int(150 / 331 * width * share)
            elif name == "TranslateY":
                down = -sign * int(150 / 331 * height * share)
            elif name == "Rotate":
                angle = math.radians(sign * 30 * share)
                a, b, c, d = math.cos(angle), -math.sin(angle), math.sin(angle), math.cos(angle)
            rows.append([
                [a, b * height / width, right / (width / 2)],
                [c * width / height, d, down / (height / 2)],
            ])  # fmt: skip
    with torch.inference_mode(False):
        return torch.tensor(rows, device=device)
