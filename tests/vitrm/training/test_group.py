"""Several processes train as one would."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from trainings import changed

from vitrm.config import Config
from vitrm.training.distributed import Group
from vitrm.training.trainer import Trainer

# 49 images, 16 at a time: the last batch is a single image, fewer than there are processes.
SOME_DATA = """
import torch
from dataclasses import replace
from vitrm.data.dataset import Dataset, Preprocess, Split

torch.manual_seed(7)
splits = [Split(torch.randint(256, (n, 1, 8, 8), dtype=torch.uint8), torch.arange(n) % 10) for n in (49, 20, 20)]
dataset = Dataset("noise", tuple("0123456789"), *splits, Preprocess(8, (0.5,), (0.25,)))
# After an update rounding decides: Adam divides a gradient by its size, and a ResNet's next loss moves by thousandths.
one_batch = replace(dataset, train=dataset.train.subset(slice(0, 16)))
"""
TRAIN_IN_A_GROUP = """
import json, sys
from pathlib import Path
from vitrm.config import Config
from vitrm.training.distributed import join_group
from vitrm.training.trainer import Trainer

torch.set_num_threads(1)
group = join_group("cpu")
with group.first_goes_ahead():
    print(group.rank, flush=True)
trainer = Trainer(Config.from_dict(json.load(open(sys.argv[1]))), dataset, group=group)
events = list(trainer.events())
assert group.any(group.rank == 1), "one process saying so is enough"
assert not group.any(False)
assert group.from_first(lambda: group.rank) == 0
result = {"model": trainer.model.state_dict(), "loss": events[0].loss, "updates": trainer.updates}

# Batch normalisation goes by the whole batch: outputs, gradients and running statistics are those of one process.
torch.manual_seed(0)
images, scales = torch.randn(7, 3, 4, 4).double(), torch.randn(7, 3, 4, 4).double()
alone, shared = (torch.nn.BatchNorm2d(3).double() for _ in range(2))
group.share_statistics(shared)
whole, weight = images.clone().requires_grad_(), 1.0
(mine, scale), weight = group.share_of(images, scales)
mine.requires_grad_()
outputs, expected = shared(mine), alone(whole)
((outputs.square() + outputs) * scale).mean().mul(weight).backward()
((expected.square() + expected) * scales).mean().backward()
group.mean_([p.grad for p in shared.parameters()])
(expected, gradient), _ = group.share_of(expected, whole.grad)
torch.testing.assert_close(outputs, expected)
torch.testing.assert_close(mine.grad / group.size, gradient)
for one, other in zip(shared.parameters(), alone.parameters()):
    torch.testing.assert_close(one.grad, other.grad)
torch.testing.assert_close(shared.state_dict(), alone.state_dict())

residual = Config.from_dict(json.load(open(sys.argv[1])) | {"model": RESNET})
trainer = Trainer(residual, one_batch, group=group)
result["resnet"] = list(trainer.events())[0].loss
if group.rank == 0:
    torch.save(result, sys.argv[2])

def at_work():
    names = [task.read_text() for task in Path("/proc/self/task").glob("*/comm")]
    return [name for name in names if "gloo" in name]

assert at_work() or sys.platform != "linux"
group.leave()
assert not at_work(), "a thread of a group outlives it"
"""
RESNET = {"family": "resnet", "image_size": 8, "channels": 1, "layers": 18}


@pytest.mark.slow
def test_two_processes_reach_the_weights_of_one(small_run, tmp_path):
    config = changed(small_run, dropout=0.0, epochs=1, glimpse_patches=4)
    (tmp_path / "train.py").write_text(f"RESNET = {RESNET}\n{SOME_DATA}{TRAIN_IN_A_GROUP}")
    (tmp_path / "config.json").write_text(json.dumps(config.to_dict()))
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
        + [str(tmp_path / name) for name in ("train.py", "config.json", "result.pt")],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[3]), "OMP_NUM_THREADS": "1"},
        check=False,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    together = torch.load(tmp_path / "result.pt", weights_only=True)

    made = {}
    exec(SOME_DATA, made)
    alone = Trainer(config, made["dataset"])
    first, *_ = alone.events()
    assert together["updates"] == alone.updates == 8  # four batches, two supervision steps
    assert together["loss"] == pytest.approx(first.loss, abs=1e-5)
    for name, expected in alone.model.state_dict().items():
        found = together["model"][name]
        if name.endswith("key_value.bias"):
            # A key's bias shifts a softmax row as a whole. Its gradient is rounding noise, which Adam scales up.
            found, expected = found[config.model.dim :], expected[config.model.dim :]  # noqa: PLW2901
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0, msg=name)

    residual = Config.from_dict(config.to_dict() | {"model": RESNET})
    first, *_ = Trainer(residual, made["one_batch"]).events()
    assert together["resnet"] == pytest.approx(first.loss, abs=1e-5)


@pytest.mark.parametrize(("drawn_within", "apart"), [({"dropout": 0.0}, False), ({"dropout": 0.3}, True)])
def test_each_process_draws_for_itself_what_is_drawn_within_the_model(small_run, few_digits, drawn_within, apart):
    """Not how images are augmented nor which patches they show: these are drawn for the whole batch."""
    config = changed(small_run, glimpse_patches=4, crop_pad=2, progress_steps=5, **drawn_within)

    def first_losses(rank):
        trainer = Trainer(config, few_digits, group=Group(rank))
        trainer.group.share_of = lambda *tensors: (tensors, 1.0)  # the same images to each
        torch.manual_seed(3)
        _, measured, _ = next(trainer.train_batch(few_digits.train.images[:16], few_digits.train.labels[:16]))
        return measured

    assert torch.equal(first_losses(1), first_losses(0)) != apart
    assert torch.equal(first_losses(2), first_losses(1)) != apart
    assert torch.equal(first_losses(2), first_losses(2))
