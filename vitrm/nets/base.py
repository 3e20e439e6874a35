"""What all families of models answer with: supervision steps, of which those without recursion take one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from torch import Tensor, nn

from vitrm.config import AnyModelConfig, ModelConfig
from vitrm.errors import ConfigError


@dataclass(frozen=True)
class Step:
    """What one supervision step ends with (Eq. 4). Only a ViTRM has a halting logit and a memory."""

    logits: Tensor  # (B, C)
    halt_logit: Tensor | None  # (B,)
    answer: Tensor  # (B, 1, D), what the logits were read from; with readout="mixture" the newest part of it
    memory: Tensor | None  # (B, K, D)
    patches: Tensor | None  # (B, S) indices of the patches this step read; None = all of them

    @property
    def halt_prob(self) -> Tensor:
        """(B,) the model's own estimate, 0..1, that its current prediction is right."""
        return self.halt_logit.sigmoid()


class OneStep(nn.Module):
    """A family that answers once: a subclass says what it reads its answer from, and this makes the one step of it."""

    config: AnyModelConfig
    classifier: nn.Module  # (B, D) -> (B, C)

    def features(self, images: Tensor) -> Tensor:
        """(B, D) of (B, C, H, W) images: what the classifier reads."""
        raise NotImplementedError

    @property
    def repeated(self) -> tuple[nn.Module, ...]:
        """The modules that do nearly all the work: what is worth compiling."""
        raise NotImplementedError

    def steps(
        self,
        images: Tensor,
        supervision_steps: int | None = None,
        seeds: int | Tensor = 0,
        backprop: str = "supervision_step",
        *,
        edit: None = None,
        start: None = None,
    ) -> Iterator[Step]:
        """The one answer to (B, C, H, W) images. What is said of a recursion is taken, and means nothing here.

        Raises ConfigError if more than one supervision step is asked for.
        """
        if supervision_steps not in (None, 1):
            raise ConfigError(f"supervision_steps={supervision_steps}: a {self.config.title} answers once, expected 1")
        check_images(images, self.config)
        features = self.features(images)
        yield Step(self.classifier(features), None, features[:, None], None, None)

    def forward(self, images: Tensor, supervision_steps: int | None = None, seeds: int | Tensor = 0) -> Tensor:
        """Class logits (B, C)."""
        (step,) = self.steps(images, supervision_steps, seeds)
        return step.logits


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode for a while; then, whatever happens, the mode that the model was in."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


def patches_in(images: Tensor, config: ModelConfig) -> int:
    """L of images (B, C, H, W), which may be of another size than the configuration's."""
    return (images.shape[-1] // config.patch_size) ** 2


def check_images(images: Tensor, config: AnyModelConfig) -> None:
    """Raises ValueError if these are not (B, C, H, W) as the model was made for; with relative positions any square of
    whole patches is.
    """
    size = config.image_size
    if getattr(config, "positions", "absolute") == "relative" and images.ndim == 4:
        size = max(images.shape[-1] // config.patch_size, 1) * config.patch_size
    expected = (config.channels, size, size)
    if images.ndim != 4 or tuple(images.shape[1:]) != expected:
        raise ValueError(
            f"images have shape {tuple(images.shape)}, expected (batch, {', '.join(map(str, expected))}); "
            "model.transform makes such a tensor from a PIL image, images[None] adds the batch"
        )
