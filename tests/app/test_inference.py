"""The one model for everybody: what is too much is refused before it runs, and work lets others in, ends and stops."""

import json
import shutil
import threading
from dataclasses import replace

import pytest
from streamlit.runtime.scriptrunner import StopException
from streamlit.testing.v1 import AppTest

from app import cache, inference
from app.inference import INFERENCE, Limits, run
from vitrm.config import PRESETS
from vitrm.errors import ConfigError, LimitError
from vitrm.places import ROOT
from vitrm.runs.checkpoints import load
from vitrm.traces.recording import trace, tracing

DIGITS = PRESETS["digits"].model
PAGES = ("step", "attention", "halting", "compare", "watch")


class Clock:
    """Goes on by so many seconds whenever it is looked at."""

    def __init__(self, step):
        self.now, self.step = 0.0, step

    def __call__(self):
        self.now += self.step
        return self.now


def endless(done):
    while True:
        done.append(1)
        yield


def test_a_model_that_is_too_much_is_refused_before_its_first_step_with_the_numbers():
    huge, done = replace(DIGITS, recursion_steps=100, memory_steps=20, supervision_steps=15), []
    with pytest.raises(LimitError, match=r"needs [\d,.]+ billion multiply-adds for this, and the server allows 0\.1 "):
        run(endless(done), huge, limits=Limits(giga_multiply_adds=0.1))
    with pytest.raises(LimitError, match=r"needs [\d,.]+ GB of memory for this, .*VITRM_ANSWER_GB"):
        run(endless(done), huge, limits=Limits(gb=0.001))
    assert done == []
    allowed = Limits(giga_multiply_adds=0.1)
    allowed.check(DIGITS)
    with pytest.raises(LimitError):
        allowed.check(DIGITS, images=1000)
    with pytest.raises(LimitError):
        allowed.check(DIGITS, supervision_steps=1000)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_may_run_by_the_usual_limits(preset):
    Limits().check(PRESETS[preset].model)


def test_a_checkpoint_of_a_thousand_times_a_thousand_times_a_thousand_steps_is_no_configuration():
    with pytest.raises(ConfigError, match=r"layers one after the other: expected at most 65,536"):
        replace(DIGITS, recursion_steps=1000, memory_steps=1000, supervision_steps=1000)


def test_work_ends_at_its_deadline_and_gives_the_model_back():
    done = []
    with pytest.raises(LimitError, match=r"stopped after \d+ seconds at work, and the server allows 5"):
        run(endless(done), DIGITS, limits=Limits(seconds=5), clock=Clock(0.2))
    assert done
    assert not INFERENCE.locked()


def test_work_stops_when_its_visitor_has_left():
    done, looks = [], iter([True, True, False])
    with pytest.raises(StopException):
        run(endless(done), DIGITS, here=lambda: next(looks), clock=Clock(0.2))
    assert len(done) < 10
    assert not INFERENCE.locked()


def test_others_have_the_model_between_the_steps_of_an_endless_run():
    had, ended = threading.Event(), threading.Event()

    def other():
        with INFERENCE:
            had.set()

    def here():
        if had.is_set():
            ended.set()
        return not had.is_set()

    waiting = threading.Thread(target=other)
    waiting.start()
    with pytest.raises(StopException):
        run(endless([]), DIGITS, here=here)
    waiting.join()
    assert ended.is_set()


def test_a_trace_in_steps_rests_after_every_update_and_is_the_same(shown, close):
    model = load("digits-glimpse")
    whole, work, rests = trace(model, shown.pixels), tracing(model, shown.pixels), 0
    while True:
        try:
            next(work)
        except StopIteration as end:
            made = end.value
            break
        rests += 1
    assert rests == whole.halt_logit.size
    close(made.logits, whole.logits)


def test_limits_come_from_the_environment_and_what_is_no_limit_is_said():
    assert Limits.from_environment({}) == Limits()
    found = Limits.from_environment({"VITRM_ANSWER_SECONDS": "9", "VITRM_ANSWER_GB": "0.5"})
    assert (found.seconds, found.gb) == (9, 0.5)
    for odd in ("", "fast", "-1", "0", "nan", "inf"):
        with pytest.raises(ConfigError, match="expected a number above 0"):
            Limits.from_environment({"VITRM_ANSWER_SECONDS": odd})


def test_a_page_over_a_model_that_is_too_much_says_so_and_others_go_on(tmp_path, monkeypatch):
    folder = shutil.copytree(ROOT / "checkpoints" / "digits", tmp_path / "runs" / "huge")
    (folder / "gallery.npz").unlink()
    monkeypatch.setenv("VITRM_ANSWER_GIGA_MULTIPLY_ADDS", "0.0001")
    app = AppTest.from_file(str(ROOT / "app" / "Home.py"), default_timeout=300)
    app.run()
    app.session_state["checkpoint"] = "huge"
    app.switch_page("../pages/step.py").run()
    assert not app.exception
    assert "billion multiply-adds for this, and the server allows 0.0001" in app.error[0].value
    monkeypatch.delenv("VITRM_ANSWER_GIGA_MULTIPLY_ADDS")
    app.run()
    assert not app.error


def test_a_configuration_of_endless_steps_leaves_every_page_standing(tmp_path):
    folder = shutil.copytree(ROOT / "checkpoints" / "digits", tmp_path / "runs" / "endless")
    config = json.loads((folder / "config.json").read_text())
    config["model"] |= {"recursion_steps": 1000, "memory_steps": 1000, "supervision_steps": 1000}
    (folder / "config.json").write_text(json.dumps(config))
    app = AppTest.from_file(str(ROOT / "app" / "Home.py"), default_timeout=300)
    app.run()
    for page in PAGES:
        app.session_state["checkpoint"] = "endless"
        app.switch_page(f"../pages/{page}.py").run()
        assert not app.exception, page
    assert "endless" in cache.checkpoints()
    assert inference.is_here()
