"""The script for a GPU, tried on this CPU: small trainings, cut off in the middle and taken up again."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from scripts import gpu
from vitrm.bench.training import bench_training
from vitrm.cli import main as cli
from vitrm.places import ROOT
from vitrm.runs.folder import Run

SMALL = {
    "model.image_size": 8, "model.patch_size": 4, "model.channels": 1, "model.dim": 16, "model.num_heads": 2,
    "model.mlp_dim": 16, "model.depth": 1, "model.memory_tokens": 2, "model.supervision_steps": 1,
    "train.epochs": 20, "train.epoch_images": 64, "train.batch_size": 32, "train.warmup_epochs": 1,
    "train.compile": "false", "train.precision": "fp32",
}  # fmt: skip


def words(folder, *more):
    settings = [word for name, value in SMALL.items() for word in ("--setting", name, str(value))]
    places = ["--folder", folder / "runs", "--results", folder / "results"]
    data = ["--device", "cpu", "--photographs", "digits"]
    return [sys.executable, ROOT / "scripts" / "gpu.py", *data, *places, *settings, *more]


def here(words, stdout, stderr):
    """In place of the process that `start_vitrm` starts: the command in this one, to its end."""
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        code = cli.main([str(word) for word in words])
    stdout.write(out.getvalue().encode())
    stderr.write(err.getvalue().encode())
    return SimpleNamespace(poll=lambda: code)


@pytest.fixture
def called(monkeypatch, capsys):
    """Calls the script in this process, with its commands: its exit status, and what it said."""
    monkeypatch.setattr(gpu, "start_vitrm", here)

    def call(folder, *more):
        monkeypatch.setattr(sys, "argv", [str(word) for word in words(folder, *more)[1:]])
        before = signal.getsignal(signal.SIGTERM)
        try:
            status = gpu.main()
        except SystemExit as error:
            status = error.code
        finally:
            signal.signal(signal.SIGTERM, before)
        return status, capsys.readouterr()

    return call


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_trainings_that_were_killed_or_told_to_end_are_taken_up_again_and_reported(tmp_path, called):
    process = subprocess.Popen(words(tmp_path, "--only", "photo", "--seeds", "0", "1"))
    runs = killed, told = [Run(tmp_path / "runs" / f"photo-{seed}") for seed in "01"]
    while process.poll() is None and not all(run.resumable for run in runs):
        for run in runs:
            if run.has_config:
                run.ask("pause")  # it saves its state, and waits to be cut off
        time.sleep(0.05)
    os.kill(killed.status()["pid"], signal.SIGKILL)  # as a machine does whose time is over
    process.terminate()
    assert process.wait() == 75, "it ended before it could be stopped: make it longer"
    assert (killed.state, told.state) == ("interrupted", "stopped")

    status, said = called(tmp_path, "--only", "photo", "--seeds", "0", "1")
    assert status == 0, said.err
    assert "2 of 2 done" in said.out
    report = (tmp_path / "results" / "gpu.md").read_text(encoding="utf-8")
    for run in runs:
        assert run.summary().epochs == SMALL["train.epochs"]
        ends = [event["epoch"] for event in run.metrics() if event["event"] == "EpochEnd"]
        assert ends == list(range(1, SMALL["train.epochs"] + 1))
        assert report.count(f"| `{run.name}` ") == 1
        assert f"| {run.summary().commit} |" in report


@pytest.mark.slow
def test_a_measurement_counts_once_it_has_ended_well(tmp_path, called):
    status, said = called(tmp_path, "--list")
    assert status == 0
    assert "agreement            0 of 1 done" in said.out
    status, said = called(tmp_path, "--only", "nothing")
    assert status == 2
    assert "unknown steps nothing: expected some of agreement, bench" in said.err
    status, said = called(tmp_path, "--only", "bench", "--setting", "model.dim", "15")
    assert status == 1
    assert "bench ended with 1: see" in said.err
    assert not (tmp_path / "runs" / "bench.json").exists()
    small = {name: str(value) for name, value in SMALL.items() if name.startswith("model.")}
    result = bench_training(["paper"], "cpu", 1, batch_sizes=[4], settings=small)
    (tmp_path / "runs" / "bench.json").write_text(json.dumps(result))
    assert called(tmp_path, "--only", "bench")[0] == 0
    assert "matrix-multiply rate" in (tmp_path / "results" / "gpu.md").read_text(encoding="utf-8")
