"""Training: its schedule, its updates, its events, stopping and continuing, and several processes."""

import io
import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from vitrm.config import PRESETS, Config
from vitrm.data.dataset import DataError
from vitrm.errors import ConfigError
from vitrm.judge.evaluation import auroc, evaluate, predict_steps
from vitrm.losses import classification_loss, halting_loss, halting_target
from vitrm.model import ViTRM
from vitrm.training.augment import augment
from vitrm.training.trainer import (
    EpochEnd,
    Finished,
    Paused,
    Progress,
    Resumed,
    Trainer,
    TrainingDiverged,
    Updated,
    fit_config,
)


def _with(config, **changes):
    """`config` with fields of its parts changed by their own names."""
    parts = {"model": {}, "train": {}, "data": {}}
    for name, value in changes.items():
        parts[next(part for part in parts if hasattr(getattr(config, part), name))][name] = value
    return replace(config, **{part: replace(getattr(config, part), **new) for part, new in parts.items()})


def _batch(dataset, count=16):
    return dataset.train.images[:count], dataset.train.labels[:count]


def _kinds(events):
    return [type(event).__name__ for event in events]


# Schedule


def test_learning_rate_starts_above_zero_peaks_after_warmup_and_ends_at_its_minimum(small_run, few_digits):
    config = _with(small_run, epochs=10, warmup_epochs=2, lr=1e-3, min_lr=1e-5)
    trainer = Trainer(config, few_digits)
    assert trainer.batches == 5  # 70 images, 16 at a time
    first = trainer.lr_at(0.0)
    assert first == pytest.approx(1e-3 * (1 / 5) / (2 + 1 / 5))  # as if the warm-up had begun one batch earlier
    assert trainer.lr_at(1 / 5) == pytest.approx(2 * first)
    assert trainer.lr_at(2.0) == pytest.approx(1e-3)
    assert trainer.lr_at(6.0) == pytest.approx((1e-3 + 1e-5) / 2)  # half-way down the cosine
    assert trainer.lr_at(10.0) == pytest.approx(1e-5)
    rates = [trainer.lr_at(i / 5) for i in range(51)]
    assert rates[:11] == sorted(rates[:11])
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_the_learning_rate_of_the_schedule_is_the_one_used(small_run, few_digits):
    trainer = Trainer(_with(small_run, epochs=1, warmup_epochs=0), few_digits)
    *_, progress, end, _ = trainer.events()
    assert isinstance(progress, Progress)
    assert progress.lr == end.lr == trainer.lr_at(4 / 5)
    assert {group["lr"] for group in trainer.optimizer.param_groups} == {progress.lr}


def test_a_rate_per_epoch_starts_at_zero_and_stays_within_an_epoch(small_run, few_digits):
    config = _with(small_run, epochs=10, warmup_epochs=2, lr=1e-3, min_lr=1e-5, schedule="epoch")
    trainer = Trainer(config, few_digits)
    rates = [trainer.lr_at(epoch + batch / 5) for epoch in range(10) for batch in range(5)]
    assert all(len(set(rates[5 * epoch : 5 * epoch + 5])) == 1 for epoch in range(10))
    assert rates[::5][:3] == pytest.approx([0.0, 5e-4, 1e-3])
    assert rates[::5][6] == pytest.approx((1e-3 + 1e-5) / 2)  # half-way down the cosine


def test_all_parameters_decay_if_asked(small_run, few_digits):
    trainer = Trainer(_with(small_run, decay="all"), few_digits)
    assert [group["weight_decay"] for group in trainer.optimizer.param_groups] == [0.05, 0.05]


@pytest.mark.parametrize(("target", "expected"), [("share", [0.25, 0.75]), ("label", [1.0, 0.0])])
def test_the_halting_target_of_mixed_images(small_run, few_digits, monkeypatch, target, expected):
    config = _with(small_run, halt_target=target, crop_pad=0, flip=False)
    trainer = Trainer(config, few_digits)
    monkeypatch.setattr("vitrm.training.trainer.mix", lambda images, labels, *_: (images, _quarters(len(images))))
    seen = []
    monkeypatch.setattr(
        "vitrm.training.trainer.halting_loss",
        lambda q, logits, targets: seen.append(halting_target(wanted, targets)) or q.mean(),
    )
    images, _ = _batch(few_digits, 2)
    wanted = torch.eye(10)[[3, 4]]  # image 0 is taken for a 3, its own class, image 1 for a 4, the other's
    next(trainer.train_batch(images, torch.tensor([3, 3])))
    assert seen[0].tolist() == expected


def _quarters(count):
    """Targets that are a quarter class 3 and three quarters class 4."""
    targets = torch.zeros(count, 10)
    targets[:, 3], targets[:, 4] = 0.25, 0.75
    return targets


