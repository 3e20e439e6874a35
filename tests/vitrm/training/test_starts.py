"""Trainings that begin near the learned start, or go on where images of the batch before ended."""

import pytest
import torch
from trainings import changed, exact, in_two_sittings

from vitrm.config import Config, DataConfig, ModelConfig, TrainConfig, ViTConfig
from vitrm.data.sources import load_dataset
from vitrm.errors import ConfigError
from vitrm.training.starts import Starts
from vitrm.training.trainer import Trainer


@pytest.fixture(scope="module")
def mazes():
    """A configuration for mazes of two sizes, and its data."""
    source = "mazes:5x5,gems=3,lengths=1-3,train=40,test=9+6x6,lengths=1-4,train=30"
    shape = {"num_classes": 3, "image_size": 10, "patch_size": 2, "dim": 12, "depth": 1, "num_heads": 2, "mlp_dim": 8}
    model = ModelConfig(**shape, positions="relative", reference_side=6, memory_steps=1, supervision_steps=2)
    recipe = {"crop_pad": 0, "flip": False, "randaugment_ops": 0, "mixup_alpha": 0.0, "cutmix_alpha": 0.0}
    train = TrainConfig(epochs=2, batch_size=16, backprop="all", update="batch", patience=0, lr=0.01, **recipe)
    return Config(model, train, DataConfig(source=source, val_fraction=0.2)), load_dataset(
        source, 10, 3, val_fraction=0.2
    )


def _watch(trainer):
    """What its model is given and ends with, filled in as it trains: (images, start, last step) of each batch."""
    seen, steps = [], trainer.model.steps

    def watched(images, *rest, start, **others):
        seen.append([images, start, None])
        for step in steps(images, *rest, start=start, **others):
            seen[-1][-1] = step
            yield step

    trainer.model.steps = watched
    return seen


def _two_batches(mazes, **changes):
    """What two batches of the same shape began and ended with, and the second as it was given."""
    config, dataset = mazes
    trainer = Trainer(changed(config, **changes), dataset)
    seen = _watch(trainer)
    images, labels = dataset.train.images, dataset.train.labels
    first, second = (images[:16], labels[:16]), (images[16:32], labels[16:32])
    torch.manual_seed(1)
    list(trainer.train_batch(*first))
    list(trainer.train_batch(*second))
    return trainer, seen, first[1], dataset.preprocess.normalize(second[0])


def test_an_image_that_stays_takes_its_place_in_the_next_batch_and_goes_on_from_where_it_was(mazes):
    _, ((images, start, last), (then, begins, _)), _, given = _two_batches(mazes, keep_right=0.7, keep_wrong=0.7)
    stays = (then == images).flatten(1).all(1)
    assert 4 < stays.sum() < 16
    assert torch.equal(then[~stays], given[~stays])
    for name in ("answer", "memory"):
        before, after, ended = getattr(start, name), getattr(begins, name), getattr(last, name)
        assert torch.equal(after[stays], ended[stays])
        assert not ended.requires_grad or not torch.autograd.grad(after[stays].sum(), ended, allow_unused=True)[0]
        assert not torch.equal(before[stays], after[stays])


@pytest.mark.parametrize("rule", ["keep_right", "keep_wrong"])
def test_the_right_or_the_wrong_alone_stay(mazes, rule):
    _, ((images, _, last), (then, _, _)), labels, _ = _two_batches(mazes, **{rule: 0.99})
    right = last.logits.argmax(-1) == labels
    assert 0 < right.sum() < 16
    stays = (then == images).flatten(1).all(1)
    assert not stays[~right if rule == "keep_right" else right].any()
    assert stays[right if rule == "keep_right" else ~right].sum() >= 1


def test_images_of_a_batch_that_is_not_full_do_not_stay(mazes):
    config, dataset = mazes
    trainer = Trainer(changed(config, keep_right=0.99, keep_wrong=0.99), dataset)
    list(trainer.train_batch(dataset.train.images[:7], dataset.train.labels[:7]))
    assert not trainer.starts.kept


def test_mixed_images_stay_with_their_mixed_targets_until_none_are_mixed(mazes):
    config, dataset = mazes
    mixed = {"mixup_alpha": 1.0, "unmixed_share": 0.5, "keep_right": 0.99, "keep_wrong": 0.99}
    trainer = Trainer(changed(config, **mixed), dataset)
    seen, (images, labels) = _watch(trainer), trainer.first_of_each()[0]
    for epoch in (0, 0, 1):
        torch.manual_seed(epoch)
        trainer.epoch = epoch
        list(trainer.train_batch(images, labels))
        (kept,) = trainer.starts.kept.values()
        assert kept[1].shape == ((16,) if epoch else (16, 3))
    (first, _, _), (second, _, _), (third, _, _) = seen
    assert (first == second).flatten(1).all(1).sum() > 10
    assert torch.equal(third, dataset.preprocess.normalize(images))


def test_the_steps_that_learn_go_on_with_the_glimpses_of_those_without_gradient(small_run, few_digits):
    trainer = Trainer(changed(small_run, glimpse_patches=5, backprop="all", update="batch"), few_digits)
    seen, model = [], trainer.model
    for_images = model.patch_embed.forward
    model.patch_embed.forward = lambda images, patches=None: seen.append(patches) or for_images(images, patches)
    torch.manual_seed(2)
    list(trainer.train_batch(*trainer.first_of_each()[0], 2))
    cycle = torch.cat(seen[:3], dim=1)  # 3 times 5 of 16 patches
    assert all(len(set(row)) == 15 for row in cycle.tolist())
    assert len(seen) == 2 + trainer.config.model.supervision_steps


