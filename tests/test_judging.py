"""Judging halting in the background: one thread for all, with progress, a stop, and a result that is kept."""

import json
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import cache, judging
from vitrm.runs import ROOT, find_run

HOME = str(Path(__file__).resolve().parents[1] / "app" / "Home.py")
PATIENCE_S = 120


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A finished run of one's own, not judged yet, and a server that has just started."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "runs" / "mine"
    shutil.copytree(ROOT / "checkpoints" / "digits-glimpse", folder)
    (folder / "halting.json").unlink()
    (folder / "gallery.npz").unlink()
    for kept in (cache.dataset, cache.model, cache.facts, judging.judge):
        kept.clear()
    yield find_run("mine")
    judging.judge().close()
    judging.judge.clear()


@pytest.fixture
def page():
    app = AppTest.from_file(HOME, default_timeout=60)
    app.run()
    app.session_state["checkpoint"] = "mine"
    return app


def wait(job):
    job.thread.join(PATIENCE_S)
    assert not job.is_open
    return job


def until(condition):
    for _ in range(10 * PATIENCE_S):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError("it never came")


@pytest.fixture
def held():
    """The lock under which models compute, held by somebody else until it is released."""
    lock = cache.inference_lock()
    lock.acquire()
    yield lock
    if lock.locked():
        lock.release()


def test_a_judgement_is_kept_with_the_run_and_opens_at_once_the_next_time(mine, page):
    page.switch_page("../pages/halting.py").run()
    assert not page.exception
    assert len(page.metric) == 0
    page.button(key="start_judging").click().run()
    job = wait(judging.judge().job("mine"))
    assert (job.state, job.done, job.total) == ("finished", 503, 503)
    kept = mine.halting()
    bundled = find_run("digits-glimpse").halting()
    assert kept["chosen"]["accuracy"] == pytest.approx(bundled["chosen"]["accuracy"], abs=0.005)
    assert len(kept["images"]) > 0
    judging.judge.clear()  # the server starts again
    page.run()
    assert not page.exception
    assert page.metric[0].value == f"{100 * kept['chosen']['accuracy']:.1f} %"


def test_whoever_asks_for_a_judgement_that_is_being_made_joins_it(mine, held):
    job = judging.judge().start("mine")
    assert judging.judge().start("mine") is job
    held.release()
    assert wait(job).state == "finished"


def test_others_get_the_model_between_two_batches(mine):
    job, turns = judging.Judge().start("mine"), []
    while job.is_open:
        with cache.inference_lock():
            turns.append(job.done)
    assert len(set(turns)) >= 3  # it went on meanwhile, and was never waited for to the end
    assert job.state == "finished"


def test_a_judgement_can_be_stopped_and_nothing_is_kept(mine, held):
    job = judging.judge().start("mine")
    job.stopping.set()
    held.release()
    wait(job)
    assert job.state == "stopped"
    assert mine.halting() is None
    assert judging.judge().start("mine") is not job


def test_one_that_waits_for_its_turn_says_so_and_can_be_stopped(mine, held):
    shutil.copytree(mine.path, mine.path.with_name("other"))
    first = judging.judge().start("mine")
    until(lambda: first.state == "running")
    second = judging.judge().start("other")
    assert second.state == "waiting"
    second.stopping.set()
    wait(second)
    assert second.state == "stopped"
    held.release()
    assert wait(first).state == "finished"


def test_a_folder_that_cannot_be_written_still_shows_the_judgement(mine, page, monkeypatch):
    def full(*_):
        raise OSError("no space left")

    monkeypatch.setattr("vitrm.runs._replace", full)
    wait(judging.judge().start("mine"))
    assert mine.halting() is None
    page.switch_page("../pages/halting.py").run()
    assert not page.exception
    assert "of 6" in page.metric[1].value


def test_what_goes_wrong_is_said_in_a_sentence(mine, page):
    config = mine.config()
    gone = replace(config, data=replace(config.data, source="folder:gone"))
    mine._write_text("config.json", json.dumps(gone.to_dict()))
    wait(judging.judge().start("mine"))
    page.switch_page("../pages/halting.py").run()
    assert not page.exception
    assert any("It cannot be judged here: folder 'gone' does not exist" in error.value for error in page.error)
    assert page.button(key="start_judging")
