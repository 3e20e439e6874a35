"""Training into a run folder: from Python, and what the folder says of how it ended."""

import json
from contextlib import closing
from dataclasses import replace

import pytest
import torch

import vitrm
from vitrm.cli import main as cli
from vitrm.cli.arguments import split_settings
from vitrm.config import PRESETS
from vitrm.errors import ConfigError, RunError, TrainingDiverged
from vitrm.runs.checkpoints import create_run
from vitrm.runs.folder import Run
from vitrm.runs.state import Failure, State
from vitrm.training.commands import train_command, train_words
from vitrm.training.events import EpochEnd, Finished, Paused, Progress, Resumed
from vitrm.training.fit import go_on
from vitrm.training.recording import SAVE_EVERY_S, record, summarize
from vitrm.training.trainer import Trainer

SMALL = {
    "model.dim": 16, "model.num_heads": 2, "model.mlp_dim": 16, "model.depth": 1, "model.memory_steps": 1,
    "model.memory_tokens": 3, "model.supervision_steps": 2, "train.batch_size": 64, "train.epochs": 2,
}  # fmt: skip
CONFIG = PRESETS["digits"].with_fields(SMALL)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that was trained from Python, and the events it was watched by."""
    seen = []
    return vitrm.fit(CONFIG, tmp_path_factory.mktemp("runs") / "whole", device="cpu", watch=seen.append), seen


def _weights(run):
    return (run.path / "model.safetensors").read_bytes()


def test_python_and_the_command_line_train_the_same(whole, tmp_path):
    run, seen = whole
    assert run.is_complete
    assert not run.is_running
    assert run.state is State.FINISHED
    assert [type(event) for event in seen if not isinstance(event, Progress)] == [EpochEnd, EpochEnd, Finished]
    assert [type(event).__name__ for event in seen] == [event["event"] for event in run.metrics()]
    words = [*train_words(CONFIG), "--runs", str(tmp_path), "--name", "typed", "--device", "cpu", "--threads", "1"]
    assert cli.main(words) == 0
    typed = Run(tmp_path / "typed")
    assert _weights(typed) == _weights(run)
    assert typed.summary().test == run.summary().test
    assert run.summary().command == train_command(CONFIG)
    assert train_command(CONFIG) in (run.path / "README.md").read_text(encoding="utf-8")


def test_while_its_best_weights_are_tested_the_run_says_so(tmp_path, monkeypatch):
    said = []

    def asked(run, *rest):
        said.append(run.state)
        return summarize(run, *rest)

    monkeypatch.setattr("vitrm.training.recording.summarize", asked)
    run = vitrm.fit(CONFIG.with_fields({"train.epochs": 1}), tmp_path / "run", device="cpu")
    assert said == [State.FINISHING]
    assert run.state is State.FINISHED


def test_the_command_makes_the_same_configuration_again():
    config = CONFIG.with_fields({"train.betas": "0.8,0.99", "train.flip": True, "model.memory_tokens": None})
    words, settings = split_settings(train_words(config)[1:])
    assert PRESETS[words[0]].with_fields(settings) == config
    assert json.loads(config.fingerprint())["train.epochs"] == 2


def test_an_interrupted_training_goes_on_bit_for_bit_and_a_complete_one_is_returned(whole, tmp_path):
    def interrupt(event):
        if isinstance(event, EpochEnd):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        vitrm.fit(CONFIG, tmp_path / "run", device="cpu", watch=interrupt)
    assert Run(tmp_path / "run").state is State.STOPPED
    assert not Run(tmp_path / "run").is_running
    with pytest.raises(RunError, match="already holds a run"):
        vitrm.fit(CONFIG, tmp_path / "run", device="cpu")
    other = CONFIG.with_fields({"train.lr": 1.0})
    with pytest.raises(ConfigError, match=r"holds a run with another train\.lr; choose another folder"):
        vitrm.fit(other, tmp_path / "run", device="cpu", resume=True)
    other = CONFIG.with_fields({"data.source": "folder:elsewhere"})
    with pytest.raises(ConfigError, match=r"holds a run with another data\.source; choose another folder"):
        vitrm.fit(other, tmp_path / "run", device="cpu", resume=True)
    run = vitrm.fit(CONFIG, tmp_path / "run", device="cpu", resume=True)
    assert _weights(run) == _weights(whole[0])
    ends = [event["epoch"] for event in run.metrics() if event["event"] == "EpochEnd"]
    assert ends == [1, 2]
    seen = []
    assert vitrm.fit(CONFIG, tmp_path / "run", resume=True, device="cpu", watch=seen.append).is_complete
    assert seen == []


def test_a_training_goes_on_with_the_normalisation_it_began_with(small_run, few_digits, tmp_path):
    trainer = Trainer(small_run, few_digits)
    run = create_run(tmp_path / "run", trainer.config, "a test", "cpu")
    run.save_state(trainer.state_dict())
    run.release()
    otherwise = replace(few_digits, preprocess=replace(few_digits.preprocess, mean=(0.3,), std=(0.4,)))
    run, again = go_on(run, lambda config: otherwise, "cpu")  # as another version measures it
    run.release()
    assert again.dataset.preprocess == few_digits.preprocess
    assert again.config == trainer.config


def test_a_training_from_python_obeys_its_folder(few_digits, tmp_path):
    folder, seen = tmp_path / "run", []

    def order(event):
        seen.append(type(event))
        if isinstance(event, EpochEnd) and event.epoch == 1:
            Run(folder).ask("pause")
        elif isinstance(event, Paused):
            assert Run(folder).state is State.PAUSED
            Run(folder).ask("go")
        elif isinstance(event, Resumed):
            assert Run(folder).state is State.RUNNING
            Run(folder).ask("stop")

    config = CONFIG.with_fields({"train.epochs": 100_000, "train.batch_size": 32})
    run = vitrm.fit(config, folder, few_digits, device="cpu", watch=order)
    assert {Paused, Resumed} <= set(seen)
    assert Finished not in seen
    assert run.state is State.STOPPED
    assert run.resumable
    assert not run.is_running


def test_a_training_can_begin_with_the_weights_of_another_on_larger_mazes(tmp_path):
    def mazes(size, **changes):
        small = {
            "data.source": f"mazes:{size}x{size},gems=3,lengths=1-3,train=64,test=9", "model.image_size": 2 * size,
            "model.dim": 8, "model.num_heads": 2, "model.mlp_dim": 8, "model.supervision_steps": 2, "train.epochs": 1,
        }  # fmt: skip
        return PRESETS["mazes"].with_fields(small | changes)

    first = vitrm.fit(mazes(5), tmp_path / "first", device="cpu")
    still = {"train.start": str(first.path), "train.lr": 1e-9, "train.min_lr": 1e-9}
    with pytest.raises(ConfigError, match=r"its weights do not fit this model \(size mismatch"):
        vitrm.fit(mazes(6, **still | {"model.dim": 16}), tmp_path / "wide", device="cpu")
    deeper = {"train.start": "digits-glimpse", "model.depth": 20}  # whose weights are hundreds
    with pytest.raises(ConfigError, match="…") as refused:
        vitrm.fit(mazes(6, **deeper), tmp_path / "deep", device="cpu")
    assert len(str(refused.value)) < 300
    assert str(refused.value).endswith("name a run of the same shape")
    on = vitrm.fit(mazes(6, **still), tmp_path / "on", device="cpu")
    begun, started = (run.load_model().state_dict() for run in (on, first))
    for name, weights in begun.items():
        torch.testing.assert_close(weights, started[name], atol=1e-6, rtol=0)
    assert on.config().train.start == str(first.path)


def test_the_classes_are_those_of_the_data(few_digits, tmp_path):
    config = CONFIG.with_fields({"model.num_classes": 7, "train.epochs": 1, "train.batch_size": 32})
    run = vitrm.fit(config, tmp_path / "run", few_digits, device="cpu")
    assert run.config().model.num_classes == 10
    assert "dataset" in run.summary().command  # which no command line could name


@pytest.mark.parametrize(
    ("error", "failure", "said"),
    [
        (TrainingDiverged("the loss became (nan,)"), Failure.DIVERGED, "the loss became (nan,)"),
        (OSError("No space left on device"), Failure.SYSTEM, "No space left on device"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: x"), Failure.MEMORY, "choose a smaller train"),
        (MemoryError(), Failure.MEMORY, "memory ran out"),
        (ConfigError("lr=-1"), Failure.INPUT, "lr=-1"),
        (ZeroDivisionError("division by zero"), Failure.FAULT, "ZeroDivisionError: division by zero"),
    ],
)
def test_a_failure_is_kept_by_its_kind_and_in_words(few_digits, small_run, tmp_path, error, failure, said):
    class Failing(Trainer):
        def train_batch(self, *_):
            raise error

    run = create_run(tmp_path / "run", small_run, "a test", "cpu")
    with pytest.raises(type(error)):
        list(record(run, Failing(small_run, few_digits)))
    status = run.status()
    assert (run.state, status["failure"]) == (State.FAILED, failure)
    assert said in status["cause"]
    assert not run.is_running


def test_the_state_is_saved_when_it_is_overdue(few_digits, small_run, tmp_path):
    now = [0.0]
    config = small_run.with_fields({"train.batch_size": 2, "train.epochs": 1})  # 35 batches: a report after 10, 20, 30
    run = create_run(tmp_path / "run", config, "a test", "cpu")
    with closing(record(run, Trainer(config, few_digits), clock=lambda: now[0])) as events:
        next(events)
        assert not run.resumable
        now[0] += SAVE_EVERY_S + 1
        next(events)
        assert run.load_state()["batch"] == 20
        next(events)
        assert run.load_state()["batch"] == 20
