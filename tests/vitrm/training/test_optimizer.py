"""The optimizer: what decays, and its learning rate."""

from dataclasses import replace

import pytest

from vitrm.model import ViTRM
from vitrm.training.optimizer import learning_rate, make_optimizer


def test_learning_rate_starts_above_zero_peaks_after_warmup_and_ends_at_its_minimum(small_run):
    train = replace(small_run.train, epochs=10, warmup_epochs=2, lr=1e-3, min_lr=1e-5)

    def rate(epoch):
        return learning_rate(train, 5, epoch)

    first = rate(0.0)
    assert first == pytest.approx(1e-3 * (1 / 5) / (2 + 1 / 5))  # as if the warm-up had begun one batch earlier
    assert rate(1 / 5) == pytest.approx(2 * first)
    assert rate(2.0) == pytest.approx(1e-3)
    assert rate(6.0) == pytest.approx((1e-3 + 1e-5) / 2)  # half-way down the cosine
    assert rate(10.0) == pytest.approx(1e-5)
    rates = [rate(i / 5) for i in range(51)]
    assert rates[:11] == sorted(rates[:11])
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_a_rate_per_epoch_starts_at_zero_and_stays_within_an_epoch(small_run):
    train = replace(small_run.train, epochs=10, warmup_epochs=2, lr=1e-3, min_lr=1e-5, schedule="epoch")
    rates = [learning_rate(train, 5, epoch + batch / 5) for epoch in range(10) for batch in range(5)]
    assert all(len(set(rates[5 * epoch : 5 * epoch + 5])) == 1 for epoch in range(10))
    assert rates[::5][:3] == pytest.approx([0.0, 5e-4, 1e-3])
    assert rates[::5][6] == pytest.approx((1e-3 + 1e-5) / 2)  # half-way down the cosine


def test_all_parameters_decay_if_asked(small_run):
    optimizer = make_optimizer(ViTRM(small_run.model), replace(small_run.train, decay="all"))
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.05, 0.05]


def test_only_matrices_decay(small_run):
    model = ViTRM(small_run.model)
    decayed, plain = make_optimizer(model, small_run.train).param_groups
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.05, 0.0)
    assert {p.ndim for p in plain["params"]} == {1}
    assert sum(len(group["params"]) for group in (decayed, plain)) == len(list(model.parameters()))
