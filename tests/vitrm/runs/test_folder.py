"""The run folder: what it keeps, what it refuses, and what survives a crash or a full disk."""

import errno
import json
import math
import os
import pickle
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import safetensors.torch
import torch

from vitrm.cli import main as cli
from vitrm.errors import ConfigError, RunError
from vitrm.judge.evaluation import evaluate
from vitrm.model import ViTRM
from vitrm.runs.checkpoints import build, create_run, find_run, list_runs, load
from vitrm.runs.export import export
from vitrm.runs.folder import Run
from vitrm.training.events import EpochEnd, Progress
from vitrm.training.trainer import Trainer

ROOT = Path(__file__).resolve().parents[3]
# A run of a few seconds: 41 batches an epoch, so that five reports come before the first epoch ends.
SMALL = [
    *("--train.epochs", "3", "--train.batch_size", "32", "--train.mixup_alpha", "0.2", "--model.dropout", "0.1"),
    *("--model.dim", "16", "--model.num_heads", "2", "--model.mlp_dim", "16", "--model.depth", "1"),
    *("--train.lr", "1e-3"),
    *("--model.memory_tokens", "3", "--model.memory_steps", "1", "--threads", "1", "--device", "cpu"),
]


def _train(*words):
    return cli.main(["train", *words])


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A complete run that tests may read but not change."""
    folder = tmp_path_factory.mktemp("finished")
    assert _train("digits", *SMALL, "--runs", str(folder), "--name", "whole") == 0
    return Run(folder / "whole")


@pytest.fixture
def copy(finished, tmp_path):
    """A complete run to be damaged."""
    return Run(Path(shutil.copytree(finished.path, tmp_path / "copy")))


@pytest.fixture
def fresh(small_run, few_digits, tmp_path):
    """A run folder that has just been created, and a trainer for it."""
    trainer = Trainer(small_run, few_digits)
    return create_run(tmp_path / "fresh", trainer.config, "vitrm train", "cpu"), trainer


def _results(run):
    """All events without their clock times."""
    timed = ("seconds", "images_per_s", "time_left_s")
    return [{key: value for key, value in event.items() if key not in timed} for event in run.metrics()]


# What a run keeps


def test_a_finished_run_holds_what_its_documentation_says(finished):
    names = {"config.json", "started.json", "status.json", "metrics.jsonl", "model.safetensors", "state.pt"}
    names |= {"summary.json", "README.md", "lock", "latest.safetensors", "snapshots"}
    assert {file.name for file in finished.path.iterdir()} == names
    assert finished.snapshots() == [0, 1, 2, 3]
    assert finished.status()["status"] == "finished"
    summary = finished.summary()
    assert summary.epochs == 3
    assert summary.split_sizes == {"train": 1294, "val": 144, "test": 359}
    assert "unknown" not in (summary.commit, summary.torch, summary.python, summary.hardware, summary.command)
    kinds = [event["event"] for event in finished.metrics()]
    assert kinds == (["Progress"] * 5 + ["EpochEnd"]) * 3 + ["Finished"]


def test_files_of_a_run_can_be_read_by_everyone_the_umask_allows(finished):
    umask = os.umask(0)
    os.umask(umask)
    for file in (file for file in finished.path.rglob("*") if file.is_file()):
        assert stat.S_IMODE(file.stat().st_mode) == 0o666 & ~umask, file.name


def test_the_saved_weights_are_the_averaged_ones_of_the_best_epoch(finished, digits, close):
    best = max((e for e in finished.metrics() if e["event"] == "EpochEnd"), key=lambda e: e["val_accuracy"][-1])
    scores = evaluate(finished.load_model(), digits.preprocess, digits.val)
    assert finished.summary().best_epoch == best["epoch"]
    assert list(scores.accuracy) == best["val_accuracy"]
    close(scores.loss, best["val_loss"])


def test_the_summary_holds_the_test_scores_of_the_saved_weights(finished, digits):
    scores = evaluate(finished.load_model(), digits.preprocess, digits.test)
    assert finished.summary().test.accuracy == scores.accuracy
    assert finished.summary().parameters == sum(p.numel() for p in finished.load_model().parameters())


def test_the_model_card_quotes_the_summary(finished):
    card, summary = (finished.path / "README.md").read_text(encoding="utf-8"), finished.summary()
    assert card.startswith("# whole\n")
    assert f"{100 * summary.test.accuracy[0]:.1f}" in card
    assert f"{summary.parameters:,} parameters" in card
    assert summary.commit in card


def test_loading_gives_back_the_weights_that_were_saved(fresh):
    run, trainer = fresh
    run.save_weights(trainer.averaged)
    model = load(run.path)
    assert not model.training
    for ours, theirs in zip(model.parameters(), trainer.averaged.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert model.class_names == tuple("0123456789")
    assert (model.transform.mean, model.transform.std) == (trainer.config.data.mean, trainer.config.data.std)


def test_a_config_survives_the_run_folder(fresh):
    run, trainer = fresh
    assert run.config() == trainer.config


def test_building_a_preset_needs_no_data():
    model = build("digits", num_classes=3, dim=32)
    assert model.class_names == ("0", "1", "2")
    assert model.config.dim == 32
    assert model(torch.zeros(1, 1, 8, 8)).shape == (1, 3)
    with pytest.raises(ConfigError, match=r"unknown setting 'model.dmi'; did you mean 'model.dim'\?"):
        build("digits", dmi=3)


def test_a_folder_that_holds_a_run_is_not_overwritten_and_what_is_offered_works(fresh, small_run):
    run, trainer = fresh
    run.release()
    with pytest.raises(RunError, match="already holds a run; it ended before anything was saved, so remove the folder"):
        create_run(run.path, small_run, "vitrm train", "cpu")
    with pytest.raises(RunError, match=r"has no state.pt.*remove the folder and give its command again: vitrm train$"):
        run.load_state()
    run.save_state(trainer.state_dict())
    with pytest.raises(RunError, match=f"already holds a run; continue it with --resume {run.path}"):
        create_run(run.path, small_run, "vitrm train", "cpu")
    assert run.load_state()["epoch"] == 0


def test_runs_are_found_by_name_and_by_folder_and_errors_list_them(fresh, tmp_path, monkeypatch):
    run, trainer = fresh
    create_run(tmp_path / "runs" / "second", trainer.config, "vitrm train", "cpu")
    monkeypatch.chdir(tmp_path)
    assert find_run("second").path == Path("runs/second")
    assert find_run(run.path).path == run.path
    assert "second" in [found.name for found in list_runs()]
    with pytest.raises(RunError, match=r"no run or checkpoint 'third'; there are: .*second"):
        find_run("third")


def test_a_half_written_line_of_metrics_is_left_out(fresh):
    run, trainer = fresh
    for event in list(trainer.events())[:2]:
        run.record(event)
    with open(run.path / "metrics.jsonl", "ab") as out:
        out.write(b'{"event": "Progress", "loss": [0.\xc3')
    assert [event["event"] for event in run.metrics()] == ["Progress", "EpochEnd"]


def test_resuming_drops_events_that_came_after_the_saved_state(fresh):
    run, trainer = fresh
    first, second, *_ = trainer.events()
    run.record(first)
    run.save_state(trainer.state_dict())
    run.record(second)
    with open(run.path / "metrics.jsonl", "a", encoding="utf-8") as out:
        out.write('{"event": "Prog')
    run.load_state()
    assert [event["event"] for event in run.metrics()] == ["Progress"]
    run.record(second)
    assert [event["event"] for event in run.metrics()] == ["Progress", "EpochEnd"]


@pytest.mark.parametrize("cause", [None, "disk full", 'ü€𝄞\x00"' * 2000, "bad \udcff name"])
def test_a_status_can_always_be_read_back(fresh, cause):
    run, _ = fresh
    run.set_status("failed", cause)
    status = run.status()
    assert status["status"] == "failed"
    assert status["pid"] == os.getpid()
    assert (status["cause"] or "")[:3] == (cause or "")[:3]
    assert (run.path / "status.json").stat().st_size == 4096  # so that a later status needs no new space


def test_a_checkpoint_without_a_status_says_so(fresh):
    run, _ = fresh
    (run.path / "status.json").unlink()
    assert set(run.status().values()) == {None}


# Export


def test_bf16_export_halves_the_weights_and_still_predicts_the_same(finished, tmp_path, digits):
    target = export(finished, tmp_path / "half", half=True)
    sizes = [(run.path / "model.safetensors").stat().st_size for run in (target, finished)]
    assert sizes[0] < 0.6 * sizes[1]
    whole, half = (run.load_model() for run in (finished, target))
    assert {p.dtype for p in half.parameters()} == {torch.float32}
    for ours, theirs in zip(half.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=2**-8, atol=0)
    images = digits.preprocess.normalize(digits.test.images)
    assert float((half(images).argmax(1) == whole(images).argmax(1)).float().mean()) > 0.95


def test_export_leaves_out_what_only_training_needs(finished, tmp_path):
    target = export(finished, tmp_path / "exported")
    names = {file.name for file in target.path.iterdir()}
    assert names == {"config.json", "started.json", "metrics.jsonl", "model.safetensors", "summary.json", "README.md"}
    assert target.summary() == finished.summary()
    assert (target.path / "README.md").read_text(encoding="utf-8").startswith("# exported\n")


def test_unfinished_runs_and_exports_onto_oneself_are_refused(fresh, finished, tmp_path):
    with pytest.raises(RunError, match="is not finished; only a finished run can be exported"):
        export(fresh[0], tmp_path / "exported")
    with pytest.raises(RunError, match="cannot be exported onto itself"):
        export(finished, finished.path)


# Damaged and hostile files


class _Hostile:
    """Unpickling this creates a file."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


