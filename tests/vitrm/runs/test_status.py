"""status.json and what is left of a kill: never half of it, on a full disk too, and nothing stays for ever."""

import errno
import json
import os
import threading
import time

import pytest

from vitrm.errors import RunError
from vitrm.runs import files
from vitrm.runs.checkpoints import create_run
from vitrm.runs.folder import Run
from vitrm.runs.state import Failure, State
from vitrm.training.fit import go_on
from vitrm.training.trainer import Trainer


def _full(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_status_is_replaced_so_that_no_reader_ever_finds_half_of_it(tmp_path):
    run = Run(tmp_path)
    run.set_status(State.RUNNING)
    before = open(tmp_path / "status.json", "rb")  # noqa: SIM115 (a reader in the middle of it)
    run.set_status(State.FAILED, "x" * 500)
    with before:
        assert json.loads(before.read())["status"] == "running"
    assert run.status()["status"] == "failed"
    assert [file.name for file in tmp_path.iterdir()] == ["status.json"]


def test_what_is_written_is_flushed_through_a_file_that_may_be_written_as_windows_demands(tmp_path, monkeypatch):
    fcntl, flushed = pytest.importorskip("fcntl"), []

    def as_windows_does(number):
        if fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, "Bad file descriptor")
        flushed.append(number)

    monkeypatch.setattr(files.os, "fsync", as_windows_does)
    files.replace_bytes(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"
    assert flushed


def test_a_status_is_never_seen_half_written_while_two_threads_write_it(tmp_path):
    run, ended = Run(tmp_path), threading.Event()
    run.set_status(State.RUNNING)

    def write(cause):
        while not ended.is_set():
            run.set_status(State.PAUSED, cause)

    writers = [threading.Thread(target=write, args=(letter * 400,)) for letter in "ab"]
    for writer in writers:
        writer.start()
    try:
        for _ in range(300):
            json.loads((tmp_path / "status.json").read_bytes())
    finally:
        ended.set()
        for writer in writers:
            writer.join()


def test_on_a_full_disk_a_status_is_still_written_into_the_room_it_has(tmp_path, monkeypatch):
    run = Run(tmp_path)
    run.set_status(State.RUNNING)
    where = (tmp_path / "status.json").stat().st_ino
    monkeypatch.setattr(files.os, "replace", _full)
    run.set_status(State.FAILED, "No space left on device", Failure.SYSTEM)
    assert run.status() | {"pid": 0} == {
        **{"status": "failed", "cause": "No space left on device", "failure": "system", "pid": 0},
    }
    assert (tmp_path / "status.json").stat().st_ino == where
    assert (tmp_path / "status.json").stat().st_size == 4096


@pytest.mark.parametrize("content", ["[]", "7", '{"status": 7}', '{"status": "asleep"}', '{"pid": "me"}', '{"a": 1}'])
def test_a_status_that_is_none_is_said_to_be_damaged(content, tmp_path):
    (tmp_path / "status.json").write_text(content)
    with pytest.raises(RunError, match="is damaged"):
        Run(tmp_path).status()


def test_only_a_status_that_is_being_overwritten_is_looked_at_again(tmp_path, monkeypatch):
    file, waits = tmp_path / "status.json", []

    def overwritten_meanwhile(seconds):
        waits.append(seconds)
        Run(tmp_path).set_status(State.RUNNING)

    monkeypatch.setattr(time, "sleep", overwritten_meanwhile)
    file.write_bytes(b'{"status": "run'.ljust(4096))
    assert Run(tmp_path).status()["status"] == "running"
    assert len(waits) == 1
    file.write_text('{"status": "run')
    with pytest.raises(RunError, match="is damaged"):
        Run(tmp_path).status()
    assert len(waits) == 1


@pytest.mark.parametrize("content", ["[]", '{"wanted": []}', '{"steps": "many"}', '{"wanted": "fly"}', "{"])
def test_orders_that_are_none_ask_for_nothing(content, tmp_path):
    run = Run(tmp_path)
    (tmp_path / "control.json").write_text(content)
    assert run.control() == {"wanted": "go", "steps": 0}
    run.ask("step")
    assert run.control() == {"wanted": "pause", "steps": 1}


@pytest.fixture
def left_off(small_run, few_digits, tmp_path):
    """A run that was saved once and is held by nobody."""
    trainer = Trainer(small_run, few_digits)
    run = create_run(tmp_path / "run", trainer.config, "vitrm train", "cpu")
    run.save_state(trainer.state_dict())
    run.set_status(State.STOPPED)
    run.release()
    return run


def test_a_resumption_on_a_full_disk_says_so(left_off, few_digits, monkeypatch):
    monkeypatch.setattr(files.os, "replace", _full)
    with pytest.raises(OSError, match="No space left"):
        go_on(left_off, lambda config: few_digits, "cpu")
    status = left_off.status()
    assert (status["status"], status["failure"]) == ("failed", "system")
    assert "No space left on device" in status["cause"]
    assert not left_off.is_running


def test_what_a_kill_left_half_written_is_gone_at_the_next_start(left_off, few_digits, tmp_path):
    gone = 2**22 + 7  # no process has such a number here
    left = [left_off.path / f"state.pt.{gone}-{gone}.tmp", left_off.path / "snapshots" / f"epoch-00001.npz.{gone}.tmp"]
    (left_off.path / "snapshots").mkdir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (left_off.path / "link").symlink_to(elsewhere)
    others = [elsewhere / f"state.pt.{gone}.tmp", left_off.path / f"halting.json.{os.getppid()}-1.tmp"]
    for file in (*left, *others):
        file.write_bytes(b"half")
    left_off.acquire()
    assert not any(file.exists() for file in left)
    assert all(file.exists() for file in others)  # of another folder; and of somebody who may still be writing
    old = os.stat(others[1]).st_mtime - 3600
    os.utime(others[1], (old, old))
    left_off.release()
    left_off.acquire()
    assert not others[1].exists()
    left_off.release()
