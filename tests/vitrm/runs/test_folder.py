"""The run folder: what it keeps, and what it refuses to read."""

import os
import stat
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch

from vitrm.errors import ConfigError, RunError
from vitrm.judge.evaluation import evaluate
from vitrm.runs import files
from vitrm.runs.card import model_card
from vitrm.runs.checkpoints import build, create_run, find_run, list_runs
from vitrm.runs.folder import Run


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


def test_the_model_card_says_from_which_steps_a_model_learned_and_of_how_many_images(finished):
    summary, config = finished.summary(), finished.config()
    train = replace(config.train, progress_steps=90, epoch_images=10**7)
    card = model_card("run", replace(config, train=train), summary)
    steps = config.model.supervision_steps
    assert f"It learned from {steps} steps in a row, which began after 0 to 90 others." in card
    assert f"% after step {90 + steps}, epoch" in card
    assert f"of {summary.split_sizes['train']:,} images each" in card
    assert "began after" not in model_card("run", config, summary)
    back = replace(config, train=replace(config.train, progress_steps=90, rewind_wrong=0.5))
    assert "after 0 to 90 others. 50 % of the images that those answered wrongly went back to an earlier one." in (
        model_card("run", back, summary)
    )
    stay = replace(config, train=replace(config.train, keep_right=0.95, keep_wrong=0.5))
    assert "had answered rightly 95 % stayed for the next one, and of the others 50 %" in model_card(
        "run", stay, summary
    )
    assert f"% after step {20 * steps}, epoch" in model_card("run", stay, summary)


def test_the_model_card_quotes_the_summary(finished):
    card, summary = (finished.path / "README.md").read_text(encoding="utf-8"), finished.summary()
    assert card.startswith("# whole\n")
    assert f"{100 * summary.test.accuracy[0]:.1f}" in card
    assert f"{summary.parameters:,} parameters" in card
    assert summary.commit in card


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
    with pytest.raises(RunError, match=f"continue it with --resume {run.path} or choose another --name"):
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


def test_a_hostile_state_is_refused_and_not_executed(copy, tmp_path, hostile):
    torch.save(hostile(tmp_path / "mark"), copy.path / "state.pt")
    again = "remove the folder and give its command again: vitrm"
    with pytest.raises(RunError, match=rf"state.pt' is damaged \(no saved state: \w+\); {again}") as caught:
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


@pytest.mark.parametrize(("name", "of"), [("gallery", "digits"), ("mixtures", "sr-vit-digits")])
def test_ready_made_traces_are_replaced_at_once_or_not_at_all(name, of, tmp_path, monkeypatch):
    run, traces = Run(tmp_path), getattr(find_run(of), name)()
    (tmp_path / f"{name}.npz").write_bytes(b"old")
    monkeypatch.setattr(files.os, "replace", Mock(side_effect=OSError("No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        getattr(run, f"save_{name}")(traces)
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [(f"{name}.npz", b"old")]


def test_absent_files_are_named(fresh):
    run, _ = fresh
    with pytest.raises(RunError, match=r"has no model\.safetensors yet: the first epoch has not ended"):
        run.load_model()
    with pytest.raises(RunError, match=r"has no state.pt: nothing was saved before it ended"):
        run.load_state()
    (run.path / "config.json").unlink()
    with pytest.raises(RunError, match=r"config.json' is absent; '.*' is no run folder"):
        run.config()


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
