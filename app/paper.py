"""What the ViTRM paper reports: Vision Tiny Recursion Model, arXiv 2603.19503, Tables 1 and 2 and its ablation.

Top-1 accuracy in percent on the test split, in its own full recipe; seeds and spread are not at hand. Nothing here
was measured by this project, and nothing of this project is in here.
"""

from __future__ import annotations

from dataclasses import dataclass

SOURCE = "arXiv 2603.19503"
BATCH_SIZES = (64, 128, 256, 512, 1024)


@dataclass(frozen=True)
class Row:
    """A line of Table 1 or 2."""

    model: str
    family: str  # as `family_title` of the configurations
    millions: float  # parameters
    accuracy: tuple[float | None, ...]  # for each of `BATCH_SIZES`; None: out of memory


TABLE_1 = (
    Row("ViTRM", "ViTRM", 3.6, (92.6, 93.1, 92.8, 92.1, 91.2)),
    Row("ViT-Small", "plain ViT", 16.9, (94.0, 93.9, 93.3, 92.8, 91.1)),
    Row("ViT-Base", "plain ViT", 85.1, (93.7, 93.8, 94.3, 94.1, 94.0)),
    Row("ViT-Large", "plain ViT", 302.4, (80.8, 73.4, 82.0, 83.2, None)),
    Row("ResNet-18", "ResNet", 11.2, (90.5, 89.7, 88.8, 87.8, 86.1)),
    Row("ResNet-34", "ResNet", 21.3, (90.8, 90.1, 89.7, 87.9, 86.3)),
    Row("ResNet-50", "ResNet", 23.5, (92.0, 90.9, 89.7, 87.9, 84.2)),
)
TABLE_2 = (
    Row("ViTRM", "ViTRM", 3.7, (71.8, 72.1, 72.0, 71.3, 69.8)),
    Row("ViT-Small", "plain ViT", 16.9, (76.1, 75.2, 74.8, 72.7, 71.2)),
    Row("ViT-Base", "plain ViT", 85.2, (72.4, 74.6, 75.4, 76.4, 75.1)),
    Row("ViT-Large", "plain ViT", 302.5, (61.1, 58.9, 61.7, 64.7, None)),
    Row("ResNet-18", "ResNet", 11.2, (64.6, 63.4, 62.1, 60.5, 58.2)),
    Row("ResNet-34", "ResNet", 21.3, (65.4, 63.8, 62.0, 58.8, 56.7)),
    Row("ResNet-50", "ResNet", 23.7, (63.8, 63.4, 61.5, 58.0, 54.5)),
)
TABLES = {"CIFAR-10": TABLE_1, "CIFAR-100": TABLE_2}

# The ablation, CIFAR-10 at batch 128, over M in {1, 2, 3, 6, 12} and N in {1, 2, 4, 8, 16}. Only these of its cells are
# at hand, and not all with their place: "more" and "deeper" stand where the exact number is not known.
BY_MEMORY = (("1", 91.9), ("2", 92.1), ("3", 93.1), ("more", 92.9))  # accuracy by M, at N = 1
BY_SUPERVISION = (("1", 93.1), ("more", 92.6), ("16", 90.0))  # accuracy by N, at M = 3, the default
AT_MOST_SUPERVISION = (("fewer", 90.5), ("deeper", 90.0))  # accuracy as M grows, at N = 16
