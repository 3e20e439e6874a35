"""Mazes as a data set: splits that share no maze, mazes of its own for every epoch."""

from collections import Counter
from copy import deepcopy

import pytest
import torch

from vitrm.config import Config, DataConfig, ModelConfig, TrainConfig
from vitrm.data.mazes import FIRST_GEM, cells_of, keys, solve
from vitrm.data.sources import load_dataset
from vitrm.errors import DataError
from vitrm.training.events import EpochEnd
from vitrm.training.trainer import Trainer


@pytest.fixture(scope="module")
def dataset():
    return load_dataset("mazes:5x5,gems=3,lengths=1-3,train=300,test=100", 10, 3, val_fraction=0.2)


def test_mazes_must_fit_the_image():
    with pytest.raises(DataError, match="image_size=32 is not a multiple of the 6 cells"):
        load_dataset("mazes:test=10000000", 32, 3)  # before any is drawn, which would take minutes
    with pytest.raises(DataError, match=r"3 x 12 x 12 .*, the model expects 1 x 12 x 12"):
        load_dataset("mazes", 12, 1)
    with pytest.raises(DataError, match="the source says it"):
        load_dataset("mazes", 12, 3, train_images=10)


def test_splits_have_difficulties_and_share_no_maze(dataset):
    assert [len(dataset.split(name)) for name in ("train", "val", "test")] == [300, 60, 100]
    parts = [dataset.train, dataset.val, dataset.test, dataset.draw(1)]
    found = [cells_of(part.images.numpy(), 5) for part in parts]
    for part, cells in zip(parts, found, strict=True):
        answers = [solve(each) for each in cells]
        assert part.difficulty.tolist() == [answer.length for answer in answers]
        assert part.labels.tolist() == [answer.label for answer in answers]
    train, val, test, later = (set(keys(cells).tolist()) for cells in found)
    assert not (train | later) & (val | test)
    assert not val & test
    assert train != later


def test_mazes_of_several_sizes_share_a_cell_size_and_keep_their_splits_apart():
    data = load_dataset("mazes:5x5,gems=3,lengths=1-3,train=30,test=20+6x6,train=50", 10, 3, val_fraction=0.2)
    (other,) = data.others
    assert [part.images.shape[-1] for part in (data.train, other.train, other.val, other.draw(1))] == [10, 12, 12, 12]
    assert data.sizes == {"train": 80, "val": 6 + 10, "test": 20}
    alone = load_dataset("mazes:5x5,gems=3,lengths=1-3,train=30,test=20", 10, 3, val_fraction=0.2)
    assert torch.equal(alone.train.images, data.train.images)
    assert alone.others == ()
    train, val = (set(keys(cells_of(part.images.numpy(), 6)).tolist()) for part in (other.train, other.val))
    assert not train & val


def test_mazes_with_fewer_gems_have_the_classes_of_the_first_and_their_gems_any_two_of_the_colours():
    data = load_dataset("mazes:5x5,gems=3,lengths=1-3,train=30,test=20+gems=2,lengths=1-6,train=90", 10, 3)
    (other,) = data.others
    assert other.classes == data.classes
    assert other.guesses == {}
    cells = cells_of(other.train.images.numpy(), 5)
    answers = [solve(each) for each in cells]
    assert other.train.labels.tolist() == [answer.label for answer in answers]
    assert other.train.difficulty.tolist() == [answer.length for answer in answers]
    assert torch.bincount(other.train.labels).tolist() == [30, 30, 30]
    pairs = Counter(
        (answer.label, *sorted(set(each[each >= FIRST_GEM] - FIRST_GEM)))
        for answer, each in zip(answers, cells, strict=True)
    )
    assert {pair[1:] for pair in pairs} == {(0, 1), (0, 2), (1, 2)}
    assert len(pairs) == 6  # either gem of a pair may be the one that can be reached


def test_subsets_keep_difficulties_aligned(dataset):
    index = torch.tensor([5, 3])
    assert dataset.test.subset(index).to("cpu").difficulty.tolist() == dataset.test.difficulty[index].tolist()


def test_the_split_seed_moves_training_and_validation_but_never_test(dataset):
    other = load_dataset(dataset.source, 10, 3, val_fraction=0.2, split_seed=1)
    assert torch.equal(other.test.images, dataset.test.images)
    assert not torch.equal(other.val.images, dataset.val.images)
    assert not torch.equal(other.train.images, dataset.train.images)


def test_every_epoch_trains_on_mazes_of_its_own_also_after_a_restart(dataset):
    model = ModelConfig(
        num_classes=3, image_size=10, patch_size=2, dim=16, depth=1, num_heads=2, mlp_dim=16, memory_steps=1
    )
    plain = TrainConfig(epochs=3, randaugment_ops=0, mixup_alpha=0, cutmix_alpha=0, crop_pad=0, patience=0)
    config = Config(model, plain, DataConfig(source=dataset.source, val_fraction=0.2))
    trainer, seen = Trainer(config, dataset), []
    for event in trainer.events():
        if isinstance(event, EpochEnd):
            seen.append(trainer.train_split.images)
        if isinstance(event, EpochEnd) and event.epoch == 1:
            again = Trainer(config, dataset)
            again.load_state_dict(deepcopy(trainer.state_dict()))
            next(again.events())
            resumed = again.train_split.images
    assert torch.equal(seen[0], dataset.train.images)
    assert torch.equal(seen[1], dataset.draw(1).images)
    assert torch.equal(seen[1], resumed)
    assert not torch.equal(seen[1], seen[2])