def test_only_matrices_decay(small_run, few_digits):
    trainer = Trainer(small_run, few_digits)
    decayed, plain = trainer.optimizer.param_groups
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.05, 0.0)
    assert {p.ndim for p in plain["params"]} == {1}
    assert sum(len(group["params"]) for group in (decayed, plain)) == len(list(trainer.model.parameters()))


# Events


def test_loss_falls_and_accuracy_rises_on_digits(small_run, digits):
    config = _with(small_run, epochs=3, batch_size=32, lr=5e-3, dim=32, final_norm=True, dropout=0.0, mixup_alpha=0.0,
                   cutmix_alpha=0.0, crop_pad=0, flip=False, ema_decay=0.9)  # fmt: skip
    ends = [event for event in Trainer(config, digits).events() if isinstance(event, EpochEnd)]
    assert ends[0].train_loss[-1] < math.log(10)  # better than chance
    assert ends[-1].train_loss[-1] < 0.5 * ends[0].train_loss[-1]
    assert ends[-1].val_accuracy[-1] > 0.6


def test_events_come_in_order_and_count_what_was_trained(small_run, digits):
    dataset = replace(digits, train=digits.train.subset(torch.arange(100)))
    events = list(Trainer(_with(small_run, batch_size=8), dataset).events())  # 13 batches an epoch
    assert _kinds(events) == ["Progress", "Progress", "EpochEnd", "Progress", "Progress", "EpochEnd", "Finished"]
    assert [(e.epoch, e.batch) for e in events if isinstance(e, Progress)] == [(1, 10), (1, 13), (2, 10), (2, 13)]
    for event in events[:-1]:
        steps = event.loss if isinstance(event, Progress) else event.val_loss
        assert len(steps) == 2
    assert events[0].steps_run == 2.0
    assert events[-1].reason == "all 2 epochs done"


def test_epoch_means_are_the_means_of_the_reports(small_run, digits):
    dataset = replace(digits, train=digits.train.subset(torch.arange(320)))  # 20 batches: two reports of ten
    first, second, end, *_ = Trainer(_with(small_run, epochs=1), dataset).events()
    for n in range(2):
        assert end.train_loss[n] == pytest.approx((first.loss[n] + second.loss[n]) / 2)
        assert end.train_accuracy[n] == pytest.approx((first.accuracy[n] + second.accuracy[n]) / 2)


def test_measurements_of_a_batch_are_those_of_the_step(small_run, few_digits, close):
    trainer = Trainer(
        _with(small_run, dropout=0.0, crop_pad=0, flip=False, mixup_alpha=0.0, cutmix_alpha=0.0), few_digits
    )
    images, labels = _batch(few_digits)
    step = next(iter(trainer.model.steps(few_digits.preprocess.normalize(images))))
    _, measured, _ = next(trainer.train_batch(images, labels))
    expected = [
        classification_loss(step.logits, labels),
        halting_loss(step.halt_logit, step.logits, labels),
        (step.logits.argmax(dim=1) == labels).float().mean(),
        step.halt_prob.mean(),
        step.answer.norm(dim=-1).mean(),
        step.memory.norm(dim=-1).mean(),
    ]
    close(measured, torch.stack(expected).detach())


def test_validation_scores_are_those_of_the_averaged_weights(small_run, few_digits):
    trainer = Trainer(_with(small_run, epochs=1), few_digits)
    end = next(event for event in trainer.events() if isinstance(event, EpochEnd))
    averaged = evaluate(trainer.averaged, few_digits.preprocess, few_digits.val)
    assert (end.val_loss, end.val_accuracy) == (averaged.loss, averaged.accuracy)
    assert end.val_loss != evaluate(trainer.model, few_digits.preprocess, few_digits.val).loss


def test_training_never_looks_at_the_test_split(small_run, few_digits):
    blank = replace(few_digits, test=few_digits.test.subset(torch.arange(0)))
    ends = [list(Trainer(small_run, dataset).events())[-2] for dataset in (few_digits, blank)]
    assert replace(ends[0], seconds=0) == replace(ends[1], seconds=0)


def test_training_stops_early_when_validation_no_longer_improves(small_run, few_digits):
    # A learning rate this small changes no prediction: the first epoch stays the best.
    config = _with(small_run, epochs=50, patience=3, lr=1e-12, min_lr=0.0)
    *events, finished = Trainer(config, few_digits).events()
    ends = [event for event in events if isinstance(event, EpochEnd)]
    assert [end.best for end in ends] == [True, False, False, False]
    assert finished == Finished(
        "no better validation accuracy for 3 epochs", 4, 1, ends[0].val_accuracy[-1], finished.seconds
    )


