"""What a batch does to the weights: its losses, its updates, their moving average; and that the device never waits."""

import math

import pytest
import torch
from trainings import changed, exact

from vitrm.losses import classification_loss, halting_loss
from vitrm.model import ViTRM
from vitrm.training.trainer import Trainer


def _batch(dataset, count=16):
    return dataset.train.images[:count], dataset.train.labels[:count]


def test_the_halting_target_of_mixed_images(small_run, few_digits):
    config = changed(small_run, mixup_alpha=1.0, cutmix_alpha=0.0)
    images, labels = _batch(few_digits)
    _, targets, shares = Trainer(config, few_digits).prepare(images, labels)
    assert torch.equal(shares, targets)
    assert targets.shape == (16, 10)
    assert (targets.max(dim=1).values < 1).any()
    _, targets, whole = Trainer(changed(config, halt_target="label"), few_digits).prepare(images, labels)
    assert targets.shape == (16, 10)
    assert torch.equal(whole, labels)


def test_the_halting_loss_goes_by_its_own_targets(small_run, few_digits):
    trainer = Trainer(small_run, few_digits)
    images, labels = _batch(few_digits, 2)
    step = next(trainer.model.steps(few_digits.preprocess.normalize(images)))
    other = (step.logits.argmax(dim=1) + 1) % 10
    for targets in (step.logits.argmax(dim=1), other):
        loss, halt_loss = trainer.losses(step, labels, targets)
        assert loss == classification_loss(step.logits, labels)
        assert halt_loss == halting_loss(step.halt_logit, step.logits, targets)


