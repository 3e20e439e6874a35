"""A run that is being trained is a value, too: its name, and when that was begun."""

import json
import os
import shutil

import pytest

from app.training import cache
from vitrm.errors import RunError
from vitrm.places import ROOT


@pytest.fixture
def begun(tmp_path, monkeypatch):
    """The folder of a run called "begun"."""
    monkeypatch.chdir(tmp_path)
    return shutil.copytree(ROOT / "checkpoints" / "digits", tmp_path / "runs" / "begun")


def test_a_run_begun_again_under_its_name_is_another_one_with_its_own_settings_and_history(begun):
    before = cache.watched("begun")
    assert before == cache.watched("begun")
    seed, history = cache.settings(before).train.seed, cache.history(before)
    file = begun / "config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    config["train"]["seed"] = seed + 1
    file.write_text(json.dumps(config), encoding="utf-8")
    os.utime(file, ns=(0, before.begun + 1))
    after = cache.watched("begun")
    assert after != before
    assert cache.settings(after).train.seed == seed + 1
    assert cache.history(after) is not history
    assert cache.history(before) is history


def test_a_run_that_is_gone_is_said(begun):
    held = cache.watched("begun")
    shutil.rmtree(begun)
    with pytest.raises(RunError, match="no run or checkpoint 'begun'"):
        cache.watched("begun")
    with pytest.raises(RunError, match="no run or checkpoint 'begun'"):
        cache.snapshot(held, 0)
