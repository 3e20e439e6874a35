"""Accuracy by difficulty: every image once, beside guesses and a control; larger mazes than it was trained on."""

import json

import numpy as np
import pytest
import torch

from vitrm.cli import main as cli
from vitrm.config import ModelConfig
from vitrm.errors import ConfigError, DataError
from vitrm.families import resized
from vitrm.judge.difficulty import spearman
from vitrm.judge.report import measured
from vitrm.model import ViTRM
from vitrm.runs.folder import Run


@pytest.fixture(scope="module")
def small_run(tmp_path_factory):
    """A model that has hardly been trained, on mazes of 5 x 5 cells, and its control."""
    folder, words = tmp_path_factory.mktemp("runs"), ["--runs", "", "--device", "cpu", "--threads", "1"]
    words[1] = str(folder)
    words += ["--data", "mazes:5x5,gems=3,lengths=1-3,train=128,test=90", "--model.image_size", "10"]
    words += ["--model.dim", "8", "--model.num_heads", "2", "--model.mlp_dim", "8", "--train.epochs", "1"]
    assert cli.main(["train", "mazes", "--name", "run", "--model.supervision_steps", "2", *words]) == 0
    assert cli.main(["train", "mazes-vit", "--name", "control", "--model.depth", "1", *words]) == 0
    return folder / "run"


def test_the_report_counts_every_image_once_and_repeats_the_scores(small_run, capsys):
    words = ["evaluate", str(small_run), "--by-difficulty", "--control", str(small_run.parent / "control"), "--save"]
    assert cli.main([*words, "--json", "--threads", "1"]) == 0
    found = json.loads(capsys.readouterr().out)
    report, run = found["difficulty"], Run(small_run)
    kept = run.report("difficulty").numbers()
    assert {name: kept[name] for name in report} == report
    assert report["accuracy"] == pytest.approx(found["accuracy"], abs=1e-6)
    assert [level["difficulty"] for level in report["levels"]] == [1, 2, 3]
    assert [level["n"] for level in report["levels"]] == [sum(level["exits"]) for level in report["levels"]] == [30] * 3
    assert report["accuracy"] == pytest.approx(np.mean([level["accuracy"] for level in report["levels"]], axis=0))
    guesses = report["levels"][0]["guesses"]
    assert guesses["nearest gem"] == 1.0
    assert guesses["colours alone"] == pytest.approx(1 / 3, abs=0.04)
    assert guesses["local features"] > 0.9
    assert report["control"]["name"] == "control"
    assert report["control"]["accuracy"] == pytest.approx(np.mean([level["control"] for level in report["levels"]]))
    assert cli.main([*words, "--threads", "1"]) == 0
    assert "by length of the shortest path, in steps (test split, n = 90" in capsys.readouterr().out


def test_a_trained_model_is_asked_for_larger_mazes_too(small_run, capsys):
    words = ["evaluate", str(small_run), "--data", "mazes:8x8,gems=3,lengths=1-4,train=10,test=40", "--json"]
    assert cli.main([*words, "--threads", "1"]) == 0
    assert json.loads(capsys.readouterr().out)["n"] == 40
    model = Run(small_run).load_model()
    with pytest.raises(ConfigError, match=r"takes images of 32 pixels only; positions='relative' fit any size"):
        resized(ViTRM(ModelConfig(dim=12, depth=1)), 64)
    assert torch.equal(resized(model, 16).block.layers[0].places.table, model.block.layers[0].places.table)


def test_data_of_unknown_difficulty_are_refused(digits, tiny):
    with pytest.raises(DataError, match="digits does not say how difficult an image is; mazes do"):
        measured("difficulty", ViTRM(tiny), digits)


def test_rank_correlation_is_that_of_the_ranks_and_none_of_a_constant():
    ties, up = torch.tensor([1, 1, 2, 2, 3]), torch.tensor([10, 20, 30, 40, 50])
    assert spearman(up, up**3) == pytest.approx(1)
    assert spearman(up, -up) == pytest.approx(-1)
    assert spearman(ties, up) == pytest.approx(0.9487, abs=1e-4)  # ranks 1.5 1.5 3.5 3.5 5 and 1 to 5
    assert spearman(torch.ones(5), up) is None