def test_truncated_weights_are_refused(copy):
    file = copy.path / "model.safetensors"
    whole = file.read_bytes()
    for length in (0, 4, 100, len(whole) - 1):
        file.write_bytes(whole[:length])
        with pytest.raises(RunError, match=r"model.safetensors' is damaged \(.*\); copy or train it again"):
            copy.load_model()


def test_loaded_weights_compute_what_the_trained_ones_did_bit_for_bit(fresh, few_digits):
    run, trainer = fresh
    run.save_weights(trainer.averaged)
    loaded, trained = run.load_model().requires_grad_(False), trainer.averaged.eval()  # with gradients: other kernels
    # Where a tensor begins decides in which order some processors sum.
    assert {tensor.data_ptr() % 64 for tensor in loaded.state_dict().values()} == {0}
    pixels = few_digits.preprocess.normalize(few_digits.val.images)
    with torch.inference_mode():
        for ours, theirs in zip(loaded.steps(pixels), trained.steps(pixels), strict=True):
            assert torch.equal(ours.logits, theirs.logits)
            assert torch.equal(ours.memory, theirs.memory)


def test_a_pickle_that_calls_itself_safetensors_is_refused_and_not_executed(copy, tmp_path):
    (copy.path / "model.safetensors").write_bytes(pickle.dumps(_Hostile(tmp_path / "mark")))
    with pytest.raises(RunError, match=r"model.safetensors' is damaged"):
        copy.load_model()
    assert not (tmp_path / "mark").exists()


