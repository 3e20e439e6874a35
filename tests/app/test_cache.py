"""A checkpoint is a value: what is kept of it is kept under its name and the weights that this stood for."""

import shutil
from dataclasses import replace

import pytest
import torch
from streamlit.testing.v1 import AppTest

import vitrm
from app import cache
from vitrm.config.data import FASHION_CLASSES
from vitrm.data.bundled import bundled
from vitrm.data.dataset import Dataset, Preprocess
from vitrm.errors import DataError, RunError
from vitrm.places import ROOT


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The folder of a finished run that is called "own"."""
    monkeypatch.chdir(tmp_path)
    return shutil.copytree(ROOT / "checkpoints" / "digits-glimpse", tmp_path / "runs" / "own")


def made_again(folder):
    """As if the same name had been trained to the weights and settings of another checkpoint."""
    shutil.rmtree(folder)
    shutil.copytree(ROOT / "checkpoints" / "digits", folder)
    (folder / "model.safetensors").touch()  # a clone may have both of the same time, as coarse as its clock is


def test_a_checkpoint_is_the_same_until_its_weights_are_replaced(own):
    before = cache.checkpoint("own")
    assert before == cache.checkpoint("own") == cache.checkpoints()["own"]
    assert len({before, cache.checkpoint("own")}) == 1
    made_again(own)
    assert cache.checkpoint("own") != before
    assert cache.checkpoint("own").name == before.name


def test_nothing_kept_of_a_run_is_told_of_the_one_made_after_it_under_that_name(own):
    before = cache.checkpoint("own")
    config, _ = cache.facts(before)
    trace = cache.trace(before, "test-9", 0)
    made_again(own)
    after = cache.checkpoint("own")
    assert cache.facts(after)[0] != config
    assert cache.trace(after, "test-9", 0).patches.shape != trace.patches.shape


def test_a_run_of_ones_own_stands_before_a_bundled_one_of_its_name(own):
    own.rename(own.with_name("digits"))
    assert cache.checkpoints()["digits"] == cache.checkpoint("digits")
    assert cache.checkpoint("digits").run.path.resolve() == own.with_name("digits")


def test_images_that_have_changed_since_a_run_was_trained_on_them_are_not_shown_as_its_test(own, monkeypatch):
    here = vitrm.load_dataset("digits", 8, 1)
    found = replace(here, source="folder:pictures", test=here.test.subset(torch.arange(40)), fingerprint="1478 images")
    monkeypatch.setattr(cache, "shared_dataset", lambda *_: found)
    with pytest.raises(DataError, match=r"folder:pictures is not what own was trained on: expected .* 359 test images"):
        cache.dataset(cache.checkpoint("own"))


def test_a_run_that_is_gone_or_unfinished_is_said(own):
    gone = own.rename(own.with_name("gone"))
    held = cache.checkpoint("gone")
    (gone / "summary.json").unlink()
    with pytest.raises(RunError, match="is not finished"):
        cache.facts(held)
    assert "gone" not in cache.checkpoints()
    shutil.rmtree(gone)
    with pytest.raises(RunError, match="no run or checkpoint 'gone'"):
        cache.model(held)
    with pytest.raises(RunError, match="no run or checkpoint 'gone'"):
        cache.checkpoint("gone")


@pytest.fixture
def clothes(tmp_path, monkeypatch):
    """A finished run on clothes, where the full set is not on this machine."""
    monkeypatch.chdir(tmp_path)
    some = bundled("fashion", (1, 28, 28)).images.subset(slice(0, 20))
    dataset = Dataset("fashion", FASHION_CLASSES, some, some, some, Preprocess(28, (0.3,), (0.3,)))
    config = vitrm.preset("fashion-glimpse")
    small = {"dim": 16, "num_heads": 2, "mlp_dim": 24, "depth": 1, "memory_tokens": 2, "supervision_steps": 1}
    short = {"epochs": 1, "batch_size": 10, "progress_steps": 0}
    config = replace(config, model=replace(config.model, **small), train=replace(config.train, **short))
    vitrm.fit(config, tmp_path / "runs" / "clothes", dataset, device="cpu")
    return cache.checkpoint("clothes")


def test_a_model_of_clothes_is_shown_on_the_images_that_come_with_the_project(clothes):
    shown = cache.bundled_images(clothes)
    assert len(shown) == 1000
    number = int(shown.numbers[500])
    pixels, label = cache.test_image(clothes, f"test-{number}")
    assert torch.equal(torch.from_numpy(pixels), shown.images.images[500])
    assert label == shown.images.labels[500]
    assert {shown.find(int(cache.any_image(clothes, "").removeprefix("test-"))) is None for _ in range(20)} == {False}


def test_a_random_image_is_another_one_where_there_is_another(monkeypatch):
    digits = cache.checkpoint("digits")
    config, summary = cache.facts(digits)
    for count, found in ((3, {"test-0", "test-2"}), (1, {"test-0"})):
        sizes = replace(summary, split_sizes=summary.split_sizes | {"test": count})
        monkeypatch.setattr(cache, "facts", lambda _, sizes=sizes: (config, sizes))
        assert {cache.any_image(digits, f"test-{count // 2}") for _ in range(50)} == found


def test_an_image_that_does_not_come_with_the_project_is_said_and_how_to_get_it(clothes):
    absent = min(set(range(10_000)) - set(cache.bundled_images(clothes).numbers.tolist()))
    with pytest.raises(
        DataError, match=rf"test-{absent} is not among the 1,000 of the 10,000 .*vitrm download fashion"
    ):
        cache.test_image(clothes, f"test-{absent}")


def picking():
    from app import cache, inputs, state

    state.start()
    inputs.choose_image({}, cache.checkpoint("clothes"), 10_000, False)


def test_in_place_of_an_image_that_is_not_here_another_one_is_shown_and_that_is_said(clothes):
    here = {f"test-{number}" for number in cache.bundled_images(clothes).numbers.tolist()}
    for image, said in (("test-9", 0), ("test-10", 1), (max(here), 0)):  # the first is only the usual one of digits
        app = AppTest.from_function(picking, default_timeout=300)
        app.session_state["image"] = image
        app.run()
        assert not app.exception
        assert app.session_state["image"] in here
        assert len(app.info) == said
    assert app.session_state["image"] == image
