"""What a data set is: splits that are disjoint and do not move, and pixels as a model takes them."""

import pytest
import torch
from PIL import Image

from vitrm.data import dataset
from vitrm.data.dataset import Preprocess, mean_std
from vitrm.data.sources import load_dataset
from vitrm.data.stored import StoredImages
from vitrm.errors import DataError


def test_digits_split_into_the_documented_sizes(digits):
    assert [len(digits.split(name)) for name in ("train", "val", "test")] == [1294, 144, 359]
    assert digits.train.images.shape == (1294, 1, 8, 8)
    assert digits.train.images.dtype == torch.uint8
    assert digits.classes == tuple("0123456789")
    assert int(digits.train.images.max()) == 255
    assert digits.skipped == ()


def test_digits_splits_are_disjoint_and_together_the_whole_set(digits):
    from sklearn.datasets import load_digits

    rows = [(s.images[i].flatten().tolist(), int(s.labels[i])) for s in (digits.train, digits.val, digits.test)
            for i in range(len(s))]  # fmt: skip
    bunch = load_digits()
    original = [(row, label) for row, label in zip((bunch.data * (255 / 16)).round().tolist(), bunch.target.tolist())]  # noqa: B905
    assert sorted(rows) == sorted((list(map(int, row)), label) for row, label in original)


def test_splits_are_the_same_every_time(digits):
    again = load_dataset("digits", 8, 1)
    for name in ("train", "val", "test"):
        assert torch.equal(digits.split(name).images, again.split(name).images)
        assert torch.equal(digits.split(name).labels, again.split(name).labels)


def test_split_seed_moves_validation_but_never_test(digits):
    other = load_dataset("digits", 8, 1, split_seed=1)
    assert torch.equal(digits.test.images, other.test.images)
    assert not torch.equal(digits.val.images, other.val.images)


def test_val_fraction_takes_its_share_of_the_training_images():
    dataset = load_dataset("digits", 8, 1, val_fraction=0.25)
    assert (len(dataset.train), len(dataset.val), len(dataset.test)) == (1078, 360, 359)  # 1438 * 0.25 = 359.5


def test_training_can_be_given_few_images_and_leaves_validation_and_test_alone(digits):
    few = load_dataset("digits", 8, 1, train_images=100)
    assert torch.equal(few.train.images, digits.train.images[:100])  # which the split seed has shuffled
    for name in ("val", "test"):
        assert torch.equal(few.split(name).images, digits.split(name).images)
    with pytest.raises(DataError, match="train_images=1,295, but digits leaves 1,294 training images; 0 takes all"):
        load_dataset("digits", 8, 1, train_images=1295)


def test_mean_and_std_are_those_of_the_training_split_alone(digits):
    scaled = digits.train.images.double() / 255
    assert digits.preprocess.mean == (round(float(scaled.mean()), 5),)
    assert digits.preprocess.std == (round(float(scaled.std(correction=0)), 5),)


def test_normalised_training_images_have_mean_0_and_std_1(digits):
    normal = digits.preprocess.normalize(digits.train.images)
    assert float(normal.mean()) == pytest.approx(0, abs=1e-4)
    assert float(normal.std()) == pytest.approx(1, abs=1e-3)


def test_a_constant_channel_is_not_divided_by_zero(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for i in range(4):
            Image.new("RGB", (8, 8), (50, 60, 70)).save(tmp_path / name / f"{i}.png")
    dataset = load_dataset(f"folder:{tmp_path}", 8, 3)
    assert dataset.preprocess.std == (1.0, 1.0, 1.0)


def test_unknown_split_is_refused(digits):
    with pytest.raises(DataError, match="unknown split 'train2': expected train, val or test"):
        digits.split("train2")


def test_preprocess_gives_the_model_the_pixels_it_shows():
    preprocess = Preprocess(8, (0.5, 0.25, 0.0), (0.5, 0.25, 1.0))
    image = Image.new("RGB", (16, 16), (255, 0, 51))
    assert preprocess.pixels(image)[:, 0, 0].tolist() == [255, 0, 51]
    torch.testing.assert_close(preprocess(image)[:, 3, 3], torch.tensor([1.0, -1.0, 0.2]))


def test_the_same_images_are_measured_whether_memory_has_room_for_them_or_not(monkeypatch):
    images = torch.zeros(8, 1, 2, 2, dtype=torch.uint8)
    images[2:4], images[4:] = 51, 255
    monkeypatch.setattr(dataset, "_MOST_MEASURED", 4)
    assert mean_std(images) == mean_std(StoredImages(images, torch.arange(8))) == ((0.1,), (0.1,))