def test_measurements_of_a_batch_are_those_of_the_step(small_run, few_digits, close):
    trainer = Trainer(
        changed(small_run, dropout=0.0, crop_pad=0, flip=False, mixup_alpha=0.0, cutmix_alpha=0.0), few_digits
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
    config = changed(small_run, supervision_steps=3, recursion_steps=2, backprop=backprop, update=update)
    trainer = Trainer(config, few_digits)
    before = [p.detach().clone() for p in trainer.model.block.parameters()]
    moved = []
    for _ in trainer.train_batch(*_batch(few_digits)):
        moved.append(any(not torch.equal(p, b) for p, b in zip(trainer.model.block.parameters(), before, strict=True)))
    assert trainer.updates == updates
    assert moved == [update == "step"] * 3
    assert all(not torch.equal(p, b) for p, b in zip(trainer.model.block.parameters(), before, strict=True))


def test_gradients_of_backprop_all_are_those_of_the_mean_loss_of_the_whole_unrolling(small_run, few_digits, close):
    config = changed(small_run, backprop="all", update="batch", dropout=0.0, grad_clip=0.0, crop_pad=0, flip=False,
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
    trainer = Trainer(changed(small_run, grad_clip=0.01, supervision_steps=1), few_digits)
    list(trainer.train_batch(*_batch(few_digits)))
    norm = torch.stack([p.grad.norm() for p in trainer.model.parameters()]).norm()
    assert float(norm) == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize(("threshold", "steps"), [(0.9, 4), (0.7, 1)])
def test_unrolling_stops_when_the_mean_halting_probability_exceeds_tau(small_run, few_digits, threshold, steps):
    bias = math.log(0.8 / 0.2)  # a halting probability of 0.8, from a halting head that hardly moves
    config = changed(small_run, supervision_steps=4, stop_unrolling=True, halt_threshold=threshold, halt_bias=bias,
                   lr=1e-9, min_lr=0.0)  # fmt: skip
    trainer = Trainer(config, few_digits)
    assert [n for n, *_ in trainer.train_batch(*_batch(few_digits))] == list(range(steps))
    assert trainer.updates == steps
    off = Trainer(changed(config, stop_unrolling=False), few_digits)
    assert len(list(off.train_batch(*_batch(few_digits)))) == 4


def test_moving_average_by_hand(small_run, few_digits, close):
    trainer = Trainer(changed(small_run, ema_decay=0.15, supervision_steps=3), few_digits)
    weight, averaged = trainer.model.classifier.bias, trainer.averaged.classifier.bias
    history, expected = [], averaged.clone()
    for _ in trainer.train_batch(*_batch(few_digits)):
        history.append(weight.detach().clone())
    # decay = min(0.15, k / (k + 10)) after k updates: 1/11, then 0.15 because 2/12 > 0.15
    for decay, value in zip((1 / 11, 0.15, 0.15), history, strict=True):
        expected = decay * expected + (1 - decay) * value
    close(averaged, expected)


def test_without_a_short_memory_the_average_keeps_its_start(small_run, few_digits):
    trainer = Trainer(changed(small_run, ema_decay=0.9, ema_warmup=False, supervision_steps=1), few_digits)
    weight, before = trainer.model.classifier.bias, trainer.averaged.classifier.bias.clone()
    list(trainer.train_batch(*_batch(few_digits)))
    torch.testing.assert_close(trainer.averaged.classifier.bias, 0.9 * before + 0.1 * weight.detach())


def test_no_moving_average_means_the_weights_themselves(small_run, few_digits):
    trainer = Trainer(changed(small_run, ema_decay=0.0), few_digits)
    list(trainer.train_batch(*_batch(few_digits)))
    for averaged, raw in zip(trainer.averaged.parameters(), trainer.model.parameters(), strict=True):
        assert torch.equal(averaged, raw)
        assert not averaged.requires_grad


def test_bf16_trains_with_fp32_weights(small_run, few_digits):
    trainer = Trainer(changed(small_run, precision="bf16"), few_digits)
    before = trainer.model.block.layers[0].mix.query.weight.detach().clone()
    results = [measured for _, measured, _ in trainer.train_batch(*_batch(few_digits))]
    assert torch.isfinite(torch.stack(results)).all()
    after = trainer.model.block.layers[0].mix.query.weight
    assert after.dtype == torch.float32
    assert not torch.equal(before, after)


def test_looking_ahead_changes_nothing_but_when_the_host_asks(small_run, few_digits):
    bias = math.log(0.55 / 0.45)  # falls below 0.5 within the training, so that some batches stop and others do not
    config = changed(
        small_run, epochs=3, supervision_steps=4, stop_unrolling=True, halt_bias=bias, lr=5e-3, ema_decay=0.9
    )
    results = []
    for looks_ahead in (False, True):
        trainer = Trainer(config, few_digits)
        trainer.looks_ahead = looks_ahead
        events = [exact(event) for event in trainer.events()]
        results.append((events, trainer.updates, trainer.state_dict()["model"]))
    (events, updates, weights), (ahead, updates_ahead, weights_ahead) = results
    assert events == ahead
    assert updates == updates_ahead
    assert 3 * 5 < updates < 3 * 5 * 4  # neither always nor never
    assert all(torch.equal(weights[name], weights_ahead[name]) for name in weights)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # torch's, of its own doing
def test_a_compiled_block_is_captured_whole_and_trains_as_ever(small_run, few_digits, monkeypatch, close):
    # With the graphs run by torch itself: what a compiler makes of them is not tested here, what they hold is.
    compile_module = torch.nn.Module.compile
    monkeypatch.setattr(
        torch.nn.Module, "compile", lambda module, **options: compile_module(module, backend="eager", **options)
    )
    config = changed(small_run, epochs=1, dropout=0.1, supervision_steps=2, depth=1, memory_steps=1)
    weights = []
    for compiled in (False, True):
        torch._dynamo.reset()
        torch._dynamo.utils.counters.clear()
        trainer = Trainer(changed(config, compile=compiled), few_digits)
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
    trainer = Trainer(changed(small_run, **EVERY_INGREDIENT, **changes), few_digits)
    with pytest.raises((RuntimeError, NotImplementedError)):
        float(torch.empty((), device="meta"))
    trainer.device, trainer.model = torch.device("meta"), trainer.model.to("meta")
    trainer.update = lambda loss, weight: (loss * weight).backward()  # fused optimizers know no such device
    images = torch.empty(8, 1, 8, 8, dtype=torch.uint8, device="meta")
    for _ in range(2):
        steps = list(trainer.train_batch(images, torch.empty(8, dtype=torch.int64, device="meta")))
        assert [last for *_, last in steps] == [False, True]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("compiled", [False, True])
def test_a_batch_on_a_gpu_never_makes_the_host_wait(small_run, few_digits, compiled):
    config = changed(small_run, **EVERY_INGREDIENT, stop_unrolling=True, precision="bf16", compile=compiled)
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
