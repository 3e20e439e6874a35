"""What is timed is the work, not the time to ask for it."""

import torch

from vitrm.bench.measures import median_times


def test_a_device_that_queues_is_waited_for_before_and_after_each_turn(monkeypatch):
    done = []
    monkeypatch.setattr(torch.mps, "synchronize", lambda: done.append("waited"))
    monkeypatch.setattr(torch.cuda, "synchronize", done.append)
    median_times([lambda: done.append("run")], repeats=1, device="mps")
    assert done == 2 * ["waited", "run", "waited"]
    done.clear()
    median_times([lambda: done.append("run")], repeats=1, device="cuda:1")
    assert done == 2 * ["cuda:1", "run", "cuda:1"]
    done.clear()
    median_times([lambda: done.append("run")], repeats=1, device="cpu")
    assert done == 2 * ["run"]
