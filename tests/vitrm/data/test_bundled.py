"""The test images that come with the project: what they are, and when they stand in for the full set."""

import gzip
import hashlib

import numpy as np
import pytest
import torch

from tests.downloads import datasets
from vitrm.config import DataConfig
from vitrm.data.bundled import FASHION, bundled, every
from vitrm.data.sources import load_dataset, stand_in
from vitrm.errors import DataError

WORDS = ("T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot")


def _idx(values):
    """An array in the format of MNIST, compressed."""
    sizes = b"".join(size.to_bytes(4, "big") for size in values.shape)
    return gzip.compress(bytes([0, 0, 8, values.ndim]) + sizes + values.tobytes())


@pytest.fixture
def official(tmp_path, monkeypatch):
    """A data root with a full set in the four official files, but small ones: 40 training and 20 test images."""
    raw, resources = tmp_path / "FashionMNIST" / "raw", []
    raw.mkdir(parents=True)
    for part, count in (("train", 40), ("t10k", 20)):
        labels = (np.arange(count) % 10).astype(np.uint8)
        images = np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None], (count, 28, 28))
        for name, values in (("images-idx3", images), ("labels-idx1", labels)):
            content = _idx(np.ascontiguousarray(values))
            (raw / f"{part}-{name}-ubyte.gz").write_bytes(content)
            resources.append((f"{part}-{name}-ubyte.gz", hashlib.md5(content).hexdigest()))
    monkeypatch.setattr(datasets().FashionMNIST, "resources", resources)
    monkeypatch.setattr(datasets().FashionMNIST, "mirrors", ["http://127.0.0.1:9/"])  # the discard port: nobody answers
    return tmp_path


def test_a_tenth_of_the_test_images_of_fashion_comes_with_the_project_100_of_each_class():
    shown = bundled("fashion", (1, 28, 28))
    assert shown.images.images.shape == (1000, 1, 28, 28)
    assert shown.images.images.dtype == torch.uint8
    assert torch.bincount(shown.images.labels).tolist() == [100] * 10
    assert (shown.numbers.diff() > 0).all()
    assert 0 <= shown.numbers[0] < shown.numbers[-1] < shown.total == 10_000
    assert len(shown.images.images.flatten(1).unique(dim=0)) > 990  # the full set has a few twice


def test_it_names_the_files_that_it_is_from_and_its_licence_is_beside_it():
    with np.load(FASHION) as file:
        md5 = set(file["source_md5"].tolist())
    assert md5 == {md5 for name, md5 in datasets().FashionMNIST.resources if name.startswith("t10k")}
    licence = FASHION.with_suffix(".LICENSE").read_text(encoding="utf-8")
    assert "MIT License" in licence
    assert "Zalando" in licence


def test_an_image_keeps_its_number_in_the_full_test_split():
    shown = bundled("fashion", (1, 28, 28))
    assert [shown.find(int(shown.numbers[place])) for place in (0, 500, 999)] == [0, 500, 999]
    absent = min(set(range(10_000)) - set(shown.numbers.tolist()))
    assert shown.find(absent) is None
    assert shown.find(10_000) is None


def test_what_is_shown_says_of_how_many_it_is():
    shown = bundled("fashion", (1, 28, 28))
    assert not shown.whole
    assert shown.words == "1,000 of the 10,000 test images, those that come with the project"
    digits = every(load_dataset("digits", 8, 1).test)
    assert digits.whole
    assert digits.words == f"all {len(digits):,} test images"
    assert digits.find(3) == 3


def test_they_stand_in_where_the_full_set_is_not(tmp_path):
    assert (
        len(stand_in("fashion", 28, 1, root=tmp_path)) == len(stand_in("fashion_mnist", 28, 1, root=tmp_path)) == 1000
    )
    assert stand_in("cifar10", 32, 3, root=tmp_path) is None
    with pytest.raises(DataError, match=r"fashion has images of shape 1 x 28 x 28 .*, the model expects 3 x 32 x 32"):
        stand_in("fashion", 32, 3, root=tmp_path)


def test_they_do_not_where_the_official_files_are_which_need_no_network(official):
    assert stand_in("fashion", 28, 1, root=official) is None  # packed
    data = load_dataset("fashion", 28, 1, root=official)
    assert (len(data.train), len(data.val), len(data.test)) == (36, 4, 20)
    assert data.test.images[:, 0, 0, 0].tolist() == list(range(20))
    assert (data.source, data.classes) == ("fashion", WORDS)
    for packed in (official / "FashionMNIST" / "raw").glob("*.gz"):
        packed.unlink()
    assert stand_in("fashion", 28, 1, root=official) is None  # unpacked
    next((official / "FashionMNIST" / "raw").glob("t10k*")).unlink()
    assert stand_in("fashion", 28, 1, root=official) is not None  # one is missing


@pytest.mark.parametrize("left", [0, 3, 500])
def test_a_file_that_is_half_unpacked_is_unpacked_again_or_counts_as_absent(official, left):
    load_dataset("fashion", 28, 1, root=official)
    images = official / "FashionMNIST" / "raw" / "t10k-images-idx3-ubyte"
    whole = images.read_bytes()
    images.write_bytes(whole[:left])
    assert len(load_dataset("fashion", 28, 1, root=official, download=False).test) == 20
    assert images.read_bytes() == whole
    images.with_name(f"{images.name}.gz").unlink()
    assert stand_in("fashion", 28, 1, root=official) is None
    images.write_bytes(whole[:left])
    assert stand_in("fashion", 28, 1, root=official) is not None
    with pytest.raises(DataError, match="fashion is not on this machine; `vitrm download fashion` brings it"):
        load_dataset("fashion", 28, 1, root=official, download=False)
    with pytest.raises(DataError, match="could not download fashion into"):
        load_dataset("fashion", 28, 1, root=official)


def test_its_old_name_is_another_word_for_it(official):
    assert load_dataset("fashion_mnist", 28, 1, root=official).source == "fashion"
    names = tuple(datasets().FashionMNIST.classes)
    before = DataConfig(source="fashion_mnist", classes=names)  # as a run folder of before has it
    assert (before.source, before.classes) == ("fashion", WORDS)
    assert before.title == "Fashion-MNIST"
