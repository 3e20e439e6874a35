"""Training over epochs: its events, its end, its recipe."""

import math
from dataclasses import replace

import pytest
import torch
from trainings import changed, kinds

from vitrm.config import PRESETS
from vitrm.errors import TrainingDiverged
from vitrm.judge.evaluation import evaluate
from vitrm.training.augment import augment
from vitrm.training.events import EpochEnd, Finished, Progress
from vitrm.training.optimizer import learning_rate
from vitrm.training.trainer import Trainer


def test_the_learning_rate_of_the_schedule_is_the_one_used(small_run, few_digits):
    trainer = Trainer(changed(small_run, epochs=1, warmup_epochs=0), few_digits)
    *_, progress, end, _ = trainer.events()
    assert isinstance(progress, Progress)
    assert progress.lr == end.lr == learning_rate(trainer.config.train, 5, 4 / 5)
    assert {group["lr"] for group in trainer.optimizer.param_groups} == {progress.lr}


def test_loss_falls_and_accuracy_rises_on_digits(small_run, digits):
    config = changed(small_run, epochs=3, batch_size=32, lr=5e-3, dim=32, final_norm=True, dropout=0.0, mixup_alpha=0.0,
                   cutmix_alpha=0.0, crop_pad=0, flip=False, ema_decay=0.9)  # fmt: skip
    ends = [event for event in Trainer(config, digits).events() if isinstance(event, EpochEnd)]
    assert ends[0].train_loss[-1] < math.log(10)  # better than chance
    assert ends[-1].train_loss[-1] < 0.5 * ends[0].train_loss[-1]
    assert ends[-1].val_accuracy[-1] > 0.6


def test_events_come_in_order_and_count_what_was_trained(small_run, digits):
    dataset = replace(digits, train=digits.train.subset(torch.arange(100)))
    events = list(Trainer(changed(small_run, batch_size=8), dataset).events())  # 13 batches an epoch
    assert kinds(events) == ["Progress", "Progress", "EpochEnd", "Progress", "Progress", "EpochEnd", "Finished"]
    assert [(e.epoch, e.batch) for e in events if isinstance(e, Progress)] == [(1, 10), (1, 13), (2, 10), (2, 13)]
    for event in events[:-1]:
        steps = event.loss if isinstance(event, Progress) else event.val_loss
        assert len(steps) == 2
    assert events[0].steps_run == 2.0
    assert events[-1].reason == "all 2 epochs done"


def test_epoch_means_are_the_means_of_the_reports(small_run, digits):
    dataset = replace(digits, train=digits.train.subset(torch.arange(320)))  # 20 batches: two reports of ten
    first, second, end, *_ = Trainer(changed(small_run, epochs=1), dataset).events()
    for n in range(2):
        assert end.train_loss[n] == pytest.approx((first.loss[n] + second.loss[n]) / 2)
        assert end.train_accuracy[n] == pytest.approx((first.accuracy[n] + second.accuracy[n]) / 2)


def test_validation_scores_are_those_of_the_averaged_weights(small_run, few_digits):
    trainer = Trainer(changed(small_run, epochs=1), few_digits)
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
    config = changed(small_run, epochs=50, patience=3, lr=1e-12, min_lr=0.0)
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
    with pytest.raises(TrainingDiverged, match=r"in epoch 1, batch 5: .* Choose a smaller train\.lr=0\.001"):
        list(trainer.events())


def test_nan_in_the_averaged_weights_alone_ends_the_training_too(small_run, few_digits):
    trainer = Trainer(small_run, few_digits)
    with torch.no_grad():
        trainer.averaged.classifier.bias[0] = float("nan")
    with pytest.raises(TrainingDiverged, match="the loss became"):
        list(trainer.events())


def test_epoch_images_draw_from_all_images(small_run, few_digits):
    config = replace(small_run, train=replace(small_run.train, epochs=12, epoch_images=20, batch_size=10))
    trainer, seen = Trainer(config, few_digits), set()
    train_batch = trainer.train_batch

    def watched(images, labels):
        seen.update(image.numpy().tobytes() for image in images)
        yield from train_batch(images, labels)

    trainer.train_batch = watched
    list(trainer.events())
    assert 40 < len(seen) <= 70


@pytest.mark.parametrize(("share", "mixed_epochs"), [(0.0, 5), (0.4, 3), (1.0, 0)])
def test_the_last_epochs_are_not_mixed(small_run, few_digits, share, mixed_epochs):
    config = changed(small_run, epochs=5, batch_size=35, supervision_steps=1, unmixed_share=share)
    trainer, mixed = Trainer(config, few_digits), []
    prepare = trainer.prepare

    def watched(images, labels):
        prepared = prepare(images, labels)
        mixed.append(prepared[1].ndim == 2)
        return prepared

    trainer.prepare = watched
    list(trainer.events())
    assert mixed == [epoch < mixed_epochs for epoch in range(5) for _ in range(2)]


def test_repeated_images_stand_side_by_side_each_augmented_anew(small_run, few_digits):
    config = changed(small_run, epochs=1, batch_size=12, repeats=3, affine=0.3, mixup_alpha=0.0, cutmix_alpha=0.0)
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


def test_deterministic_training_asks_for_deterministic_algorithms_and_gives_them_back(small_run, few_digits):
    trainer = Trainer(changed(small_run, deterministic=True, epochs=1), few_digits)
    during = []
    for _ in trainer.events():
        during.append(torch.are_deterministic_algorithms_enabled())
    assert all(during)
    assert not torch.are_deterministic_algorithms_enabled()