def test_nan_loss_ends_the_training_and_names_the_learning_rate(small_run, few_digits):
    trainer = Trainer(small_run, few_digits)
    with torch.no_grad():
        trainer.model.classifier.bias[0] = float("nan")
    with pytest.raises(TrainingDiverged, match=r"in epoch 1, batch 5; lower --train.lr \(now 0.001\)"):
        list(trainer.events())


def test_nan_in_the_averaged_weights_alone_ends_the_training_too(small_run, few_digits):
    trainer = Trainer(small_run, few_digits)
    with torch.no_grad():
        trainer.averaged.classifier.bias[0] = float("nan")
    with pytest.raises(TrainingDiverged, match="the loss became"):
        list(trainer.events())


# Updates


@pytest.mark.parametrize(
    ("backprop", "update", "updates"),
    [
        ("supervision_step", "step", 3),
        ("supervision_step", "batch", 1),
        ("last_recursion", "step", 3),
        ("last_recursion", "batch", 1),
        ("all", "batch", 1),
    ],
)
def test_weights_move_once_per_supervision_step_or_once_per_batch(small_run, few_digits, backprop, update, updates):
    config = _with(small_run, supervision_steps=3, recursion_steps=2, backprop=backprop, update=update)
    trainer = Trainer(config, few_digits)
    before = [p.detach().clone() for p in trainer.model.block.parameters()]
    moved = []
    for _ in trainer.train_batch(*_batch(few_digits)):
        moved.append(any(not torch.equal(p, b) for p, b in zip(trainer.model.block.parameters(), before, strict=True)))
    assert trainer.updates == updates
    assert moved == [update == "step"] * 3
    assert all(not torch.equal(p, b) for p, b in zip(trainer.model.block.parameters(), before, strict=True))


def test_gradients_of_backprop_all_are_those_of_the_mean_loss_of_the_whole_unrolling(small_run, few_digits, close):
    config = _with(small_run, backprop="all", update="batch", dropout=0.0, grad_clip=0.0, crop_pad=0, flip=False,
                   mixup_alpha=0.0, cutmix_alpha=0.0, halt_weight=0.5)  # fmt: skip
    trainer = Trainer(config, few_digits)
    plain = ViTRM(config.model)
    plain.load_state_dict(trainer.model.state_dict())
    images, labels = _batch(few_digits)
    losses = [
        classification_loss(step.logits, labels) + 0.5 * halting_loss(step.halt_logit, step.logits, labels)
        for step in plain.steps(few_digits.preprocess.normalize(images), backprop="all")
    ]
    torch.stack(losses).mean().backward()
    list(trainer.train_batch(images, labels))
    expected = dict(plain.named_parameters())
    for name, parameter in trainer.model.named_parameters():
        close(parameter.grad, expected[name].grad)


def test_gradient_norm_is_clipped(small_run, few_digits):
    trainer = Trainer(_with(small_run, grad_clip=0.01, supervision_steps=1), few_digits)
    list(trainer.train_batch(*_batch(few_digits)))
    norm = torch.stack([p.grad.norm() for p in trainer.model.parameters()]).norm()
    assert float(norm) == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize(("threshold", "steps"), [(0.9, 4), (0.7, 1)])
def test_unrolling_stops_when_the_mean_halting_probability_exceeds_tau(small_run, few_digits, threshold, steps):
    bias = math.log(0.8 / 0.2)  # a halting probability of 0.8, from a halting head that hardly moves
    config = _with(small_run, supervision_steps=4, stop_unrolling=True, halt_threshold=threshold, halt_bias=bias,
                   lr=1e-9, min_lr=0.0)  # fmt: skip
    trainer = Trainer(config, few_digits)
    assert [n for n, *_ in trainer.train_batch(*_batch(few_digits))] == list(range(steps))
    assert trainer.updates == steps
    off = Trainer(_with(config, stop_unrolling=False), few_digits)
    assert len(list(off.train_batch(*_batch(few_digits)))) == 4


def test_moving_average_by_hand(small_run, few_digits, close):
    trainer = Trainer(_with(small_run, ema_decay=0.15, supervision_steps=3), few_digits)
    weight, averaged = trainer.model.classifier.bias, trainer.averaged.classifier.bias
    history, expected = [], averaged.clone()
    for _ in trainer.train_batch(*_batch(few_digits)):
        history.append(weight.detach().clone())
    # decay = min(0.15, k / (k + 10)) after k updates: 1/11, then 0.15 because 2/12 > 0.15
    for decay, value in zip((1 / 11, 0.15, 0.15), history, strict=True):
        expected = decay * expected + (1 - decay) * value
    close(averaged, expected)


def test_without_a_short_memory_the_average_keeps_its_start(small_run, few_digits):
    trainer = Trainer(_with(small_run, ema_decay=0.9, ema_warmup=False, supervision_steps=1), few_digits)
    weight, before = trainer.model.classifier.bias, trainer.averaged.classifier.bias.clone()
    list(trainer.train_batch(*_batch(few_digits)))
    torch.testing.assert_close(trainer.averaged.classifier.bias, 0.9 * before + 0.1 * weight.detach())


