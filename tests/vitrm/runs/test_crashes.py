"""What survives a crash, a full disk, a signal or a second process."""

import errno
import math
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from vitrm.cli import main as cli
from vitrm.places import ROOT
from vitrm.runs.checkpoints import create_run
from vitrm.runs.folder import Run
from vitrm.training.events import EpochEnd, Progress
from vitrm.training.trainer import Trainer


def train(*words):
    return cli.main(["train", *words])


def _results(run):
    """All events without their clock times."""
    timed = ("seconds", "images_per_s", "time_left_s")
    return [{key: value for key, value in event.items() if key not in timed} for event in run.metrics()]


def _full_disk(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _short_write(*_, **__):
    raise RuntimeError("unexpected pos 64 vs 0")  # what torch.save says when a disk is full


@pytest.mark.parametrize(
    ("module", "function", "failure", "message"),
    [
        (os, "replace", _full_disk, "No space left"),
        (torch, "save", _full_disk, "No space left"),
        (torch, "save", _short_write, r"could not write '.*state\.pt' \(unexpected pos 64 vs 0\); is the disk full"),
    ],
)
def test_a_full_disk_keeps_the_last_good_state(fresh, monkeypatch, module, function, failure, message):
    run, trainer = fresh
    run.save_state(trainer.state_dict() | {"epoch": 17})
    before = sorted(run.path.iterdir())
    monkeypatch.setattr(module, function, failure)
    with pytest.raises(OSError, match=message):
        run.save_state(trainer.state_dict())
    monkeypatch.undo()
    assert sorted(run.path.iterdir()) == before
    assert run.load_state()["epoch"] == 17


@pytest.mark.slow
def test_a_full_disk_during_training_is_reported_and_can_be_continued(finished, tmp_path, monkeypatch, capsys, small):
    saved = []
    save_state = Run.save_state

    def second_time_full(run, state):
        saved.append(state["epoch"])
        if len(saved) == 2:
            _full_disk()
        save_state(run, state)

    with monkeypatch.context() as patched:
        patched.setattr(Run, "save_state", second_time_full)
        assert train("digits", *small, "--runs", str(tmp_path), "--name", "full") == 1
    run = Run(tmp_path / "full")
    assert run.status()["status"] == "failed"
    assert "No space left on device" in run.status()["cause"]
    message = capsys.readouterr().err.splitlines()
    assert message[-2] == "vitrm: [Errno 28] No space left on device"
    again = f"vitrm train --resume {run.path} --device cpu"
    assert message[-1].startswith(f"the last saved state is kept; continue with: {again}")

    assert train("--resume", str(run.path), "--threads", "1", "--device", "cpu") == 0
    assert _results(run) == _results(finished)
    assert run.status()["status"] == "finished"


def test_an_unexpected_fault_is_left_in_the_status_and_not_hidden(tmp_path, monkeypatch, small):
    monkeypatch.setattr(Trainer, "train_batch", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        train("digits", *small, "--runs", str(tmp_path), "--name", "fault")
    status = Run(tmp_path / "fault").status()
    assert (status["status"], status["cause"]) == ("failed", "ZeroDivisionError: division by zero")


def test_divergence_is_reported_with_its_remedy(tmp_path, monkeypatch, capsys, small):
    losses = Trainer.losses
    monkeypatch.setattr(Trainer, "losses", lambda *given: [math.nan * loss for loss in losses(*given)])
    assert train("digits", *small, "--runs", str(tmp_path), "--name", "diverged") == 1
    status = Run(tmp_path / "diverged").status()
    assert status["status"] == "failed"
    assert "Choose a smaller train.lr=0.001" in status["cause"]
    assert capsys.readouterr().err == f"vitrm: {status['cause']}\n"  # continuing would only diverge again


def _signal_at(monkeypatch, number, kind, count):
    """Send this process a signal when `count` events of a kind have been recorded."""
    record, seen = Run.record, []

    def recorded(run, event):
        record(run, event)
        seen.extend([event] if isinstance(event, kind) else [])
        if len(seen) == count and seen[-1] is event:
            os.kill(os.getpid(), number)

    monkeypatch.setattr(Run, "record", recorded)


@pytest.mark.parametrize(
    "when",
    [(signal.SIGINT, Progress, 2), (signal.SIGTERM, Progress, 5), (signal.SIGINT, EpochEnd, 1)],
    ids=["interrupt-mid-epoch", "terminate-before-validation", "interrupt-between-epochs"],
)
def test_a_signal_saves_says_how_to_resume_and_changes_nothing(finished, tmp_path, monkeypatch, capsys, when, small):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with monkeypatch.context() as patched:
        _signal_at(patched, *when)
        assert train("digits", *small, "--runs", str(tmp_path), "--name", "stopped") == 130
    run = Run(tmp_path / "stopped")
    assert run.status()["status"] == "stopped"
    assert f"stopped and saved; continue with: vitrm train --resume {run.path}" in capsys.readouterr().out
    assert run.summary() is None
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before

    assert train("--resume", str(run.path), "--threads", "1", "--device", "cpu") == 0
    assert _results(run) == _results(finished)
    assert run.summary().test == finished.summary().test


@pytest.mark.slow
def test_a_killed_training_continues_to_the_same_result(finished, tmp_path, small):
    command = [sys.executable, "-m", "vitrm", "train", "digits", *small, "--runs", str(tmp_path), "--name", "killed"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    run, deadline = Run(tmp_path / "killed"), time.monotonic() + 600
    # After the first epoch there is a state to continue from; the kill falls somewhere into the second.
    while not (run.path / "state.pt").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert run.status()["status"] == "running"  # nobody was left to say otherwise
    assert run.summary() is None

    assert train("--resume", str(run.path), "--threads", "1", "--device", "cpu") == 0
    assert _results(run) == _results(finished)
    assert run.summary().test == finished.summary().test
    for name, weight in finished.load_model().state_dict().items():
        assert torch.equal(run.load_model().state_dict()[name], weight)
    assert not list(run.path.glob("*.tmp"))


def test_a_complete_run_has_nothing_to_resume(finished, capsys):
    assert train("--resume", str(finished.path)) == 1
    assert capsys.readouterr().err == f"vitrm: '{finished.path}' is complete; nothing to resume\n"


@pytest.fixture
def other_process():
    """Start a process that holds the lock of a run folder, until it is killed."""
    started = []

    def hold(path):
        code = "import sys, time, pathlib; from vitrm.runs.folder import Run; run = Run(pathlib.Path(sys.argv[1]))"
        code += "; run.acquire(); run.set_status('running'); print('held', flush=True); time.sleep(600)"
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        process = subprocess.Popen([sys.executable, "-c", code, path], env=environment, stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout.readline() == b"held\n"
        return process

    yield hold
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_run_that_another_process_is_training_is_not_resumed(copy, capsys, other_process):
    (copy.path / "summary.json").unlink()
    assert not copy.is_running
    other = other_process(copy.path)
    assert copy.is_running
    assert copy.state == "running"
    assert train("--resume", str(copy.path)) == 1
    assert f"is being trained by process {other.pid}; stop that one first" in capsys.readouterr().err
    other.kill()  # and nobody asks whether it has been waited for: a zombie holds no lock
    while copy.is_running:
        time.sleep(0.01)
    assert copy.state == "interrupted"


def test_a_process_id_that_was_given_to_somebody_else_is_no_running_training(copy, other_process, tmp_path):
    (copy.path / "summary.json").unlink()
    stranger = other_process(tmp_path / "another")
    copy.set_status("running")
    text = (copy.path / "status.json").read_text().replace(str(os.getpid()), str(stranger.pid))
    (copy.path / "status.json").write_text(text)
    assert not copy.is_running
    assert copy.state == "interrupted"


def test_a_run_that_is_seen_running_can_be_read(tmp_path, small_run, monkeypatch):
    seen = []
    once = Run.set_status

    def noted(run, status, cause=None):
        seen.append((status, run.has_config))
        once(run, status, cause)

    monkeypatch.setattr(Run, "set_status", noted)
    create_run(tmp_path / "new", small_run, "vitrm train", "cpu").release()
    assert seen == [("starting", False), ("running", True)]
