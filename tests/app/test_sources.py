"""A folder of images is read because the server knows it, never because a run folder names it."""

import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from app import cache, sources
from vitrm.errors import DataError
from vitrm.places import ROOT

HOME = str(ROOT / "app" / "Home.py")


@pytest.fixture
def private(tmp_path):
    """A folder of images outside of `data/`."""
    folder = tmp_path / "private"
    for name in "0123456789":
        (folder / name).mkdir(parents=True)
        for k in range(4):
            Image.fromarray(np.full((8, 8), 20 * k, np.uint8)).save(folder / name / f"{k}.png")
    return folder


def foreign(place, **data):
    """The name of a run that says so of its data: another one in each test, as what is kept of runs goes by names."""
    run = shutil.copytree(ROOT / "checkpoints" / "digits-glimpse", place / "runs" / f"foreign-{place.name}")
    for report in ("gallery.npz", "halting.json", "policies.json"):
        (run / report).unlink(missing_ok=True)
    config = json.loads((run / "config.json").read_text())
    config["data"] |= data
    (run / "config.json").write_text(json.dumps(config))
    return run.name


@pytest.mark.parametrize("page", ["step", "attention", "glimpses", "halting", "compare"])
def test_a_run_that_names_a_folder_of_the_server_shows_none_of_its_images_and_the_page_goes_on(private, page, tmp_path):
    name = foreign(tmp_path, source=f"folder:{private}")
    app = AppTest.from_file(HOME, default_timeout=300)
    app.run()
    app.session_state["checkpoint"] = app.session_state["left"] = name
    app.session_state["image"] = "test-0"
    app.switch_page(f"../pages/{page}.py").run()
    assert not app.exception
    assert not cache.images_here(cache.checkpoint(name))
    if page in ("step", "attention", "glimpses"):
        (said,) = app.error
        assert "is no data that this server offers: put the folder into data/" in said.value
        app.session_state["checkpoint"] = "digits-glimpse"
        app.run()
        assert not app.error


def test_what_the_server_was_told_of_is_shown(private, tmp_path, monkeypatch):
    held = cache.checkpoint(foreign(tmp_path, source=f"folder:{private}"))
    with pytest.raises(DataError, match="no data that this server offers"):
        cache.dataset(held)
    monkeypatch.setenv(sources.VARIABLE, os.pathsep.join(["/nowhere", str(private.parent)]))
    with pytest.raises(DataError, match=r"is not what .* was trained on: .* found 29 train, 3 val, 8 test images"):
        cache.dataset(held)  # they are read, and are others


def test_whether_a_folder_is_offered_is_said_before_anything_of_it_is_looked_at(tmp_path, monkeypatch):
    monkeypatch.setenv(sources.VARIABLE, str(tmp_path / "more"))
    offered = ["digits", "cifar10", "mazes:6x6", "folder:data/birds", f"parquet:{tmp_path}/data/birds/all",
               f"folder:{tmp_path}/more", f"folder:{tmp_path}/more/birds"]  # fmt: skip
    refused = ["folder:/etc", "folder:", "folder:data", "folder:data/../x", f"folder:{tmp_path}/data/../../x",
               "folder:x", "folder:data/.hidden", "folder:more/.x", f"folder:{tmp_path}/more/../x", "parquet:/",
               "folder:database/x", "folder:runs/foreign/images"]  # fmt: skip
    assert [each for each in (*offered, *refused) if sources.is_offered(each)] == offered


def test_a_server_that_keeps_its_data_elsewhere_offers_that(tmp_path, monkeypatch):
    monkeypatch.setenv("VITRM_HOME", str(tmp_path / "school"))
    assert sources.is_offered(f"folder:{tmp_path}/school/data/birds")
    assert not sources.is_offered(f"folder:{tmp_path}/data/birds")


def test_a_folder_that_the_teacher_had_something_trained_on_is_offered_and_nothing_beneath_it(tmp_path):
    sources.choose("digits")
    assert not (tmp_path / "runs").exists()
    sources.choose("folder:/photos/birds")
    sources.choose("parquet:photos")
    for source in ("folder:/photos/birds", f"folder:{tmp_path}/photos"):
        assert sources.is_offered(source)
    for source in ("folder:/photos", "folder:/photos/birds/owls"):
        assert not sources.is_offered(source)
    (tmp_path / "runs" / ".queue" / "folders.json").write_text('{"a": 1}')
    assert not sources.is_offered("folder:/photos/birds")


def test_how_much_memory_the_images_take_is_not_for_a_run_to_say(tmp_path):
    held = cache.checkpoint(foreign(tmp_path, memory_gb=1e6))
    assert cache.dataset(held) is cache.dataset(cache.checkpoint("digits-glimpse"))