def test_no_moving_average_means_the_weights_themselves(small_run, few_digits):
    trainer = Trainer(_with(small_run, ema_decay=0.0), few_digits)
    list(trainer.train_batch(*_batch(few_digits)))
    for averaged, raw in zip(trainer.averaged.parameters(), trainer.model.parameters(), strict=True):
        assert torch.equal(averaged, raw)
        assert not averaged.requires_grad


def test_bf16_trains_with_fp32_weights(small_run, few_digits):
    trainer = Trainer(_with(small_run, precision="bf16"), few_digits)
    before = trainer.model.block.layers[0].mix.query.weight.detach().clone()
    results = [measured for _, measured, _ in trainer.train_batch(*_batch(few_digits))]
    assert torch.isfinite(torch.stack(results)).all()
    after = trainer.model.block.layers[0].mix.query.weight
    assert after.dtype == torch.float32
    assert not torch.equal(before, after)


# Recipe


def _targets(trainer, dataset, monkeypatch):
    """The targets of every batch of a training."""
    seen = []
    monkeypatch.setattr(
        "vitrm.training.trainer.classification_loss", lambda logits, targets, _: seen.append(targets) or logits.sum()
    )
    list(trainer.events())
    return seen


@pytest.mark.parametrize(("share", "mixed_epochs"), [(0.0, 5), (0.4, 3), (1.0, 0)])
def test_the_last_epochs_are_not_mixed(small_run, few_digits, monkeypatch, share, mixed_epochs):
    config = _with(small_run, epochs=5, batch_size=35, supervision_steps=1, unmixed_share=share)
    targets = _targets(Trainer(config, few_digits), few_digits, monkeypatch)
    assert [t.ndim == 2 for t in targets] == [epoch < mixed_epochs for epoch in range(5) for _ in range(2)]


def test_repeated_images_stand_side_by_side_each_augmented_anew(small_run, few_digits):
    config = _with(small_run, epochs=1, batch_size=12, repeats=3, affine=0.3, mixup_alpha=0.0, cutmix_alpha=0.0)
    trainer, batches = Trainer(config, few_digits), []
    train_batch = trainer.train_batch

    def watched(images, labels):
        batches.append((images, labels))
        yield from train_batch(images, labels)

    trainer.train_batch = watched
    list(trainer.events())
    assert [len(images) for images, _ in batches] == [12, 12, 12, 12, 12, 10]  # as many images as ever, 70
    images = torch.cat([images for images, _ in batches])
    for start in range(0, 69, 3):
        assert torch.equal(images[start], images[start + 2])
    assert len({image.numpy().tobytes() for image in images}) == 24  # a third of the data, rounded up
    augmented = augment(images[:3], config.train)
    assert len({image.numpy().tobytes() for image in augmented}) == 3


def test_the_preset_best_adds_to_the_paper_what_stronger_recipes_have():
    paper, best = PRESETS["paper"], PRESETS["best"]
    extra = ("label_smoothing", "erasing", "unmixed_share")
    assert [getattr(paper.train, name) for name in extra] == [0, 0, 0]
    assert all(getattr(best.train, name) > 0 for name in extra)
    assert (paper.train.repeats, paper.model.drop_path) == (1, 0)
    assert best.train.repeats > 1
    assert best.model == replace(paper.model, drop_path=best.model.drop_path)
    assert best.model.drop_path > 0


def test_looking_ahead_changes_nothing_but_when_the_host_asks(small_run, few_digits):
    bias = math.log(0.55 / 0.45)  # falls below 0.5 within the training, so that some batches stop and others do not
    config = _with(
        small_run, epochs=3, supervision_steps=4, stop_unrolling=True, halt_bias=bias, lr=5e-3, ema_decay=0.9
    )
    results = []
    for looks_ahead in (False, True):
        trainer = Trainer(config, few_digits)
        trainer.looks_ahead = looks_ahead
        events = [_exact(event) for event in trainer.events()]
        results.append((events, trainer.updates, trainer.state_dict()["model"]))
    (events, updates, weights), (ahead, updates_ahead, weights_ahead) = results
    assert events == ahead
    assert updates == updates_ahead
    assert 3 * 5 < updates < 3 * 5 * 4  # neither always nor never
    assert all(torch.equal(weights[name], weights_ahead[name]) for name in weights)


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # torch's, of its own doing
def test_a_compiled_block_is_captured_whole_and_trains_as_ever(small_run, few_digits, monkeypatch, close):
    # With the graphs run by torch itself: what a compiler makes of them is not tested here, what they hold is.
    compile_module = torch.nn.Module.compile
    monkeypatch.setattr(
        torch.nn.Module, "compile", lambda module, **options: compile_module(module, backend="eager", **options)
    )
    config = _with(small_run, epochs=1, dropout=0.0, supervision_steps=2, depth=1, memory_steps=1)
    weights = []
    for compiled in (False, True):
        torch._dynamo.reset()
        torch._dynamo.utils.counters.clear()
        trainer = Trainer(_with(config, compile=compiled), few_digits)
        list(trainer.events())
        weights.append(trainer.state_dict()["model"])
    counters = torch._dynamo.utils.counters
    assert not counters["graph_break"]
    assert 1 < counters["stats"]["unique_graphs"] <= 6  # memory and answer update, first step or later, odd last batch
    assert weights[0].keys() == weights[1].keys()
    for name, expected in weights[0].items():
        close(weights[1][name], expected)


