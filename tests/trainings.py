"""What tests of trainings share: configurations with changes, events without clock times, a state through a file."""

import io
from dataclasses import replace

import torch

from vitrm.training.events import Progress


def changed(config, **changes):
    """`config` with fields of its parts changed by their own names."""
    parts = {"model": {}, "train": {}, "data": {}}
    for name, value in changes.items():
        parts[next(part for part in parts if hasattr(getattr(config, part), name))][name] = value
    return replace(config, **{part: replace(getattr(config, part), **new) for part, new in parts.items()})


def kinds(events):
    """Their names."""
    return [type(event).__name__ for event in events]


def exact(event):
    """An event without its clock times."""
    timed = {"seconds": 0.0} if not isinstance(event, Progress) else {"images_per_s": 0.0, "time_left_s": 0.0}
    return replace(event, **timed)


def carry(trainer):
    """The trainer's state, through a file as a run folder writes it."""
    content = io.BytesIO()
    torch.save(trainer.state_dict(), content)
    content.seek(0)
    return torch.load(content, weights_only=True)
