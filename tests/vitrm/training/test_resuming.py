"""Stopping and continuing: not a bit is otherwise."""

import itertools
from dataclasses import replace

import pytest
import torch
from trainings import carry, changed, exact, in_two_sittings

from vitrm.errors import ConfigError
from vitrm.training.distributed import Group
from vitrm.training.events import Finished
from vitrm.training.trainer import Trainer


@pytest.fixture(scope="module", params=["fp32", "bf16"])
def uninterrupted(small_run, digits, request):
    """A training of 13 batches an epoch with glimpses, dropout, Mixup and CutMix: its config, data and every event with
    the state after it."""
    config = changed(small_run, glimpse_patches=4, batch_size=8, precision=request.param)
    dataset = replace(digits, train=digits.train.subset(torch.arange(100)), val=digits.val.subset(torch.arange(40)))
    trainer = Trainer(config, dataset)
    return config, dataset, [(exact(event), carry(trainer)) for event in trainer.events()]


@pytest.mark.parametrize("stop_at", [0, 7, 13])  # before, mid-epoch, between epochs
def test_a_stopped_training_continues_bit_for_bit(uninterrupted, stop_at):
    config, dataset, expected = uninterrupted
    before, after, second = in_two_sittings(config, dataset, stop_at)
    assert not any(isinstance(event, Finished) for event in before)
    events = before + after
    assert events == [event for event, _ in expected]
    _, last = expected[-1]
    for name in ("model", "averaged"):
        assert all(torch.equal(last[name][key], value) for key, value in second.state_dict()[name].items())


@pytest.mark.parametrize("last", range(6))  # the seventh is Finished
def test_the_state_after_any_event_continues_bit_for_bit(uninterrupted, last):
    config, dataset, expected = uninterrupted
    rest = Trainer(config, dataset)
    rest.load_state_dict(expected[last][1])
    assert [exact(event) for event in rest.events()] == [event for event, _ in expected[last + 1 :]]


def test_training_time_is_counted_over_all_sessions(small_run, few_digits):
    looks = itertools.count()
    first, second = (Trainer(small_run, few_digits, clock=lambda: next(looks) / 1000) for _ in range(2))
    list(zip(range(2), first.events(), strict=False))
    second.load_state_dict(carry(first) | {"seconds": 100.0})
    *_, finished = second.events()
    assert 100 < finished.seconds < 101


def test_a_stop_request_is_not_lost_while_processes_agree(small_run, few_digits):
    class Slow:
        """A group in which the signal arrives while this process is asking the others."""

        rank, size = 0, 1

        asked = 0

        def any(self, flag):
            self.asked += 1
            if self.asked == 5:
                trainer.stop()
            return flag

        def __getattr__(self, name):
            return getattr(Group(), name)

    trainer = Trainer(small_run, few_digits, group=Slow())
    assert list(trainer.events()) == []
    assert trainer.batch == 2


def test_state_of_another_configuration_is_refused(small_run, few_digits):
    state = Trainer(small_run, few_digits).state_dict()
    other = Trainer(changed(small_run, dim=32), few_digits)
    with pytest.raises(ConfigError, match="the saved state does not fit this configuration"):
        other.load_state_dict(state)
    with pytest.raises(ConfigError, match="the saved state does not fit this configuration"):
        other.load_state_dict({"model": {}})
