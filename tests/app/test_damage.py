"""A damaged run folder harms its own row and no other: pages over folders of which one file has been damaged."""

import json
import shutil

import pytest
from streamlit.testing.v1 import AppTest

from app import cache
from app.compare.cache import comparisons
from scripts.fuzz_runs import Opener, cases, sources, stand_in
from vitrm.places import ROOT

HOME = str(ROOT / "app" / "Home.py")


@pytest.mark.slow
def test_no_page_ends_in_a_traceback_over_a_folder_that_was_damaged(tmp_path, monkeypatch):
    stand_in(monkeypatch.setattr)
    opener, found = Opener(sources(tmp_path / "sources")), []
    for case in cases(opener.sources, 0, 120):
        found += opener.open(case, case.pages[case.number % len(case.pages) :][:1])
    assert not found


@pytest.mark.parametrize("content", ["{}", "[]", "7", "{", '{"test": {"accuracy": 1}}'])
def test_one_damaged_summary_is_said_on_compare_and_all_others_are_there(content, tmp_path):
    shutil.copytree(ROOT / "checkpoints" / "digits", tmp_path / "runs" / "odd")
    shutil.copytree(ROOT / "checkpoints" / "digits", tmp_path / "runs" / "sound")
    (tmp_path / "runs" / "odd" / "summary.json").write_text(content)
    found, unread = comparisons()
    (said,) = unread
    assert "odd/summary.json' is damaged" in said
    names = {entry.name for each in found for entry in each.entries}
    assert "sound" in names
    assert "odd" not in names
    app = AppTest.from_file(HOME, default_timeout=300)
    app.run()
    app.switch_page("../pages/compare.py").run()
    assert not app.exception
    assert "odd/summary.json' is damaged" in app.warning[0].value


def test_a_configuration_that_contradicts_its_summary_is_said(tmp_path):
    folder = shutil.copytree(ROOT / "checkpoints" / "digits-glimpse", tmp_path / "runs" / "odd")
    config = json.loads((folder / "config.json").read_text())
    config["model"]["supervision_steps"] = 50
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(Exception, match=r"test\.accuracy has \d+ entries, expected 50 or more"):
        cache.facts(cache.checkpoint("odd"))


@pytest.mark.parametrize(
    ("bundled", "key", "page"),
    [("mazes", "maze_model", "mazes"), ("digits", "left", "compare"), ("digits", "checkpoint", "step")],
)
def test_a_damaged_gallery_is_said_where_its_model_is_chosen(bundled, key, page, tmp_path):
    folder = shutil.copytree(ROOT / "checkpoints" / bundled, tmp_path / "runs" / f"torn-{page}")
    (folder / "gallery.npz").write_bytes((folder / "gallery.npz").read_bytes()[:5000])
    (folder / "sizes.json").unlink(missing_ok=True)  # a maze of it would come before those of the gallery
    app = AppTest.from_file(HOME, default_timeout=300)
    app.run()
    app.session_state[key] = folder.name
    app.session_state["page"], app.session_state["open"] = page, "pair"
    app.switch_page(f"../pages/{page}.py").run()
    assert not app.exception
    assert "gallery.npz' is no trace file, or damaged" in app.error[0].value
