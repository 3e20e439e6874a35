"""Trainings that begin anywhere, on images of several sizes."""

from dataclasses import replace

import pytest
import torch
from trainings import carry, changed, exact, in_two_sittings

from vitrm.config import Config, DataConfig, ModelConfig, TrainConfig, ViTConfig
from vitrm.data.sources import load_dataset
from vitrm.errors import ConfigError
from vitrm.model import State
from vitrm.training.batches import draw_unlearned, noise_in_memory, usual_unlearned
from vitrm.training.events import EpochEnd
from vitrm.training.trainer import Trainer


@pytest.fixture(scope="module")
def progress():
    """A training on mazes of two sizes, five batches an epoch, that begins anywhere from step 1 to step 4: its config,
    data, and every event with the state after it."""
    source = "mazes:5x5,gems=3,lengths=1-3,train=40,test=9+6x6,lengths=1-4,train=30"
    shape = {"num_classes": 3, "image_size": 10, "patch_size": 2, "dim": 12, "depth": 1, "num_heads": 2, "mlp_dim": 8}
    model = ModelConfig(**shape, positions="relative", reference_side=6, memory_steps=1, supervision_steps=2)
    recipe = {"crop_pad": 0, "flip": False, "randaugment_ops": 0, "mixup_alpha": 0.0, "cutmix_alpha": 0.0}
    train = TrainConfig(epochs=2, batch_size=16, backprop="all", update="batch", progress_steps=3, patience=0, **recipe)
    config = Config(model, train, DataConfig(source=source, val_fraction=0.2))
    dataset = load_dataset(source, 10, 3, val_fraction=0.2)
    trainer = Trainer(config, dataset)
    return config, dataset, [(exact(event), carry(trainer)) for event in trainer.events()]


@pytest.mark.parametrize("stop_at", [4, 5])
def test_a_training_that_begins_anywhere_on_images_of_any_size_continues_bit_for_bit(progress, stop_at):
    config, dataset, expected = progress
    before, after, second = in_two_sittings(config, dataset, stop_at)
    events = before + after
    assert events == [event for event, _ in expected]
    _, last = expected[-1]
    assert all(torch.equal(last["model"][key], value) for key, value in second.state_dict()["model"].items())


def test_batches_are_of_one_size_each_and_an_epoch_is_all_mazes_of_all_sizes_once(progress):
    config, dataset, _ = progress
    trainer, seen = Trainer(config, dataset), []
    train_batch = trainer.train_batch

    def watched(images, labels):
        seen.append(images)
        yield from train_batch(images, labels)

    trainer.train_batch = watched
    end = next(event for event in trainer.events() if isinstance(event, EpochEnd))
    assert trainer.batches == len(seen) == 5  # 40 = 16 + 16 + 8, 30 = 16 + 14
    for split, size in ((dataset.train, 10), (dataset.others[0].train, 12)):
        given = torch.cat([images for images in seen if images.shape[-1] == size])
        assert sorted(map(bytes, given.numpy())) == sorted(map(bytes, split.images.numpy()))
    assert [images.shape[-1] for images in seen] not in ([10, 10, 10, 12, 12], [12, 12, 10, 10, 10])
    assert len(end.val_accuracy) == 5  # the two steps that learn, after three that do not
    assert len(end.train_accuracy) == 2


def test_a_batch_begins_with_any_number_of_steps_up_to_the_given_one(progress, monkeypatch):
    config, dataset, _ = progress
    trainer, drawn = Trainer(config, dataset), []
    steps = trainer.model.steps

    def watched(images, count, *rest, **others):
        drawn[-1].append(count)
        return steps(images, count, *rest, **others)

    monkeypatch.setattr(trainer.model, "steps", watched)
    images, labels = trainer.first_of_each()[1]
    for seed in range(40):
        torch.manual_seed(seed)
        drawn.append([])
        assert len(list(trainer.train_batch(images, labels))) == 2
    assert set(map(tuple, drawn)) == {(2,), (1, 2), (2, 2), (3, 2)}


