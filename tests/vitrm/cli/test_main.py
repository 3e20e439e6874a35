"""The command line, run as a user runs it, in a folder of its own."""

import json
import subprocess
import sys

import pytest
import torch
from trainings import TINY

from vitrm.cli import main as cli
from vitrm.places import ROOT
from vitrm.runs.folder import Run


@pytest.mark.parametrize(
    "words",
    [
        ["train", "digits", "--train.lr", "1e-4", "--model.halt_bias", "-3", "--name", "spelt"],
        ["train", "--train.lr=1e-4", "--name", "spelt", "--model.halt_bias=-3", "digits"],
        ["train", "--train.lr", "1e-4", "--name=spelt", "digits", "--model.halt_bias", "-3"],
    ],
)
def test_settings_may_stand_anywhere_and_be_spelt_both_ways(words, tmp_path):
    assert cli.main([*words, *TINY, "--runs", str(tmp_path)]) == 0
    config = Run(tmp_path / "spelt").config()
    assert (config.train.lr, config.model.halt_bias) == (1e-4, -3.0)


HELP = """
import sys
from vitrm.cli.main import main
try:
    main(sys.argv[1:])
finally:
    print(*sys.modules)
"""


@pytest.mark.parametrize("command", ["", *cli.COMMANDS])
def test_help_does_not_wait_for_torch(command):
    words = [sys.executable, "-c", HELP, *command.split(), "--help"]
    out = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert out.startswith(f"usage: vitrm {command}".rstrip())
    modules = out.splitlines()[-1].split()
    assert "torch" not in modules
    if not command:
        assert not {f"vitrm.cli.{name}" for name in cli.COMMANDS} & {*modules}


def test_settings_reach_the_run(runs):
    config = Run(runs / "small").config()
    assert (config.model.dim, config.model.supervision_steps, config.train.batch_size) == (16, 2, 64)


def test_export_writes_a_checkpoint_with_ready_made_traces(runs, tmp_path, capsys):
    words = ["export", str(runs / "small"), str(tmp_path / "exported"), "--bf16", "--gallery", "3"]
    assert cli.main(words) == 0
    target = Run(tmp_path / "exported")
    assert capsys.readouterr().out == f"exported to {target.path}\n"
    assert [trace.label for trace in target.gallery().values()] == [0, 1, 2]
    assert not target.resumable


def test_the_number_of_threads_is_the_one_asked_for(runs):
    cli.main(["evaluate", str(runs / "small"), "--threads", "2", "--device", "cpu"])
    assert torch.get_num_threads() == 2


def test_a_stopped_run_can_be_finished_as_it_is(tmp_path, capsys):
    words = ["train", "digits", *TINY, "--train.epochs", "3", "--runs", str(tmp_path), "--name", "run"]
    assert cli.main(words) == 0
    run = Run(tmp_path / "run")
    whole = run.summary()
    lines = run.metrics()
    second = max(i for i, event in enumerate(lines) if event["event"] == "EpochEnd" and event["epoch"] == 2)
    (run.path / "metrics.jsonl").write_text("".join(json.dumps(event) + "\n" for event in lines[: second + 1]))
    assert cli.main(["finish", str(run.path)]) == 1
    assert "is complete already" in capsys.readouterr().err
    (run.path / "summary.json").unlink()
    assert cli.main(["finish", str(run.path), "--device", "cpu", "--threads", "1"]) == 0
    finished = run.summary()
    assert finished.reason == "stopped after epoch 2 of 3"
    assert finished.epochs == 2
    assert finished.test == whole.test  # the same weights file
    assert "stopped after epoch 2 of 3" in capsys.readouterr().out
