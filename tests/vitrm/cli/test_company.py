"""`vitrm train --processes`: others are started where that is asked for or pays.

That several train the same as one: test_group.py."""

import argparse
import json
import os

import pytest
import torch

from vitrm.cli import company
from vitrm.cli import main as cli
from vitrm.runs.folder import Run
from vitrm.training import several
from vitrm.training.distributed import Group

SHORT = (
    *("--train.epochs", "1", "--train.epoch_images", "64", "--model.dim", "16", "--model.mlp_dim", "16"),
    *("--device", "cpu", "--threads", "2"),
)


@pytest.mark.parametrize(("text", "count"), [("auto", None), ("1", 1), ("16", 16)])
def test_how_many_is_said_in_a_number_or_left_to_be_found_out(text, count):
    assert company.count(text) == count


@pytest.mark.parametrize("text", ["0", "-1", "two", "257", ""])
def test_anything_else_is_refused_with_what_was_expected(text):
    with pytest.raises(argparse.ArgumentTypeError, match="expected auto, or a whole number"):
        company.count(text)


def test_a_command_without_its_processes():
    words = ["train", "digits", "--processes", "auto", "--name", "a", "--processes=2", "--threads", "2"]
    assert company.without(words) == ["train", "digits", "--name", "a", "--threads", "2"]


@pytest.mark.parametrize("words", [("--processes", "auto"), ("--processes", "auto", "--threads", "1")])
def test_what_is_short_or_has_one_thread_stays_alone(words, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(company, "_started", lambda *_: pytest.fail("another process was started"))
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)  # two wait for each other where cores are busy
    assert cli.main(["train", "digits", *SHORT, *words, "--runs", str(tmp_path), "--name", "run"]) == 0
    assert Run(tmp_path / "run").is_complete


def test_time_that_is_fixed_cannot_be_shared_out(capsys):
    assert cli.main(["train", "digits", "--budget-minutes", "1", "--processes", "2", "--device", "cpu"]) == 1
    assert "leave out torchrun and --processes" in capsys.readouterr().err


@pytest.fixture
def tried(monkeypatch):
    """How many processes were tried, by a stand-in for them, and that they left; no training is too short for it."""
    said = []

    class Alone(Group):
        def leave(self):
            said.append("left")

    monkeypatch.setattr(company, "_started", lambda processes, *_: said.append(processes) or Alone())
    monkeypatch.setattr(several, "SHORTEST_S", 0.0)
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)  # two wait for each other where cores are busy
    return said


@pytest.mark.parametrize(("asked", "processes"), [("3", 3), ("auto", 2)])
def test_an_estimate_for_so_many_processes_tries_them_and_says_what_they_bring(
    asked, processes, tried, monkeypatch, capsys
):
    monkeypatch.setattr(several, "faster", lambda *_: 1e6)
    assert cli.main(["train", "digits", *SHORT, "--estimate", "--processes", asked]) == 0
    estimate = json.loads(capsys.readouterr().out)
    assert tried == [processes, "left"]
    assert estimate["processes"] == processes
    assert estimate["update_s"] < 1e-3  # a millionth of what a batch takes here


def test_a_training_goes_on_alone_if_companions_do_not_pay(tried, tmp_path, monkeypatch):
    monkeypatch.setattr(several, "faster", lambda *_: 1.0)
    assert cli.main(["train", "digits", *SHORT, "--processes", "auto", "--runs", str(tmp_path), "--name", "run"]) == 0
    assert tried == [2, "left"]
    assert Run(tmp_path / "run").is_complete
    assert "--processes" not in Run(tmp_path / "run").summary().command


def test_a_training_that_keeps_images_is_not_tried_in_several_processes(tried, tmp_path):
    keeps = ["--train.keep_right", "0.5", "--processes", "auto", "--runs", str(tmp_path), "--name", "run"]
    assert cli.main(["train", "digits", *SHORT, *keeps]) == 0
    assert tried == []


@pytest.fixture
def companions(monkeypatch):
    """Real ones, on as few threads."""
    monkeypatch.setattr(several, "SHORTEST_S", 0.0)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="gloo is not in every build of torch for Windows")
def test_a_companion_trains_too(companions, tmp_path, monkeypatch):
    monkeypatch.setattr(several, "GAIN", -1.0)
    where = ("--runs", str(tmp_path), "--name", "several")
    assert cli.main(["train", "digits", *SHORT, *where, "--processes", "auto"]) == 0
    run = Run(tmp_path / "several")
    assert run.is_complete
    assert "--processes 2" in run.summary().command


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="gloo is not in every build of torch for Windows")
def test_a_companion_that_does_not_pay_goes(companions, monkeypatch, capsys):
    monkeypatch.setattr(several, "GAIN", 1e9)
    assert cli.main(["train", "digits", *SHORT, "--estimate", "--processes", "auto"]) == 0
    assert json.loads(capsys.readouterr().out)["processes"] == 1
