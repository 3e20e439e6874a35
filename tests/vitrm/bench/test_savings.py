"""Speed against the plain form. Speeds themselves are never tested: machines are noisy."""

import json
from dataclasses import replace

import pytest
import torch
from trainings import changed

from vitrm.bench.measures import count_flops, training_step
from vitrm.cli.main import main
from vitrm.config import PRESETS, Config
from vitrm.model import ViTRM
from vitrm.nets.cost import multiply_adds
from vitrm.training.trainer import Trainer


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


@pytest.mark.parametrize(
    "schedule",
    [{}, {"backprop": "all", "update": "batch"}, {"backprop": "all", "update": "batch", "progress_steps": 6}],
)
def test_a_training_step_counts_what_the_trainer_does(small_run, few_digits, schedule):
    config = changed(small_run, **schedule)
    trainer, unlearned = Trainer(config, few_digits), config.train.progress_steps // 2
    images, labels = trainer.first_of_each()[0]
    ready = images.float()
    made = training_step(trainer.model, ready, labels, train=config.train, unlearned=unlearned)
    expected = count_flops(lambda: list(trainer.train_batch(images, labels, unlearned)))
    assert count_flops(made) == expected


def test_a_training_step_counts_about_three_forward_passes():
    config = PRESETS["digits"].model
    model = ViTRM(config)
    images, labels = torch.randn(2, 1, 8, 8), torch.zeros(2, dtype=torch.int64)
    counted = count_flops(training_step(model, images, labels, train=PRESETS["digits"].train))
    forward = 2 * 2 * multiply_adds(config)
    assert 2.7 * forward < counted < 3.05 * forward
