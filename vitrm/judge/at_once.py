"""The control of a comparison of glimpses: a plain transformer that is given the same patches, all at once."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from vitrm.config import GlimpsePolicy
from vitrm.errors import ConfigError
from vitrm.judge.bootstrap import Estimate, estimates
from vitrm.judge.report import BATCH, Progress, Tally
from vitrm.reading import Positive, Seed

if TYPE_CHECKING:  # torch takes seconds to import, and whoever reads a report should not wait for it
    from torch import Tensor

    from vitrm.data.dataset import Split
    from vitrm.model import ViTRM
    from vitrm.nets.classifiers import ViT


@dataclass(frozen=True)
class AtOnce:
    """A plain transformer that was given the patches of the first glimpses at once: what seeing more is worth alone.

    One entry per glimpse of a cycle, in which no patch is read twice; the draws are those of the policy "random".
    """

    name: str
    title: str
    parameters: Positive
    training_seed: Seed | None
    patches: tuple[Positive, ...]  # of how many it was given
    accuracy: tuple[Estimate, ...]
    ahead: tuple[Estimate, ...]  # by how much the model with steps is right more often, after as many patches


class Control(NamedTuple):
    """What a model with glimpses is held against."""

    name: str
    model: ViT  # with a `patch_multiple` of as many patches, and a `.transform`
    training_seed: int | None


def check_control(model: ViTRM, control: Control, policies: Sequence[GlimpsePolicy]) -> None:
    """Raises ConfigError for a control that cannot be given the same patches, or no random draw to share."""
    theirs, own = control.model.config, model.config
    shape = ("image_size", "channels", "patch_size", "num_classes")
    if getattr(theirs, "patch_multiple", None) != own.glimpse_patches or any(
        getattr(theirs, name) != getattr(own, name) for name in shape
    ):
        raise ConfigError(
            f"'{control.name}' cannot be the control: expected a plain ViT for the same images and classes that was "
            f"trained with model.patch_multiple={own.glimpse_patches}, such as digits-glimpse-vit"
        )
    if "random" not in policies:
        raise ConfigError("the control is given the patches of the policy 'random'; name it with --policies, too")


def at_once(
    model: ViTRM, control: Control, test: Split, tally: Tally, *, seeds: Sequence[int], right: Tensor
) -> Generator[Progress, None, AtOnce]:
    """The control on the patches of the first glimpse, the first two, ... of each draw; right is (draws, N, n)."""
    import torch

    from vitrm.nets.glimpses import steps_in_cycle

    glimpses = range(1, min(steps_in_cycle(model.config), right.shape[1]) + 1)
    hits = []  # (draws, glimpses, n)
    for seed in seeds:
        parts = []
        for start in range(0, len(test), BATCH):
            parts.append(_answers(model, control.model, glimpses, test, start=start, seed=seed))
            yield tally.add(parts[-1].shape[1])
        hits.append(torch.cat(parts, dim=1) == test.labels.cpu())
    reached = torch.stack(hits).double().mean(dim=0)
    return AtOnce(
        name=control.name,
        title=control.model.config.title,
        parameters=sum(weights.numel() for weights in control.model.parameters()),
        training_seed=control.training_seed,
        patches=tuple(count * model.config.glimpse_patches for count in glimpses),
        accuracy=tuple(estimates(reached)),
        ahead=tuple(estimates(right.mean(dim=0)[: len(glimpses)] - reached)),
    )


def _answers(model: ViTRM, control: ViT, glimpses: Sequence[int], test: Split, *, start: int, seed: int) -> Tensor:
    """(glimpses, images of a batch) the control's classes."""
    import torch

    from vitrm.judge.evaluation import image_seeds
    from vitrm.nets.glimpses import glimpsed

    control.eval()
    device = next(control.parameters()).device
    with torch.inference_mode():
        images = control.transform.normalize(test.images[start : start + BATCH].to(device))
        drawn = image_seeds(seed, start, len(images)).to(device)
        given = [glimpsed(count, drawn, len(images), model.config, device) for count in glimpses]
        return torch.stack([control.classifier(control.features(images, read)).argmax(dim=-1) for read in given]).cpu()
