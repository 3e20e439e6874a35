"""What an SR-ViT makes of one image, and its file: the soft mixture, token by token. Pure numpy, without torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, ClassVar, Literal

import numpy as np

from vitrm.reading import Count, Positive, expect
from vitrm.traces.axes import check_axes, check_numbers
from vitrm.traces.trace import check_picture, load_traces, probabilities, save_traces


@dataclass(frozen=True)
class _Stored:
    """What the file of mixtures says beside its arrays."""

    class_names: tuple[str, ...]
    patch_size: Positive
    layers_per_stage: Positive
    mixture: Literal["token", "scalar", "uniform", "last"]
    normaliser: Literal["softmax", "sigmoid"]
    label: tuple[Count | None, ...]
    names: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class MixtureTrace:
    """One image in an SR-ViT, immutable: its arrays cannot be written to. Two are equal if they are the same one.

    R recursion steps, C classes, L patches in row-major order; position 0 of the tokens is the class token. All float
    arrays are float32. `weights` is NaN for the patches of the last stage, where only the class token is read: with one
    stage (location "stack") the patches have no mixture at all.

    Row r of `logits`, `last_logits` and `uniform_logits` is the answer if the recursion of every stage ends after step
    r + 1: with the model's own mixture of these steps, with the last of them alone, and with their mean. So the final
    rows are the model's answer and the answers with its mixture replaced, and `last_logits[r]` is what step r + 1 alone
    has to say. None of them is trained for but the model's own.
    """

    SHARED: ClassVar = ("class_names", "patch_size", "layers_per_stage", "mixture", "normaliser")
    OWN: ClassVar = ("label",)
    STORED: ClassVar = _Stored
    AXES: ClassVar = {
        **{"pixels": "c h h", "weights": "s R L1"},
        **{"logits": "R C", "last_logits": "R C", "uniform_logits": "R C"},
    }

    class_names: tuple[str, ...]
    patch_size: int
    layers_per_stage: int
    mixture: str  # as in `SRViTConfig`, as is the next
    normaliser: str
    label: int | None  # the true class, where it is known; the model never sees it
    pixels: np.ndarray  # (C, H, W) uint8, exactly what the model was given, before normalisation
    weights: np.ndarray  # (stages, R, 1+L), 0..1; of a softmax they sum to 1 over R
    logits: np.ndarray  # (R, C)
    last_logits: np.ndarray  # (R, C)
    uniform_logits: np.ndarray  # (R, C)

    def __post_init__(self) -> None:
        for name in self.AXES:
            getattr(self, name).flags.writeable = False

    def check(self) -> None:
        """Raises RunError, naming the field, where it contradicts itself or holds what no model could have made."""
        length = check_axes({name: getattr(self, name) for name in self.AXES}, self.AXES)
        check_picture(self, length)
        patches = (length["h"] // self.patch_size) ** 2
        expect(length["L"] == patches, f"weights are of {length['L']} patches, expected {patches}")
        for name in ("logits", "last_logits", "uniform_logits"):
            check_numbers(name, getattr(self, name))
        check_numbers("weights", self.weights[:-1], 0.0, 1.001)
        check_numbers("weights", self.weights[-1, :, 0], 0.0, 1.001)  # the patches of the last stage may be NaN
        check_numbers("weights", np.nan_to_num(self.weights[-1]), 0.0, 1.001)
        sums = self.weights[..., 0].sum(axis=1)
        expect(bool((sums > 0).all()), "weights: those of a token are all 0")

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of patches."""
        _, height, width = self.pixels.shape
        return height // self.patch_size, width // self.patch_size

    @property
    def shares(self) -> np.ndarray:
        """(stages, R, 1+L) the weights divided by their sum: a distribution over the steps, whatever the normaliser."""
        return self.weights / self.weights.sum(axis=1, keepdims=True)

    @property
    def entropy(self) -> np.ndarray:
        """(stages, 1+L) entropy of a token's shares in nats: 0 is one step alone, ln R all steps alike."""
        return -(self.shares * np.log(np.maximum(self.shares, 1e-12))).sum(axis=1)

    @property
    def mean_step(self) -> np.ndarray:
        """(stages, 1+L) the step that a token listens to on average: 1 is the first alone, R the last."""
        steps = np.arange(1, self.weights.shape[1] + 1, dtype=np.float32)
        return (self.shares * steps[:, None]).sum(axis=1)

    @property
    def probs(self) -> np.ndarray:
        """(C,) the model's own class probabilities."""
        return probabilities(self.logits[-1])

    def save(self, path: str | Path | BinaryIO) -> None:
        """Write it as compressed NPZ, to a file or into one that is open."""
        save_traces(path, {"": self})

    @classmethod
    def load(cls, path: str | Path) -> MixtureTrace:
        """Read `save`'s file. Raises TraceError if it is no such file; never unpickles."""
        return load_traces(path, cls)[""]
