"""Runs that the tests of run folders share: a complete one, one to be damaged, one that has just begun."""

import shutil
from pathlib import Path

import pytest

from vitrm.cli import main as cli
from vitrm.runs.checkpoints import create_run
from vitrm.runs.folder import Run
from vitrm.training.trainer import Trainer

# A run of a few seconds: 41 batches an epoch, so that five reports come before the first epoch ends.
SMALL = [
    *("--train.epochs", "3", "--train.batch_size", "32", "--train.mixup_alpha", "0.2", "--model.dropout", "0.1"),
    *("--model.dim", "16", "--model.num_heads", "2", "--model.mlp_dim", "16", "--model.depth", "1"),
    *("--train.lr", "1e-3"),
    *("--model.memory_tokens", "3", "--model.memory_steps", "1", "--threads", "1", "--device", "cpu"),
]


@pytest.fixture
def small():
    """The settings of a run of a few seconds, as words of a command."""
    return SMALL


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A complete run that tests may read but not change."""
    folder = tmp_path_factory.mktemp("finished")
    assert cli.main(["train", "digits", *SMALL, "--runs", str(folder), "--name", "whole"]) == 0
    return Run(folder / "whole")


@pytest.fixture
def copy(finished, tmp_path):
    """A complete run to be damaged."""
    return Run(Path(shutil.copytree(finished.path, tmp_path / "copy")))


@pytest.fixture
def fresh(small_run, few_digits, tmp_path):
    """A run folder that has just been created, and a trainer for it."""
    trainer = Trainer(small_run, few_digits)
    return create_run(tmp_path / "fresh", trainer.config, "vitrm train", "cpu"), trainer


class Hostile:
    """Unpickling this creates a file."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


@pytest.fixture
def hostile():
    """What creates a file when somebody unpickles it."""
    return Hostile
