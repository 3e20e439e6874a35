"""Reports made in the background: others get their turn, it can be cancelled, the result is kept with its run."""

import json
import re
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from streamlit.testing.v1 import AppTest

from app import background, cache, inference, reports
from app.cache import checkpoint
from vitrm.data import sources
from vitrm.errors import LimitError
from vitrm.places import ROOT
from vitrm.runs.checkpoints import find_run

HOME = str(Path(__file__).resolve().parents[2] / "app" / "Home.py")
PATIENCE_S = 600


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A finished run of one's own that has not been judged yet."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "runs" / "mine"
    shutil.copytree(ROOT / "checkpoints" / "digits-glimpse", folder)
    (folder / "halting.json").unlink()
    (folder / "gallery.npz").unlink()
    for kept in (cache.shared_dataset, cache.model, cache.facts, cache.gallery, cache.images_here, background.registry):
        kept.clear()
    return find_run("mine")


@pytest.fixture
def page(mine):
    app = AppTest.from_file(HOME, default_timeout=300)
    app.run()
    app.session_state["checkpoint"] = "mine"
    return app.switch_page("../pages/halting.py").run()


@pytest.fixture
def few(monkeypatch):
    """64 images for `mine` to be judged on, where it matters that it is judged and not how well it does."""
    whole = sources.load_dataset

    def load_few(*words, **options):
        every, some = whole(*words, **options), torch.arange(64)
        return replace(every, val=every.val.subset(some), test=every.test.subset(some))

    monkeypatch.setattr(sources, "load_dataset", load_few)
    yield
    cache.shared_dataset.clear()


def start():
    """Have the halting judged without the page."""
    which = checkpoint("mine")
    return background.start(("halting", which), lambda say: reports.measure(which, "halting", say, pictures=True))


def job():
    return background.find(("halting", checkpoint("mine")))


def judged():
    assert job().wait(PATIENCE_S)
    return job()


def of_all_images(page):
    """What the panel on halting was sent about them."""
    sent = [json.loads(block.proto.json) for block in page.get("bidi_component") if block.proto.json]
    (found,) = [data["all"] for data in sent if "presets" in data]
    return found


def test_a_judgement_is_kept_with_the_run_and_opens_at_once_the_next_time(mine, page):
    assert not page.exception
    assert of_all_images(page) is None
    page.button(key="ask_halting").click().run()
    assert judged().share == 1
    kept, bundled = mine.report("halting"), find_run("digits-glimpse").report("halting")
    assert kept.chosen.accuracy == pytest.approx(bundled.chosen.accuracy, abs=0.005)
    assert kept.images.keys() == {example.index for example in kept.examples}
    background.registry.clear()  # the server starts again
    page.run()
    assert not page.exception
    assert of_all_images(page)["thresholds"] == [out.threshold for out in kept.leaving]


def test_others_get_the_model_between_two_batches(mine, monkeypatch):
    monkeypatch.setattr(reports, "_PAUSE_S", 0.05)  # where cores are busy a thread is not awake within less
    begun, turns = start(), set()
    while begun.is_running:
        with inference.INFERENCE:
            turns.add(begun.share)
        time.sleep(0.001)
    assert len(turns) >= 3  # of nine batches: it went on meanwhile, and was never waited for to the end
    assert mine.report("halting") is not None


def test_a_cancelled_judgement_leaves_nothing(mine):
    with inference.INFERENCE:
        begun = start()
        begun.cancel()
    assert begun.wait(PATIENCE_S)
    assert begun.error is None
    assert mine.report("halting") is reports.stored(checkpoint("mine"), "halting") is job() is None


def test_a_folder_that_cannot_be_written_still_shows_the_judgement(few, mine, page):
    (mine.path / "halting.json").mkdir()  # in the way
    (mine.path / "halting.json" / "full").touch()
    start()
    assert judged().result is not None
    page.run()
    assert not page.exception
    assert len(of_all_images(page)["cost"]) == 6


def test_a_damaged_report_is_said_and_can_be_made_anew(few, mine, page):
    (mine.path / "halting.json").write_text("{")
    page.run()
    assert not page.exception
    assert any("halting.json': it is damaged" in error.value for error in page.error)
    page.button(key="ask_halting").click().run()
    judged()
    page.run()
    assert not page.error
    assert mine.report("halting") is not None


def test_a_run_made_again_meanwhile_is_not_given_the_report_of_the_one_before(few, mine):
    with inference.INFERENCE:
        begun = start()
        (mine.path / "model.safetensors").touch()
    assert begun.wait(PATIENCE_S)
    assert begun.result is not None
    assert mine.report("halting") is None


def test_what_goes_wrong_is_said_in_a_sentence(mine, page):
    config = mine.config()
    gone = replace(config, data=replace(config.data, source="folder:data/gone"))
    (mine.path / "config.json").write_text(json.dumps(gone.to_dict()))
    for kept in (cache.shared_dataset, cache.facts):
        kept.clear()
    start()
    judged()
    page.run()
    assert not page.exception
    assert any("could not be judged: folder 'data/gone' does not exist" in error.value for error in page.error)
    assert page.button(key="ask_halting")


def test_a_run_made_again_under_the_same_name_is_judged_again(few, mine):
    start()
    judged()
    (mine.path / "halting.json").unlink()
    assert reports.stored(checkpoint("mine"), "halting") is not None
    weights = mine.path / "model.safetensors"
    weights.write_bytes(weights.read_bytes())
    assert reports.stored(checkpoint("mine"), "halting") is None


def test_a_run_made_again_is_not_shown_with_what_was_kept_of_the_one_before(mine, page):
    before = cache.model(checkpoint("mine"))
    page.run()
    assert cache.model(checkpoint("mine")) is before
    model = mine.load_model()
    with torch.no_grad():
        model.answer_init += 1
    mine.save_weights(model)
    page.run()
    assert not page.exception
    assert torch.equal(cache.model(checkpoint("mine")).answer_init, model.answer_init)


def test_a_model_that_is_too_much_is_not_judged(mine, monkeypatch):
    monkeypatch.setenv("VITRM_ANSWER_GB", "0.001")
    inference.Limits.from_environment().check(mine.config().model)  # a single image would be allowed
    begun = start()
    assert begun.wait(PATIENCE_S)
    assert re.search(r"needs [\d.]+ GB of memory for this, and the server allows 0\.001", begun.error)
    assert mine.report("halting") is None


def test_a_report_ends_at_its_deadline_with_a_sentence(few, mine, page, monkeypatch):
    monkeypatch.setenv("VITRM_REPORT_MINUTES", "1e-9")
    page.button(key="ask_halting").click().run()
    judged()
    page.run()
    assert not page.exception
    assert "was stopped after 1e-09 minutes with 0 % done, and the server allows no more (VITRM_REPORT_MINUTES)" in (
        page.error[0].value
    )
    assert mine.report("halting") is None
    monkeypatch.delenv("VITRM_REPORT_MINUTES")
    page.button(key="ask_halting").click().run()
    assert judged().result is not None


def test_a_deadline_counts_from_where_the_work_begins(monkeypatch):
    monkeypatch.setenv("VITRM_REPORT_MINUTES", "2")
    times = iter([1000.0, 1119.0, 1121.0])
    told = reports._until_its_end(lambda share: share < 1, lambda: next(times))
    assert told(0.5)
    with pytest.raises(LimitError, match="stopped after 2 minutes with 60 % done"):
        told(0.6)
