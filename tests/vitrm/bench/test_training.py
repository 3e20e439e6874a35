"""Speed of training: its rows say what was measured. Speeds themselves are never tested: machines are noisy."""

import json
from dataclasses import replace

import pytest

from vitrm.bench.training import EPOCH_IMAGES, bench_training, training_table
from vitrm.cli.main import main
from vitrm.config import PRESETS
from vitrm.nets.cost import multiply_adds


@pytest.mark.slow
def test_training_is_compared_with_the_plain_form_at_each_batch_size(capsys, monkeypatch):
    small = replace(PRESETS["paper"].model, dim=16, num_heads=2, mlp_dim=16, depth=1)
    monkeypatch.setitem(PRESETS, "paper", replace(PRESETS["paper"], model=small))
    words = ["bench", "--training", "--batch-sizes", "8", "16", "--repeats", "1", "--device", "cpu", "--threads", "1"]
    assert main([*words, "--json", "--profile", "--model.memory_tokens", "4"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert [row["batch"] for row in result["training"]] == [8, 16]
    small = replace(small, memory_tokens=4)
    for row in result["training"]:
        assert row["speedup"] == pytest.approx(row["images_per_s"] / row["plain_images_per_s"])
        assert row["epoch_s"] == pytest.approx(EPOCH_IMAGES / row["images_per_s"])
        rate = row["training_gflop"] * row["images_per_s"] / row["batch"]
        assert row["matmul_share"] == pytest.approx(rate / result["matmul_gflop_per_s"])
        forward = 2 * row["batch"] * multiply_adds(small) / 1e9
        assert 2.5 * forward < row["training_gflop"] < 3.05 * forward
        assert row["augment_share"] > 0
        assert 0.2 < sum(share for share, _ in row["profile"]) <= 1.0001
        assert (row["peak_gb"], row["host_waits"]) == (None, None)  # of a GPU
    text = training_table(result)
    assert "paper                8" in text
    assert "45,000 images" in text


def test_training_of_a_comparison_is_measured_against_itself():
    settings = {"model.dim": "16", "model.num_heads": "2", "model.depth": "1", "model.mlp_dim": "16"}
    result = bench_training(["vit-small"], "cpu", 1, batch_sizes=[2, 4], settings=settings)
    fewer, row = result["training"]
    assert row["training_gflop"] == pytest.approx(2 * fewer["training_gflop"])
    assert (row["preset"], row["precision"], row["compiled"]) == ("vit-small", "fp32", False)
    assert row["speedup"] > 0


def test_what_steps_before_those_that_learn_cost_is_said_where_there_are_any():
    settings = {"model.dim": "8", "model.num_heads": "2", "model.mlp_dim": "8", "train.progress_steps": "40"}
    result = bench_training(["mazes"], "cpu", 1, batch_sizes=[2], settings=settings)
    (row,) = result["training"]
    assert row["progress_cost"] > 0
    assert f"{row['progress_cost']:.2f}" in training_table(result)
    settings |= {"train.progress_steps": "0"}
    (row,) = bench_training(["mazes"], "cpu", 1, batch_sizes=[2], settings=settings)["training"]
    assert row["progress_cost"] is None
