"""What tests of trainings share: a short command, configurations with changes, events without clock times, a state
through a file."""

import io
import shlex
from dataclasses import replace

import torch

from vitrm.training.events import Progress

# With these words `vitrm train digits` takes about a second
TINY = shlex.split(
    "--train.epochs 1 --train.batch_size 64 --model.dim 16 --model.num_heads 2 --model.mlp_dim 16 --model.depth 1 "
    "--model.memory_tokens 3 --model.memory_steps 1 --model.supervision_steps 2 --threads 1 --device cpu"
)


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