EVERY_INGREDIENT = {
    "crop_pad": 1, "affine": 0.1, "flip": True, "randaugment_ops": 2, "erasing": 0.3, "mixup_alpha": 0.2,
    "cutmix_alpha": 1.0, "label_smoothing": 0.1, "grad_clip": 1.0,
}  # fmt: skip


@pytest.mark.parametrize("changes", [{}, {"drop_path": 0.2, "glimpse_patches": 4, "dropout": 0.1}])
def test_nothing_in_a_batch_asks_the_device_for_a_number(small_run, few_digits, changes):
    # Tensors on "meta" have no content: to read one, or to choose by a mask, is an error. On a GPU it is a wait.
    trainer = Trainer(_with(small_run, **EVERY_INGREDIENT, **changes), few_digits)
    with pytest.raises((RuntimeError, NotImplementedError)):
        float(torch.empty((), device="meta"))
    trainer.device, trainer.model = torch.device("meta"), trainer.model.to("meta")
    trainer._update = lambda loss, weight: (loss * weight).backward()  # fused optimizers know no such device
    images = torch.empty(8, 1, 8, 8, dtype=torch.uint8, device="meta")
    for _ in range(2):
        steps = list(trainer.train_batch(images, torch.empty(8, dtype=torch.int64, device="meta")))
        assert [last for *_, last in steps] == [False, True]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("compiled", [False, True])
def test_a_batch_on_a_gpu_never_makes_the_host_wait(small_run, few_digits, compiled):
    config = _with(small_run, **EVERY_INGREDIENT, stop_unrolling=True, precision="bf16", compile=compiled)
    trainer = Trainer(config, few_digits, "cuda")
    images, labels = trainer.train_split.images, trainer.train_split.labels

    def train(batches):
        for start in range(batches):
            index = torch.arange(start, start + 16).pin_memory().to("cuda", non_blocking=True)
            for n, measured, _ in trainer.train_batch(images[index], labels[index]):
                trainer.epoch_means.add(n, measured)

    train(6)  # kernels are loaded, graphs compiled, small constants brought to the device
    torch.cuda.set_sync_debug_mode("error")
    try:
        train(6)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_deterministic_training_asks_for_deterministic_algorithms_and_gives_them_back(small_run, few_digits):
    trainer = Trainer(_with(small_run, deterministic=True, epochs=1), few_digits)
    during = []
    for _ in trainer.events():
        during.append(torch.are_deterministic_algorithms_enabled())
    assert all(during)
    assert not torch.are_deterministic_algorithms_enabled()


# Stopping and continuing


def _exact(event):
    """An event without its clock times."""
    timed = {"seconds": 0.0} if not isinstance(event, Progress) else {"images_per_s": 0.0, "time_left_s": 0.0}
    return replace(event, **timed)


def _carry(trainer):
    """The trainer's state, through a file as a run folder writes it."""
    content = io.BytesIO()
    torch.save(trainer.state_dict(), content)
    content.seek(0)
    return torch.load(content, weights_only=True)


@pytest.fixture(scope="module")
def uninterrupted(small_run, digits):
    """A training of 13 batches an epoch with glimpses, dropout, Mixup and CutMix: its config, data and every event with
    the state after it."""
    config = _with(small_run, glimpse_patches=4, batch_size=8)
    dataset = replace(digits, train=digits.train.subset(torch.arange(100)), val=digits.val.subset(torch.arange(40)))
    trainer = Trainer(config, dataset)
    return config, dataset, [(_exact(event), _carry(trainer)) for event in trainer.events()]


