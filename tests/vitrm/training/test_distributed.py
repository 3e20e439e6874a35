"""Several processes train one model: what becomes of the others when one is lost."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress

import pytest
import torch

from vitrm.cli import main as cli
from vitrm.places import ROOT
from vitrm.runs.folder import Run

pytestmark = pytest.mark.skipif(os.name == "nt", reason="processes are forked, stopped and killed")

SMALL = [
    *("--train.epochs", "200", "--train.batch_size", "32", "--model.dim", "16", "--model.num_heads", "2"),
    *("--model.mlp_dim", "16", "--model.depth", "1", "--model.memory_tokens", "3", "--model.memory_steps", "1"),
]
# Two processes out of one, again and again, so that all is imported once; each pair trains what a line asks for.
PAIRS = """
import json, os, sys, torch
import vitrm.training.tensorboard, vitrm.training.control, vitrm.training.distributed, vitrm.training.estimate
import vitrm.traces.recording, torch._dynamo
import vitrm.cli.signals, vitrm.cli.train
from vitrm.cli import main as cli

for line in sys.stdin:
    words, patience, vitrm.cli.signals.GRACE_S, port = json.loads(line)
    vitrm.training.distributed.PATIENCE_S = patience
    pids = []
    for rank in range(2):
        pids.append(os.fork())
        if not pids[-1]:
            os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
            os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
            sys.stdout, sys.stderr = open(os.devnull, "w"), open(f"rank{rank}.err", "w", buffering=1)
            status = cli.main([*words, "--threads", "1", "--device", "cpu"])
            sys.stderr.flush()
            os._exit(status)
    print(json.dumps(pids), flush=True)
    for _ in pids:
        os.wait()
    print("both have ended", flush=True)
"""


@pytest.fixture
def two_processes(tmp_path):
    """`with two_processes(*words) as pids:` trains in two processes in that folder; they have ended afterwards."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", PAIRS], cwd=tmp_path, env=environment, **streams) as parent:

        @contextmanager
        def started(*words, patience_s=60, grace_s=60):
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            print(json.dumps([words, patience_s, grace_s, port]), file=parent.stdin, flush=True)
            pids = json.loads(parent.stdout.readline())
            try:
                yield pids
                assert parent.stdout.readline() == "both have ended\n"
            except BaseException:
                parent.kill()
                for pid in pids:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                raise

        yield started
        parent.kill()  # to take torch apart in good order takes it seconds


def until(condition, timeout_s=600):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)  # to read a state takes as much time as to train


def said(folder, rank):
    return (folder / f"rank{rank}.err").read_text(encoding="utf-8")


def epochs_saved(run):
    """As `load_state` has it, but that drops the events after it."""
    return torch.load(run.path / "state.pt", weights_only=True)["epoch"]


RESUME = "continue with: torchrun --nproc-per-node=2 -m vitrm train --resume runs/run --device cpu"


@pytest.mark.slow
def test_a_lost_process_ends_the_others_with_a_message_and_a_state_to_resume_from(tmp_path, monkeypatch, two_processes):
    run = Run(tmp_path / "runs" / "run")
    with two_processes("train", "digits", *SMALL, "--name", "run") as pids:
        until(lambda: run.resumable and epochs_saved(run) >= 1)  # on a busy machine a state is saved within an epoch
        os.kill(pids[1], signal.SIGKILL)
    assert run.state == "failed"
    cause = run.status()["cause"]
    assert cause.startswith("process 0 lost touch with another of the 2 processes of this training (")
    assert cause.endswith("that one was killed, failed (then it says why), or its machine or network is gone")
    assert said(tmp_path, 0).splitlines()[-2] == f"vitrm: {cause}"
    assert said(tmp_path, 0).splitlines()[-1].startswith(f"the last saved state is kept; {RESUME}")
    assert "Traceback" not in said(tmp_path, 0)
    first = epochs_saved(run)

    # The one that writes is lost: the other says so, and the status is that of a process that went without a word.
    with two_processes("train", "--resume", "runs/run") as pids:
        until(lambda: epochs_saved(run) > first)
        os.kill(pids[0], signal.SIGKILL)
    assert run.state == "interrupted"
    assert said(tmp_path, 1).startswith("vitrm: process 1 lost touch with another of the 2 processes")
    assert RESUME in said(tmp_path, 1).splitlines()[-1]

    # One hangs: whoever waits for it, inside the library, still ends when told to.
    second = epochs_saved(run)
    with two_processes("train", "--resume", "runs/run", grace_s=0.2) as pids:
        until(lambda: epochs_saved(run) > second)
        os.kill(pids[1], signal.SIGSTOP)
        time.sleep(0.5)
        os.kill(pids[0], signal.SIGTERM)
        until(lambda: not run.is_running)
        os.kill(pids[1], signal.SIGKILL)
    assert run.state == "failed"
    assert run.status()["cause"].startswith("this process was told to end while it waited for another one")
    assert RESUME in said(tmp_path, 0).splitlines()[-1]

    monkeypatch.chdir(tmp_path)
    last = run.load_state()["epoch"]
    ends = [event["epoch"] for event in run.metrics() if event["event"] == "EpochEnd"]
    assert ends == list(range(1, last + 1))  # nothing lost, nothing twice
    assert cli.main(["finish", "run", "--threads", "1", "--device", "cpu"]) == 0