def test_what_cannot_begin_anywhere_or_take_several_sizes_is_refused(progress):
    config, dataset, _ = progress
    vit = ViTConfig(num_classes=3, image_size=10, patch_size=2, dim=12, depth=1, num_heads=2, mlp_dim=8)
    with pytest.raises(ConfigError, match=r"memory_noise=0\.1 needs a model with supervision steps"):
        Config(ViTConfig(), TrainConfig(memory_noise=0.1))
    with pytest.raises(ConfigError, match="progress_steps=3 needs a model with supervision steps"):
        replace(config, model=vit)
    with pytest.raises(ConfigError, match="has images of several sizes, which this model cannot take"):
        Trainer(changed(config, positions="absolute", reference_side=None), dataset)
    for field, message in (("reference_side", "reference_side=0: expected 1"), ("progress_steps", "progress_steps=-1")):
        with pytest.raises(ConfigError, match=message):
            changed(config, **{field: 0 if field == "reference_side" else -1})
    with pytest.raises(ConfigError, match="reference_side=6 needs positions='relative'"):
        changed(config, positions="absolute")


def test_noise_is_added_to_every_memory_in_training_and_to_no_answer(progress):
    config, dataset, _ = progress
    noisy = noise_in_memory(TrainConfig(memory_noise=0.1))
    before = State(torch.zeros(50, 1, 12), torch.zeros(50, 36, 12))
    after = noisy(before, before)
    assert after.answer is before.answer
    assert float(after.memory.std()) == pytest.approx(0.1, rel=0.05)
    assert noise_in_memory(TrainConfig()) is None
    measured = []
    for noise in (0.0, 0.0, 0.5):
        torch.manual_seed(0)
        trainer = Trainer(changed(config, memory_noise=noise), dataset)
        images, labels = next(iter(trainer.first_of_each()))
        measured.append([values.tolist() for _, values, _ in trainer.train_batch(images, labels)])
    assert measured[0] == measured[1] != measured[2]


def _most(train, done):
    """The most steps that a few hundred batches make when a share `done` is over."""
    return max(draw_unlearned(train, done) for _ in range(300))


def test_the_steps_before_those_that_learn_grow_to_their_full_number_over_a_share_of_the_training():
    torch.manual_seed(0)
    train = TrainConfig(progress_steps=10, progress_ramp=0.5)
    assert [_most(train, done) for done in (0.0, 0.1, 0.25, 0.5, 0.99)] == [0, 2, 5, 10, 10]
    assert _most(replace(train, progress_ramp=0.0), 0.0) == 10
    assert _most(replace(train, progress_steps=0), 1.0) == 0
    assert usual_unlearned(train) == 3  # of 0 to 10, a quarter less on average
    assert usual_unlearned(replace(train, progress_ramp=0.0)) == 5
    assert _most(train, None) == 8  # outside of a training: as many as usual
    with pytest.raises(ConfigError, match=r"progress_ramp=1\.5: expected 0 to 1"):
        TrainConfig(progress_ramp=1.5)


def test_drawn_by_their_logarithm_few_of_them_are_as_frequent_as_many():
    torch.manual_seed(0)
    train = TrainConfig(progress_steps=62, progress_draw="log")
    drawn = torch.tensor([draw_unlearned(train, 0.5) for _ in range(6000)])
    shares = [((low <= drawn) & (drawn < high)).float().mean() for low, high in ((0, 1), (1, 3), (3, 7), (31, 63))]
    torch.testing.assert_close(torch.stack(shares), torch.full((4,), 1 / 6), atol=0.02, rtol=0)
    assert (int(drawn.min()), int(drawn.max())) == (0, 62)
    assert usual_unlearned(train) == 14
    assert float(drawn.float().mean()) == pytest.approx(14, abs=1)
    assert usual_unlearned(replace(train, progress_steps=0)) == 0
    assert _most(replace(train, progress_ramp=0.5), 0.25) == 31


def test_how_far_they_have_grown_follows_the_training(progress, monkeypatch):
    config, dataset, _ = progress
    seen = []
    monkeypatch.setattr("vitrm.training.deep_supervision.draw_unlearned", lambda _, done: seen.append(done) or 0)
    list(Trainer(config, dataset).events())
    assert seen == pytest.approx([k / 10 for k in range(10)])
