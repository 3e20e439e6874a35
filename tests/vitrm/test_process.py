"""How trainings are started by something else than a terminal."""

import subprocess

import pytest

from app.training.queue import Trainings
from app.visitors import Visitor
from vitrm.config import PRESETS
from vitrm.process import environment, start_vitrm
from vitrm.sweep.run import Children


def test_the_code_is_found_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    with start_vitrm(["--help"], stdout=subprocess.PIPE, text=True) as process:
        assert process.communicate(timeout=600)[0].startswith("usage: vitrm ")
    assert process.returncode == 0


def test_threads_wait_asleep_unless_somebody_decided_otherwise(monkeypatch):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    assert environment()["OMP_WAIT_POLICY"] == "PASSIVE"
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    assert environment()["OMP_WAIT_POLICY"] == "ACTIVE"


class _Refused(Exception):
    """In place of a process."""


def test_the_app_and_a_sweep_start_trainings_in_the_same_environment(tmp_path, monkeypatch):
    seen = []

    def refuse(words, env, **_):
        seen.append(env)
        raise _Refused

    monkeypatch.setattr(subprocess, "Popen", refuse)
    queue = Trainings(tmp_path / "runs")
    queue.train(PRESETS["digits"], Visitor("ann"))
    queue.tick()  # sets the run aside
    queue.close()
    with pytest.raises(_Refused):
        Children().launch(["train", "digits"], tmp_path / "log")
    assert seen == 2 * [environment()]