@pytest.mark.parametrize("stop_at", [0, 1, 7, 12, 13, 20])  # before, mid-report, mid-epoch, between epochs
def test_a_stopped_training_continues_bit_for_bit(uninterrupted, stop_at):
    config, dataset, expected = uninterrupted
    first = Trainer(config, dataset)
    done, train_batch = [], first.train_batch

    def counted(*batch):
        yield from train_batch(*batch)
        done.append(1)
        if len(done) == stop_at:
            first.stop()

    first.train_batch = counted
    if stop_at == 0:
        first.stop()
    events = [_exact(event) for event in first.events()]
    assert len(done) == stop_at
    assert not any(isinstance(event, Finished) for event in events)

    torch.manual_seed(99)  # another process would be in another random state
    second = Trainer(config, dataset)
    second.load_state_dict(_carry(first))
    events += [_exact(event) for event in second.events()]
    assert events == [event for event, _ in expected]
    _, last = expected[-1]
    for name in ("model", "averaged"):
        assert all(torch.equal(last[name][key], value) for key, value in second.state_dict()[name].items())


@pytest.mark.parametrize("last", range(6))  # the seventh is Finished
def test_the_state_after_any_event_continues_bit_for_bit(uninterrupted, last):
    config, dataset, expected = uninterrupted
    rest = Trainer(config, dataset)
    rest.load_state_dict(expected[last][1])
    assert [_exact(event) for event in rest.events()] == [event for event, _ in expected[last + 1 :]]


def test_training_time_is_counted_over_all_sessions(small_run, few_digits):
    first = Trainer(small_run, few_digits)
    list(zip(range(2), first.events(), strict=False))
    second = Trainer(small_run, few_digits)
    second.load_state_dict(_carry(first) | {"seconds": 100.0})
    *_, finished = second.events()
    assert 100 < finished.seconds < 160


def test_a_stop_request_is_not_lost_while_processes_agree(small_run, few_digits):
    class Slow:
        """A group in which the signal arrives while this process is asking the others."""

        rank, size = 0, 1

        def __init__(self, trainer):
            self.trainer, self.asked = trainer, 0

        def any(self, flag):
            self.asked += 1
            if self.asked == 5:
                self.trainer.stop()
            return flag

        def __getattr__(self, name):
            return getattr(group, name)

    trainer = Trainer(small_run, few_digits)
    group, trainer.group = trainer.group, Slow(trainer)
    assert list(trainer.events()) == []
    assert trainer.batch == 2


def test_state_of_another_configuration_is_refused(small_run, few_digits):
    state = Trainer(small_run, few_digits).state_dict()
    other = Trainer(_with(small_run, dim=32), few_digits)
    with pytest.raises(ConfigError, match="the saved state does not fit this configuration"):
        other.load_state_dict(state)
    with pytest.raises(ConfigError, match="the saved state does not fit this configuration"):
        other.load_state_dict({"model": {}})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_classes": 7}, "num_classes=7, but digits has 10 classes; use --model.num_classes 10"),
        ({"image_size": 16}, r"digits has images of shape \(1, 8, 8\), the model expects \(1, 16, 16\)"),
        ({"channels": 3}, r"digits has images of shape \(1, 8, 8\), the model expects \(3, 8, 8\)"),
    ],
)
def test_data_that_does_not_fit_the_model_is_refused_before_training(small_run, few_digits, changes, message):
    with pytest.raises((ConfigError, DataError), match=message):
        Trainer(_with(small_run, **changes), few_digits)


def test_a_run_remembers_what_its_data_turned_out_to_be(small_run, few_digits):
    data = fit_config(small_run, few_digits).data
    assert data.classes == tuple("0123456789")
    assert (data.mean, data.std) == (few_digits.preprocess.mean, few_digits.preprocess.std)


# Evaluation


def test_predictions_do_not_depend_on_the_batch_size(tiny, few_digits, close):
    model = ViTRM(replace(tiny, glimpse_patches=4))
    parts = [predict_steps(model, few_digits.preprocess, few_digits.val, batch_size=size) for size in (7, 40)]
    for field in ("logits", "halt_logit", "memory_change"):
        close(*(getattr(part, field) for part in parts))


def test_scores_are_counted_from_the_predictions_of_every_step(tiny, few_digits):
    model = ViTRM(tiny).train()
    outputs = predict_steps(model, few_digits.preprocess, few_digits.val, supervision_steps=3)
    logits, halts = outputs.logits, outputs.halt_logit
    scores = evaluate(model, few_digits.preprocess, few_digits.val, supervision_steps=3)
    assert logits.shape == (3, 40, 10)
    assert halts.shape == (3, 40)
    right = [int((step.argmax(dim=1) == few_digits.val.labels).sum()) for step in logits]
    assert scores.accuracy == pytest.approx([count / 40 for count in right])
    assert scores.n == 40
    assert scores.policy == "all 3 supervision steps run for every image; no halting"
    assert model.training  # as it was before


