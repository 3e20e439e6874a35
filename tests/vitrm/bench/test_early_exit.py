"""Seconds of early exit: what is timed, and what must have been judged before."""

import pytest
import torch

from vitrm.bench.early_exit import bench_halting, halting_table
from vitrm.data.sources import load_dataset
from vitrm.errors import RunError
from vitrm.runs.checkpoints import find_run


def test_early_exit_is_timed_at_the_stored_threshold_on_the_whole_split():
    run = find_run("digits-glimpse")
    split = load_dataset("digits", image_size=8, channels=1).test
    result = bench_halting(run, split.subset(torch.arange(12)), repeats=1)
    assert result["n"] == 12
    assert f"{run.report('halting').chosen.threshold:g}" in result["policy"]
    for row in result["batch"].values():
        assert row["speedup"] == pytest.approx(row["every_step_s"] / row["halting_s"])
    one = result["one_image"]
    assert one["operations"] > 4 * 8  # a memory update and an answer update, of two layers each, at least
    assert f"{1000 * one['predict_s']:.2f} ms" in halting_table(result)
    assert result["batch"]["1"]["halting_accuracy"] == result["batch"]["256"]["halting_accuracy"]


def test_a_checkpoint_whose_halting_was_never_judged_is_refused():
    split = load_dataset("digits", image_size=8, channels=1).test
    with pytest.raises(RunError, match=r"no halting\.json"):
        bench_halting(find_run("digits-every-step"), split)