def test_a_hostile_state_is_refused_and_not_executed(copy, tmp_path):
    torch.save(_Hostile(tmp_path / "mark"), copy.path / "state.pt")
    message = (
        r"state.pt' is damaged \(no saved state: UnpicklingError\); remove the folder and give its command again: "
    )
    with pytest.raises(RunError, match=message + "vitrm train") as caught:
        copy.load_state()
    assert not (tmp_path / "mark").exists()
    assert "weights_only" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "it is empty"), (b"garbage", "no saved state"), (b"PK\x03\x04", "no saved state")],
)
def test_a_damaged_or_foreign_state_is_refused(copy, content, reason):
    (copy.path / "state.pt").write_bytes(content)
    with pytest.raises(RunError, match=rf"state.pt' is damaged \({reason}"):
        copy.load_state()
    torch.save([1, 2], copy.path / "state.pt")
    with pytest.raises(RunError, match=r"state.pt' is damaged"):
        copy.load_state()


def test_absent_files_are_named(fresh):
    run, _ = fresh
    with pytest.raises(RunError, match=r"has no model\.safetensors yet: the first epoch has not ended"):
        run.load_model()
    with pytest.raises(RunError, match=r"has no state.pt: nothing was saved before it ended"):
        run.load_state()
    (run.path / "config.json").unlink()
    with pytest.raises(RunError, match=r"config.json' is absent; '.*' is no run folder"):
        run.config()


