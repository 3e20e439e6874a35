"""A device against the CPU: here the CPU against itself, and against one that computes wrongly."""

import json

import pytest
import torch

from vitrm.bench.agreement import agreement_table, bench_agreement
from vitrm.cli import main as cli
from vitrm.errors import VitrmError
from vitrm.nets import layers


def test_a_device_agrees_with_itself_and_bf16_is_close():
    result = bench_agreement(["digits-glimpse", "digits", "digits-vit"], "cpu", images=16)
    assert [(row["model"], row["precision"]) for row in result["agreement"]] == [
        (name, precision) for name in ("digits-glimpse", "digits", "digits-vit") for precision in ("fp32", "bf16")
    ]
    for row in result["agreement"]:
        exact = row["precision"] == "fp32"
        assert 0 <= row["logit_difference"] < (1e-4 if exact else 1)
        assert row["same_answer"] >= (0.9 if exact else 0.5)
        assert row["gradient_cosine"] > (1 - 1e-6 if exact else 0.9)
    table = agreement_table(result)
    assert result["hardware"] in table
    assert table.count("digits-vit") == 2


def test_a_device_that_computes_wrongly_is_found(monkeypatch):
    right = layers.F.layer_norm
    calls = iter(range(10**9))

    def wrong_after_a_while(*arguments, **options):
        return right(*arguments, **options) + (0.1 if next(calls) > 40 else 0)

    monkeypatch.setattr(torch.nn.functional, "layer_norm", wrong_after_a_while)
    row = bench_agreement(["digits"], "cpu", images=8)["agreement"][0]
    assert row["precision"] == "fp32"
    assert row["logit_difference"] > 1e-3
    assert row["gradient_cosine"] < 0.9999


def test_the_command_prints_the_same_and_names_what_it_does_not_know(capsys):
    words = ["bench", "--device", "cpu", "--threads", "1", "--agreement"]
    assert cli.main([*words, "digits", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["agreement"][0]["model"] == "digits"
    with pytest.raises(VitrmError, match="nothing"):
        bench_agreement(["nothing"], "cpu")