def test_auroc_by_hand():
    scores, right = torch.tensor([0.1, 0.4, 0.35, 0.8]), torch.tensor([False, False, True, True])
    assert auroc(scores, right) == 0.75  # of the four pairs, (0.35, 0.4) alone is in the wrong order
    assert auroc(torch.ones(4), right) == 0.5
    assert auroc(scores, torch.ones(4, dtype=torch.bool)) is None
    assert auroc(scores, torch.zeros(4, dtype=torch.bool)) is None
    assert auroc(torch.tensor([0.1, float("nan"), 0.3, 0.4]), right) is None


def test_auroc_is_scikit_learns_ties_included():
    from sklearn.metrics import roc_auc_score

    scores, right = torch.randint(20, (500,)).float(), torch.rand(500) < 0.3
    assert auroc(scores, right) == pytest.approx(roc_auc_score(right.numpy(), scores.numpy()))


# Several processes

# 49 images, 16 at a time: the last batch is a single image, fewer than there are processes.
SOME_DATA = """
import torch
from dataclasses import replace
from vitrm.data.dataset import Dataset, Preprocess, Split

torch.manual_seed(7)
splits = [Split(torch.randint(256, (n, 1, 8, 8), dtype=torch.uint8), torch.arange(n) % 10) for n in (49, 20, 20)]
dataset = Dataset("noise", tuple("0123456789"), *splits, Preprocess(8, (0.5,), (0.25,)))
# After an update rounding decides: Adam divides a gradient by its size, and a ResNet's next loss moves by thousandths.
one_batch = replace(dataset, train=dataset.train.subset(slice(0, 16)))
"""
TRAIN_IN_A_GROUP = """
import json, sys
from vitrm.config import Config
from vitrm.training.distributed import join_group
from vitrm.training.trainer import Trainer

torch.set_num_threads(1)
group = join_group("cpu")
with group.first_goes_ahead():
    print(group.rank, flush=True)
trainer = Trainer(Config.from_dict(json.load(open(sys.argv[1]))), dataset, group=group)
events = list(trainer.events())
assert group.any(group.rank == 1), "one process saying so is enough"
assert not group.any(False)
assert group.from_first(lambda: group.rank) == 0
result = {"model": trainer.model.state_dict(), "loss": events[0].loss, "updates": trainer.updates}

# Batch normalisation goes by the whole batch: outputs, gradients and running statistics are those of one process.
torch.manual_seed(0)
images, scales = torch.randn(7, 3, 4, 4).double(), torch.randn(7, 3, 4, 4).double()
alone, shared = (torch.nn.BatchNorm2d(3).double() for _ in range(2))
group.share_statistics(shared)
whole, weight = images.clone().requires_grad_(), 1.0
(mine, scale), weight = group.share_of(images, scales)
mine.requires_grad_()
outputs, expected = shared(mine), alone(whole)
((outputs.square() + outputs) * scale).mean().mul(weight).backward()
((expected.square() + expected) * scales).mean().backward()
group.mean_([p.grad for p in shared.parameters()])
(expected, gradient), _ = group.share_of(expected, whole.grad)
torch.testing.assert_close(outputs, expected)
torch.testing.assert_close(mine.grad / group.size, gradient)
for one, other in zip(shared.parameters(), alone.parameters()):
    torch.testing.assert_close(one.grad, other.grad)
torch.testing.assert_close(shared.state_dict(), alone.state_dict())

residual = Config.from_dict(json.load(open(sys.argv[1])) | {"model": RESNET})
trainer = Trainer(residual, one_batch, group=group)
result["resnet"] = list(trainer.events())[0].loss
if group.rank == 0:
    torch.save(result, sys.argv[2])
group.leave()
"""
RESNET = {"family": "resnet", "image_size": 8, "channels": 1, "layers": 18}


def test_two_processes_reach_the_weights_of_one(small_run, tmp_path):
    config = _with(small_run, dropout=0.0, epochs=1, glimpse_patches=4)
    (tmp_path / "train.py").write_text(f"RESNET = {RESNET}\n{SOME_DATA}{TRAIN_IN_A_GROUP}")
    (tmp_path / "config.json").write_text(json.dumps(config.to_dict()))
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
        + [str(tmp_path / name) for name in ("train.py", "config.json", "result.pt")],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[3]), "OMP_NUM_THREADS": "1"},
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    together = torch.load(tmp_path / "result.pt", weights_only=True)

    made = {}
    exec(SOME_DATA, made)
    alone = Trainer(config, made["dataset"])
    first, *_ = alone.events()
    assert together["updates"] == alone.updates == 8  # four batches, two supervision steps
    assert together["loss"] == pytest.approx(first.loss, abs=1e-5)
    for name, expected in alone.model.state_dict().items():
        found = together["model"][name]
        if name.endswith("key_value.bias"):
            # A key's bias shifts a softmax row as a whole. Its gradient is rounding noise, which Adam scales up.
            found, expected = found[config.model.dim :], expected[config.model.dim :]  # noqa: PLW2901
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0, msg=name)

    residual = Config.from_dict(config.to_dict() | {"model": RESNET})
    first, *_ = Trainer(residual, made["one_batch"]).events()
    assert together["resnet"] == pytest.approx(first.loss, abs=1e-5)