def _rewrite(run, **changes):
    values = json.loads((run.path / "config.json").read_text())
    for name, value in changes.items():
        values["model"][name] = value
    (run.path / "config.json").write_text(json.dumps(values))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"dim": 32},
            r"does not fit its config.json: tensor 'answer_init' has shape \(1, 1, 16\), expected \(1, 1, 32\)",
        ),
        ({"depth": 2}, r"tensor 'block.layers.1.\S+' has shape absent, expected"),
        ({"final_norm": False}, r"tensor 'block.norm.bias' has shape \(16,\), expected absent"),
    ],
)
def test_the_config_of_another_model_is_refused(copy, changes, message):
    _rewrite(copy, **changes)
    with pytest.raises(RunError, match=message):
        copy.load_model()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dim": 2**60}, "dim=1152921504606846976: expected 1 to 16,384"),
        ({"depth": 10**9}, "depth=1000000000: expected 1 to 256"),
        ({"memory_tokens": 10**12}, "memory_tokens=1000000000000: expected 1 to"),
        ({"image_size": 2**40}, "image_size=1099511627776: expected 1 to 4,096"),
        ({"memory_steps": 10**15}, "memory_steps=1000000000000000: expected 1 to 1,000"),
        ({"dmi": 3}, r"unknown key 'dmi' in config.model; did you mean 'dim'\?"),
        ({"dim": float("inf")}, "dim=inf: expected a whole number"),
        ({"num_classes": 9}, "data.classes has 10 entries, but the model needs 9"),
        ({"channels": 3}, "data.mean has 1 entries, but the model needs 3"),
    ],
)
def test_absurd_settings_are_refused_before_anything_is_built(copy, changes, message):
    _rewrite(copy, **changes)
    with pytest.raises(RunError, match=message):
        copy.load_model()


def test_the_largest_model_that_settings_allow_is_refused_without_being_allocated(copy):
    _rewrite(copy, dim=16_384, mlp_dim=65_536, depth=256, num_heads=1024, memory_tokens=65_536)  # 3.5 terabytes
    with pytest.raises(RunError, match=r"does not fit its config\.json"):
        copy.load_model()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"model": {"dim": 16', "is damaged"),
        (b"\xff\xfe\x00", "is damaged"),
        (b"", "is damaged"),
        (b"[1, 2]", "it holds no named values"),
        (b"[" * 100_000, "is damaged"),
        (b'{"model": {"dim": ' + b"9" * 5000 + b"}}", "is damaged"),
    ],
)
def test_damaged_json_is_refused(copy, content, message):
    (copy.path / "config.json").write_bytes(content)
    with pytest.raises(RunError, match=message):
        copy.config()


