"""The benchmark measures what it says it measures. Speeds themselves are never tested: machines are noisy."""

import json
from dataclasses import replace

import pytest
import torch

from vitrm import bench
from vitrm.bench import _peak_allocated, latencies
from vitrm.cli.main import main
from vitrm.config import PRESETS, Config
from vitrm.data.sources import load_dataset
from vitrm.errors import RunError
from vitrm.nets.cost import multiply_adds
from vitrm.runs.checkpoints import find_run


def test_the_benchmark_reports_ratios_of_the_times_it_gives(capsys, monkeypatch):
    small = replace(PRESETS["digits"].model, dim=16, num_heads=2, mlp_dim=16)
    monkeypatch.setitem(PRESETS, "digits", Config(model=small))
    assert main(["bench", "digits", "--json", "--repeats", "1", "--device", "cpu", "--threads", "1"]) == 0
    result = json.loads(capsys.readouterr().out)
    row = result["presets"]["digits"]
    assert row["training_speedup"] == pytest.approx(row["training_plain_s"] / row["training_s"])
    assert row["inference_speedup"] == pytest.approx(row["inference_plain_s"] / row["inference_s"])
    rate = row["training_gflop"] / row["training_s"] / row["matmul_gflop_per_s"]
    assert row["matmul_share"] == pytest.approx(rate)
    assert result["hardware"]


def test_a_training_step_counts_about_three_forward_passes():
    config = PRESETS["digits"].model
    model = bench.ViTRM(config)
    images, labels = torch.randn(2, 1, 8, 8), torch.zeros(2, dtype=torch.int64)
    counted = bench._count_flops(bench._training_step(model, images, labels))
    forward = 2 * 2 * multiply_adds(config)
    assert 2.7 * forward < counted < 3.05 * forward


def test_early_exit_is_timed_at_the_stored_threshold_on_the_whole_split():
    run = find_run("digits-glimpse")
    split = load_dataset("digits", image_size=8, channels=1).test
    result = bench.bench_halting(run, split.subset(torch.arange(12)), repeats=1)
    assert result["n"] == 12
    assert f"{run.report('halting').chosen.threshold:g}" in result["policy"]
    for row in result["batch"].values():
        assert row["speedup"] == pytest.approx(row["every_step_s"] / row["halting_s"])
    assert result["batch"]["1"]["halting_accuracy"] == result["batch"]["256"]["halting_accuracy"]


def test_a_checkpoint_whose_halting_was_never_judged_is_refused():
    split = load_dataset("digits", image_size=8, channels=1).test
    with pytest.raises(RunError, match=r"no halting\.json"):
        bench.bench_halting(find_run("digits"), split)


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
        assert row["epoch_s"] == pytest.approx(bench.EPOCH_IMAGES / row["images_per_s"])
        rate = row["training_gflop"] * row["images_per_s"] / row["batch"]
        assert row["matmul_share"] == pytest.approx(rate / result["matmul_gflop_per_s"])
        forward = 2 * row["batch"] * multiply_adds(small) / 1e9
        assert 2.5 * forward < row["training_gflop"] < 3.05 * forward
        assert row["augment_share"] > 0
        assert 0.2 < sum(share for share, _ in row["profile"]) <= 1.0001
        assert (row["peak_gb"], row["host_waits"]) == (None, None)  # of a GPU
    text = bench.training_table(result)
    assert "paper                8" in text
    assert "45,000 images" in text


def test_training_of_a_comparison_is_measured_against_itself():
    settings = {"model.dim": "16", "model.num_heads": "2", "model.depth": "1", "model.mlp_dim": "16"}
    result = bench.bench_training(["vit-small"], "cpu", 1, batch_sizes=[4], settings=settings)
    (row,) = result["training"]
    assert (row["preset"], row["precision"], row["compiled"]) == ("vit-small", "fp32", False)
    assert row["speedup"] > 0


def test_latencies_are_of_every_model_and_batch_and_say_how_far_they_are(tiny):
    told = []
    small = replace(tiny, supervision_steps=1)
    rows = latencies([small, replace(small, dim=32)], (1, 3), runs=3, progress=told.append)
    assert [[row.batch for row in model] for model in rows] == [[1, 3], [1, 3]]
    for row in (row for model in rows for row in model):
        assert 0 < row.low_ms <= row.median_ms <= row.high_ms
        assert row.runs == 3
    assert rows[1][1].peak_mb > rows[0][1].peak_mb > rows[0][0].peak_mb > 0  # wider, more images: more memory
    assert told == sorted(told)
    assert told[-1] <= 1


def test_the_peak_is_what_is_alive_at_once():
    many = torch.ones(1000, 1000)

    def run():
        first = many + 1  # 4 MB
        second = first + 1  # 8 MB
        del first
        return second * 2  # second and the product: 8 MB again

    assert _peak_allocated(run) == pytest.approx(8_000_000, abs=100)  # and the numbers added


def test_a_measurement_stops_when_it_is_told_to(tiny):
    def stop(share):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        latencies([tiny], progress=stop)