# Pausing


def _held(trainer, at):
    """All events of a training that is held at an update, makes three single ones there, and goes on."""
    events, singles = [], 0
    update = trainer._update

    def counted(*arguments):
        update(*arguments)
        if trainer.updates == at:
            trainer.hold()

    trainer._update = counted
    for event in trainer.events():
        events.append(event)
        if isinstance(event, Paused | Updated):
            singles += isinstance(event, Updated)
            trainer.step() if singles < 3 else trainer.go()
    return events


@pytest.mark.parametrize("at", [1, 4, 9, 10])  # inside a batch, between two, before an epoch's last, between epochs
def test_a_pause_with_single_updates_changes_nothing_of_the_result(small_run, few_digits, at):
    config = _with(small_run, backprop="supervision_step")  # five batches of two updates each
    free, held = Trainer(config, few_digits), Trainer(config, few_digits)
    expected = [_exact(event) for event in free.events()]
    events = _held(held, at)
    kinds = _kinds(event for event in events if isinstance(event, Paused | Updated | Resumed))
    assert kinds == ["Paused", "Updated", "Updated", "Updated", "Resumed"]
    singles = [event for event in events if isinstance(event, Updated)]
    assert [event.updates for event in singles] == [at + 1, at + 2, at + 3]
    assert [_exact(event) for event in events if not isinstance(event, Paused | Updated | Resumed)] == expected
    for name in ("model", "averaged"):
        assert all(torch.equal(free.state_dict()[name][key], value) for key, value in held.state_dict()[name].items())


def test_a_single_update_says_what_it_changed(small_run, few_digits, close):
    trainer = Trainer(_with(small_run, grad_clip=0.0), few_digits)
    trainer.hold()
    trainer.step()
    before = {name: weight.detach().clone() for name, weight in trainer.model.named_parameters()}
    events = trainer.events()
    assert isinstance(next(events), Paused)
    event = next(events)
    assert isinstance(event, Updated)
    assert (event.updates, trainer.updates, event.supervision_step, event.images) == (1, 1, 0, 16)
    assert [few_digits.val.labels[int(name.removeprefix("val-"))] for name in event.watched] == list(event.labels)
    after = {name: weight.detach() for name, weight in trainer.model.named_parameters()}
    change = torch.cat([(after[name] - before[name]).flatten() for name in before if name.startswith("classifier")])
    length = torch.cat([before[name].flatten() for name in before if name.startswith("classifier")])
    assert event.moved["classifier"] == pytest.approx(float(change.norm() / length.norm()), rel=1e-5)
    assert {"patch_embed", "block.layers.0", "block.layers.1", "halting", "answer_init"} <= event.moved.keys()
    outputs = predict_steps(trainer.model, few_digits.preprocess, few_digits.val.subset(trainer.watched))
    probs = outputs.logits[-1].softmax(dim=-1)
    assert event.answers[1] == tuple(probs.argmax(dim=-1).tolist())
    close(event.true_prob[1], [float(p[label]) for p, label in zip(probs, event.labels, strict=True)])
    assert event.true_prob[0] != event.true_prob[1]
    assert event.gradient_norm > 0


def test_one_update_per_batch_means_that_a_single_update_is_a_whole_batch(small_run, few_digits):
    trainer = Trainer(_with(small_run, backprop="all", update="batch"), few_digits)
    trainer.hold()
    trainer.step()
    events = trainer.events()
    next(events)
    event = next(events)
    assert (event.updates, event.supervision_step, trainer.updates) == (1, 1, 1)
    trainer.stop()
    assert list(events) == []
    assert trainer.batch == 1


def test_stopping_ends_a_pause_and_inside_a_batch_the_batch_is_finished_first(small_run, few_digits):
    trainer = Trainer(small_run, few_digits)
    trainer.hold()
    trainer.step()
    for event in trainer.events():
        if isinstance(event, Updated):
            trainer.stop()
    assert (trainer.batch, trainer.updates) == (1, 2)


def test_waiting_is_not_counted_as_training(small_run, few_digits, monkeypatch):
    clock = [0.0]

    def now():
        clock[0] += 0.001
        return clock[0]

    monkeypatch.setattr("vitrm.training.trainer.time.perf_counter", now)
    trainer = Trainer(_with(small_run, epochs=1), few_digits)
    trainer.hold()
    for event in trainer.events():
        if isinstance(event, Paused):
            clock[0] += 1000
            trainer.go()
        if isinstance(event, Progress):
            assert event.images_per_s > 100
    assert trainer.seconds < 1
