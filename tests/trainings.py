"""What tests of trainings share: a short command, configurations with changes, events without clock times, a state
through a file, a training in two sittings."""

import io
import shlex
from dataclasses import replace

import torch

from vitrm.training.events import Progress
from vitrm.training.trainer import Trainer

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


def in_two_sittings(config, dataset, stop_at):
    """A training that is stopped after so many batches and continued by another trainer, as another process would: the
    events of the first (without clock times), those of the second, and the second trainer."""
    first, done = Trainer(config, dataset), []
    train_batch = first.train_batch

    def counted(*batch):
        yield from train_batch(*batch)
        done.append(1)
        if len(done) == stop_at:
            first.stop()

    first.train_batch = counted
    if stop_at == 0:
        first.stop()
    before = [exact(event) for event in first.events()]
    assert len(done) == stop_at
    torch.manual_seed(99)  # another process would be in another random state
    second = Trainer(config, dataset)
    second.load_state_dict(carry(first))
    return before, [exact(event) for event in second.events()], second
