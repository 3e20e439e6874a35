"""A training cut to fit into a given time."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from vitrm.errors import ConfigError
from vitrm.training.budget import SLACK, fit_budget
from vitrm.training.events import EpochEnd, Progress
from vitrm.training.optimizer import learning_rate
from vitrm.training.trainer import Trainer


def timed(trainer):
    """Where a batch takes 1 s and an image of validation 0.1 s."""
    epoch_s = trainer.batches * 1.0 + len(trainer.val_split) * 0.1
    return SimpleNamespace(update_s=1.0, seconds=trainer.config.train.epochs * epoch_s)


def test_a_budget_of_several_epochs_shortens_the_schedule(small_run, few_digits):
    # 5 batches and 40 images of validation: 9 s an epoch; test 8 s
    config = replace(small_run, train=replace(small_run.train, epochs=100, warmup_epochs=10, patience=5))
    train = fit_budget(config, few_digits, "cpu", (8 + 3.5 * 9) / SLACK, measure=timed, clock=lambda: 0.0).train
    assert (train.epochs, train.epoch_images, train.patience) == (3, 0, 0)
    assert train.warmup_epochs == pytest.approx(0.3)
    assert replace(train, epochs=100, warmup_epochs=10, patience=5) == config.train


def test_a_shortened_training_learns_from_its_first_batch_where_the_rate_was_to_change_by_epochs(small_run, few_digits):
    config = replace(small_run, train=replace(small_run.train, epochs=100, warmup_epochs=10, schedule="epoch"))
    for seconds in (8 + 4 + 2.5, 8 + 3.5 * 9):  # less than an epoch, and three
        train = fit_budget(config, few_digits, "cpu", seconds / SLACK, measure=timed, clock=lambda: 0.0).train
        assert learning_rate(train, batches=5, epoch=0.0) > 0


def test_a_budget_below_an_epoch_cuts_the_epoch(small_run, few_digits):
    config = replace(small_run, train=replace(small_run.train, epochs=100, warmup_epochs=1))
    shorter = fit_budget(config, few_digits, "cpu", (8 + 4 + 2.5) / SLACK, measure=timed, clock=lambda: 0.0)
    assert (shorter.train.epochs, shorter.train.epoch_images) == (1, 2 * 16)
    assert shorter.train.warmup_epochs == pytest.approx(0.05)
    trainer = Trainer(shorter, few_digits)
    events = list(trainer.events())
    assert [(e.batch, e.batches) for e in events if isinstance(e, Progress)] == [(2, 2)]
    assert len([e for e in events if isinstance(e, EpochEnd)]) == 1


def test_a_budget_that_is_too_small_is_refused_and_one_that_is_large_changes_nothing(small_run, few_digits):
    with pytest.raises(
        ConfigError, match=r"0.1 minutes are not enough: validation and test alone take 0.2, a batch 1.0 s"
    ):
        fit_budget(small_run, few_digits, "cpu", 8, measure=timed, clock=lambda: 0.0)
    with pytest.raises(ConfigError, match=r"^0.0 minutes are not enough: validation and test alone take 0.2"):
        fit_budget(small_run, few_digits, "cpu", -60, measure=timed, clock=lambda: 0.0)  # the start took longer
    assert fit_budget(small_run, few_digits, "cpu", 1000, measure=timed, clock=lambda: 0.0) == small_run