def test_weights_are_stored_by_the_names_of_the_module(finished):
    stored = safetensors.torch.load_file(finished.path / "model.safetensors")
    assert stored.keys() == ViTRM(finished.config().model).state_dict().keys()


# Crashes


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


def test_a_full_disk_during_training_is_reported_and_can_be_continued(finished, tmp_path, monkeypatch, capsys):
    saved = []
    save_state = Run.save_state

    def second_time_full(run, state):
        saved.append(state["epoch"])
        if len(saved) == 2:
            _full_disk()
        save_state(run, state)

    with monkeypatch.context() as patched:
        patched.setattr(Run, "save_state", second_time_full)
        assert _train("digits", *SMALL, "--runs", str(tmp_path), "--name", "full") == 1
    run = Run(tmp_path / "full")
    assert run.status()["status"] == "failed"
    assert "No space left on device" in run.status()["cause"]
    message = capsys.readouterr().err.splitlines()
    assert message[-2] == "vitrm: [Errno 28] No space left on device"
    assert message[-1] == f"the last saved state is kept; continue with: vitrm train --resume {run.path}"

    assert _train("--resume", str(run.path), "--threads", "1", "--device", "cpu") == 0
    assert _results(run) == _results(finished)
    assert run.status()["status"] == "finished"


def test_an_unexpected_fault_is_left_in_the_status_and_not_hidden(tmp_path, monkeypatch):
    monkeypatch.setattr(Trainer, "train_batch", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        _train("digits", *SMALL, "--runs", str(tmp_path), "--name", "fault")
    status = Run(tmp_path / "fault").status()
    assert (status["status"], status["cause"]) == ("failed", "ZeroDivisionError: division by zero")


def test_divergence_is_reported_with_its_remedy(tmp_path, monkeypatch, capsys):
    losses = Trainer.losses
    monkeypatch.setattr(Trainer, "losses", lambda *given: [math.nan * loss for loss in losses(*given)])
    assert _train("digits", *SMALL, "--runs", str(tmp_path), "--name", "diverged") == 1
    status = Run(tmp_path / "diverged").status()
    assert status["status"] == "failed"
    assert "lower --train.lr (now 0.001)" in status["cause"]
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
def test_a_signal_saves_says_how_to_resume_and_changes_nothing(finished, tmp_path, monkeypatch, capsys, when):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with monkeypatch.context() as patched:
        _signal_at(patched, *when)
        assert _train("digits", *SMALL, "--runs", str(tmp_path), "--name", "stopped") == 130
    run = Run(tmp_path / "stopped")
    assert run.status()["status"] == "stopped"
    assert f"stopped and saved; continue with: vitrm train --resume {run.path}" in capsys.readouterr().out
    assert run.summary() is None
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before

    assert _train("--resume", str(run.path), "--threads", "1", "--device", "cpu") == 0
    assert _results(run) == _results(finished)
    assert run.summary().test == finished.summary().test


def test_a_killed_training_continues_to_the_same_result(finished, tmp_path):
    command = [sys.executable, "-m", "vitrm", "train", "digits", *SMALL, "--runs", str(tmp_path), "--name", "killed"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    run, deadline = Run(tmp_path / "killed"), time.monotonic() + 180
    # After the first epoch there is a state to continue from; the kill falls somewhere into the second.
    while not (run.path / "state.pt").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert run.status()["status"] == "running"  # nobody was left to say otherwise
    assert run.summary() is None

    assert _train("--resume", str(run.path), "--threads", "1", "--device", "cpu") == 0
    assert _results(run) == _results(finished)
    assert run.summary().test == finished.summary().test
    for name, weight in finished.load_model().state_dict().items():
        assert torch.equal(run.load_model().state_dict()[name], weight)
    assert not list(run.path.glob("*.tmp"))


def test_a_complete_run_has_nothing_to_resume(finished, capsys):
    assert _train("--resume", str(finished.path)) == 1
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
    assert _train("--resume", str(copy.path)) == 1
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
