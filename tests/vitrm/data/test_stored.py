"""Images beyond memory: the same images, the same training, decoded once."""

import shutil
from collections import namedtuple
from dataclasses import replace
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from PIL import Image

from vitrm.data import sources, stored
from vitrm.data.sources import load_dataset
from vitrm.errors import DataError
from vitrm.training.trainer import Trainer

TOO_LITTLE = 1e-6  # GB


@pytest.fixture
def pictures(tmp_path):
    """Sixty photographs of three classes, two files that are none."""
    random = np.random.default_rng(0)
    for name in ("ant", "bee", "cat"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for i in range(20):
            pixels = random.integers(0, 256, (12, 15, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pictures" / name / f"{i:02}.jpg")
    for i in (3, 11):
        (tmp_path / "pictures" / "bee" / f"{i:02}.jpg").write_bytes(b"none")
    return tmp_path / "pictures"


@pytest.fixture
def load(pictures, tmp_path):
    """Reads them; what is said goes to `load.said`, the files that are decoded to `load.decoded`."""

    def read(memory_gb=TOO_LITTLE):
        read.said.clear()
        return load_dataset(
            f"folder:{pictures}", 8, 1, root=tmp_path / "root", memory_gb=memory_gb, say=read.said.append
        )

    read.said = []
    return read


@pytest.fixture
def decoded(monkeypatch):
    """How many files have been decoded."""
    decode, counted = sources.decode_image, []
    monkeypatch.setattr(sources, "decode_image", lambda content: (counted.append(0), decode(content))[1])
    return counted


def test_stored_images_are_those_that_memory_would_hold(load, decoded):
    inside, outside = load(memory_gb=1.0), load()
    assert isinstance(inside.train.images, torch.Tensor)
    assert isinstance(outside.train.images, stored.StoredImages)
    assert load.said[0].startswith("60 images take 3.84e-06 GB when decoded, which is more than memory has room for")
    assert load.said[1].startswith("decoding 60 of 60 images once into ")
    assert (outside.preprocess, outside.skipped) == (inside.preprocess, inside.skipped)
    assert [line.partition(":")[0] for line in outside.skipped] == ["bee/03.jpg", "bee/11.jpg"]
    for name in ("train", "val", "test"):
        there, here = outside.split(name), inside.split(name)
        assert torch.equal(there.labels, here.labels)
        assert there.images.shape == here.images.shape
        for index in (0, slice(1, 4), slice(None), torch.tensor([2, 0, 2])):
            assert torch.equal(there.images[index], here.images[index])
    few = torch.tensor([5, 1])
    assert torch.equal(outside.train.subset(few).images[:], inside.train.subset(few).images)
    assert len(decoded) == 2 * 60


def test_they_are_decoded_once_also_if_that_is_interrupted_and_again_when_a_file_changes(
    load, decoded, pictures, monkeypatch
):
    monkeypatch.setattr(stored, "CHUNK", 16)
    fit, seen = sources.fit_image, []

    def interrupted(*arguments):
        seen.append(0)
        if len(seen) == 40:
            raise KeyboardInterrupt
        return fit(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(sources, "fit_image", interrupted)
        with pytest.raises(KeyboardInterrupt):
            load()
    decoded.clear()
    whole = load()
    assert load.said[1].startswith("decoding 28 of 60 images")  # two chunks were done
    assert len(decoded) == 28 + 2  # those that cannot be read are tried again
    again = load()
    assert len(decoded) == 28 + 4
    assert len(load.said) == 1
    assert torch.equal(again.train.images[:], whole.train.images[:])
    assert again.skipped == whole.skipped
    Image.new("L", (9, 9), 7).save(pictures / "bee" / "03.jpg")
    assert len(load().skipped) == 1
    assert len(decoded) == 28 + 4 + 60


def test_what_could_not_be_read_is_tried_again_and_what_an_earlier_version_noted_of_it_does_no_harm(
    load, tmp_path, monkeypatch
):
    with monkeypatch.context() as failing:
        failing.setattr(sources, "decode_image", Mock(side_effect=OSError("Input/output error")))
        with pytest.raises(DataError, match=r"no readable image found; 60 skipped: ant/00\.jpg: Input/output error"):
            load()
    (place,) = (tmp_path / "root" / ".decoded").iterdir()
    (place / "unreadable").write_text('[7, "cannot be re')
    outside, inside = load(), load(memory_gb=1.0)
    assert outside.skipped == inside.skipped
    assert len(outside.skipped) == 2
    assert torch.equal(outside.test.images[:], inside.test.images)


@pytest.mark.parametrize("memory_gb", [1.0, TOO_LITTLE])
def test_an_empty_test_folder_is_named(pictures, tmp_path, memory_gb):
    pictures.rename(tmp_path / "train")
    (tmp_path / "test").mkdir()
    with pytest.raises(DataError, match=r"test' holds no images; put some there, or remove it"):
        load_dataset(f"folder:{tmp_path}", 8, 1, root=tmp_path / "root", memory_gb=memory_gb)


def test_training_from_the_file_is_training_from_memory(load, small_run):
    config = replace(small_run, model=replace(small_run.model, num_classes=3))
    states = []
    for dataset in (load(memory_gb=1.0), load()):
        trainer = Trainer(config, dataset)
        events = trainer.events()
        next(events)  # in the middle of an epoch
        trainer.stop()
        list(events)
        again = Trainer(config, dataset)
        again.load_state_dict(trainer.state_dict())
        list(again.events())
        assert again.epoch == 2
        states.append(again.state_dict())
    for part in ("model", "averaged"):
        for name, weight in states[0][part].items():
            assert torch.equal(states[1][part][name], weight)


def test_a_disk_without_room_is_said_before_anything_is_decoded(load, decoded, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: namedtuple("usage", "total used free")(9000, 8000, 1000))
    with pytest.raises(
        DataError, match=r"need 0\.0 GB more in '.*decoded.*', where 0\.0 GB are free; make room, name an"
    ):
        load()
    assert decoded == []


def test_the_next_batch_is_read_while_one_is_used_and_all_come_in_order():
    read = []
    items = stored.ahead([torch.tensor(i) for i in range(4)], lambda item: (read.append(int(item)), item)[1:])
    assert [int(item) for (item,) in items] == [0, 1, 2, 3]
    assert read == [0, 1, 2, 3]
    assert list(stored.ahead([], lambda item: item)) == []
