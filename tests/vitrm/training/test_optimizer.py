"""The optimizer: what decays, and its learning rate."""

from dataclasses import replace

import pytest
import torch

from vitrm.config import ResNetConfig
from vitrm.errors import ConfigError
from vitrm.model import ViTRM
from vitrm.nets.classifiers import ResNet
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


def test_muon_has_the_matrices_of_the_block_and_adamw_the_rest(small_run):
    model = ViTRM(small_run.model)
    optimizer = make_optimizer(model, replace(small_run.train, optimizer="muon"))
    names = {id(p): name for name, p in model.named_parameters()}
    muon, *rest = ([names[id(p)] for p in group["params"]] for group in optimizer.param_groups)
    assert muon
    assert all(name.startswith("block.") and dict(model.named_parameters())[name].ndim == 2 for name in muon)
    assert sorted(muon + [name for group in rest for name in group]) == sorted(names.values())


def test_an_update_of_muon_turns_all_directions_equally_far_and_is_as_long_as_one_of_adamw(small_run):
    model = ViTRM(small_run.model)
    optimizer = make_optimizer(model, replace(small_run.train, optimizer="muon", lr=1e-3, weight_decay=0.0))
    matrix = optimizer.param_groups[0]["params"][0]
    before = matrix.detach().clone()
    torch.manual_seed(0)
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter)
    optimizer.step()
    update = matrix.detach() - before
    stretched = torch.linalg.svdvals(update)
    assert stretched.max() < 2 * stretched.min()  # of a random gradient itself they differ far more
    assert torch.linalg.svdvals(matrix.grad).max() > 5 * torch.linalg.svdvals(matrix.grad).min()
    assert update.square().mean().sqrt() == pytest.approx(0.2e-3, rel=0.3)


def test_muon_needs_matrices_that_are_repeated(small_run):
    with pytest.raises(ConfigError, match="adamw"):
        make_optimizer(ResNet(ResNetConfig()), replace(small_run.train, optimizer="muon"))


def test_muon_continues_bit_for_bit_from_what_was_saved(small_run, tmp_path):
    train = replace(small_run.train, optimizer="muon", lr=1e-2)

    def go_on(model, optimizer, updates):
        for number in updates:
            torch.manual_seed(number)
            for parameter in model.parameters():
                parameter.grad = torch.randn_like(parameter)
            optimizer.step()

    model = ViTRM(small_run.model)
    optimizer = make_optimizer(model, train)
    go_on(model, optimizer, (1, 2))
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path / "state.pt")
    go_on(model, optimizer, (3,))

    state = torch.load(tmp_path / "state.pt", weights_only=True)
    resumed = ViTRM(small_run.model)
    resumed.load_state_dict(state["model"])
    again = make_optimizer(resumed, train)
    again.load_state_dict(state["optimizer"])
    go_on(resumed, again, (3,))
    for name, weight in model.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], weight), name