def test_an_image_of_another_size_does_not_take_the_place(mazes):
    config, dataset = mazes
    trainer = Trainer(changed(config, keep_right=0.99, keep_wrong=0.99), dataset)
    seen = _watch(trainer)
    for images, labels in trainer.first_of_each():
        list(trainer.train_batch(images, labels))
    for [images, _, _], (given, _) in zip(seen, trainer.first_of_each(), strict=True):
        assert torch.equal(images, dataset.preprocess.normalize(given))


def test_noise_is_added_to_the_memory_that_is_begun_with_and_to_no_answer(mazes):
    config, dataset = mazes
    starts = Trainer(changed(config, start_noise=0.1), dataset).starts
    model, images = Trainer(*mazes).model, dataset.train.images[:16].float()
    (given, *_), start = starts.begin(model, (images, dataset.train.labels[:16], dataset.train.labels[:16]))
    learned = model.state_for(images)
    assert given is images
    noise = start.memory - learned.memory
    assert noise.std().item() == pytest.approx(0.1, rel=0.05)
    assert abs(noise.mean().item()) < 0.01
    assert torch.equal(start.answer, learned.answer)
    assert not torch.equal(start.memory[0, 0], start.memory[0, 1])


@pytest.mark.parametrize("back", [0, 2])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_what_is_learned_begins_where_steps_without_gradient_come_to_or_earlier_where_that_is_wrong(
    mazes, share, back, monkeypatch
):
    config, dataset = changed(mazes[0], rewind_wrong=share, dropout=0.0), mazes[1]
    trainer = Trainer(config, dataset)
    images, labels = trainer.first_of_each()[0]
    seen, rand = _watch(trainer), torch.rand
    u = {0: 0.1, 2: 0.8}[back]  # of which 5^u is 1.2 and 3.6
    monkeypatch.setattr(torch, "rand", lambda size, **rest: rand(size, **rest) if size else torch.tensor(u))
    torch.manual_seed(1)
    list(trainer.train_batch(images, labels, 4))
    (given, none, last), (_, begins_at, _) = seen
    assert none is None
    assert not last.memory.requires_grad
    right = last.logits.argmax(-1) == labels
    assert 0 < right.sum() < 16
    same = Trainer(config, dataset).model.train()
    with torch.no_grad():
        places = [same.state_for(given), *same.steps(given, 4, backprop="all")]
    went_back = (begins_at.memory == places[back].memory).flatten(1).all(1)
    assert not went_back[right].any()
    assert {
        0.0: went_back.sum() == 0,
        0.5: 0 < went_back.sum() < (~right).sum(),
        1.0: went_back.sum() == (~right).sum(),
    }[share]
    for name in ("answer", "memory"):
        begins, ended, earlier = (getattr(each, name) for each in (begins_at, last, places[back]))
        assert torch.equal(begins[~went_back], ended[~went_back])
        assert torch.equal(begins[went_back], earlier[went_back])
        assert begins.requires_grad == bool(share and not back)  # the learned start is learned where images are back


@pytest.mark.parametrize("stop_at", [3, 5])
def test_a_training_that_keeps_images_continues_bit_for_bit(mazes, stop_at):
    config, dataset = changed(mazes[0], keep_right=0.8, keep_wrong=0.6, start_noise=0.1), mazes[1]
    whole = Trainer(config, dataset)
    expected = [exact(event) for event in whole.events()]
    before, after, second = in_two_sittings(config, dataset, stop_at)
    events = before + after
    assert events == expected
    state = second.state_dict()["model"]
    assert all(torch.equal(state[key], value) for key, value in whole.state_dict()["model"].items())


def test_validation_goes_by_the_steps_that_an_image_makes_on_average(mazes):
    config, _ = mazes
    assert config.deepest == 2
    assert changed(config, keep_wrong=0.9).deepest == 20
    assert changed(config, keep_right=0.75, keep_wrong=0.5, progress_steps=3).deepest == 14
    assert changed(config, keep_wrong=0.1, progress_steps=30).deepest == 32


def test_what_cannot_keep_images_is_refused(mazes):
    with pytest.raises(ConfigError, match=r"keep_right=1: expected 0 to 0\.99"):
        TrainConfig(keep_right=1)
    with pytest.raises(ConfigError, match=r"keep_wrong=0\.5 needs a model with supervision steps"):
        Config(ViTConfig(), TrainConfig(keep_wrong=0.5))
    with pytest.raises(ConfigError, match=r"rewind_wrong=0\.5 needs a model with supervision steps"):
        Config(ViTConfig(), TrainConfig(rewind_wrong=0.5))
    with pytest.raises(ConfigError, match=r"rewind_wrong=2: expected 0 to 1"):
        TrainConfig(rewind_wrong=2)
    for changes in ({"keep_right": 0.5}, {"progress_steps": 3}):
        with pytest.raises(ConfigError, match="readout='mixture' mixes the answers of all steps"):
            Config(ModelConfig(readout="mixture"), TrainConfig(**changes))
    with pytest.raises(ConfigError, match=r"keep_right=0\.5, keep_wrong=0: images stay in one process, not in 2"):
        Starts(TrainConfig(keep_right=0.5), processes=2)
    assert Starts(TrainConfig(), processes=2).state_dict() == []
