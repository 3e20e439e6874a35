"""A checkpoint is a value: what is kept of it is kept under its name and the weights that this stood for."""

import shutil

import pytest

from app import cache
from vitrm.errors import RunError
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
