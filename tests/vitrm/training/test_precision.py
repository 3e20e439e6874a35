"""Precision "auto": the faster one is taken, once, and stands in the run folder. Which one that is is never tested."""

import json
from dataclasses import replace

import pytest
import torch

from vitrm.cli import main as cli
from vitrm.errors import ConfigError
from vitrm.families import make_model
from vitrm.runs.folder import Run
from vitrm.training.fit import fit
from vitrm.training.precision import fastest, settled
from vitrm.training.trainer import Trainer


def auto(config, precision="auto"):
    return replace(config, train=replace(config.train, precision=precision))


@pytest.mark.parametrize(("slow", "fast", "taken"), [(2.0, 1.0, "bf16"), (1.0, 1.0, "fp32"), (1.03, 1.0, "fp32")])
def test_the_faster_one_is_taken_and_what_is_noise_is_not(small_run, few_digits, slow, fast, taken):
    times = {"fp32": slow, "bf16": fast}
    chosen = settled(auto(small_run), few_digits, "cpu", seconds=lambda trainer: times[trainer.config.train.precision])
    assert chosen.train.precision == taken
    assert chosen.differences(auto(small_run)) == {"train.precision": taken}
    assert settled(small_run, few_digits, "cpu", seconds=None) is small_run  # it was decided by whoever asked


def test_batches_are_timed_by_turns_and_each_at_its_fastest(small_run, few_digits):
    now, order = [0.0], []

    def clock():  # told at the beginning of a batch, and at its end if it counts
        return now[0]

    class Timed(Trainer):
        def train_batch(self, images, labels):
            order.append(self)
            now[0] += 1.0 if order.count(self) == 3 else 0.25 + len(order) / 64  # the third one is slow
            return super().train_batch(images, labels)

    first, second = (Timed(small_run, few_digits, "cpu") for _ in range(2))
    assert fastest([first, second], clock) == [0.25 + 3 / 64, 0.25 + 4 / 64]
    assert order == [first, second] * 4


def test_what_was_decided_is_in_the_run_and_stays_when_it_is_resumed(small_run, few_digits, tmp_path, capsys):
    run = fit(auto(small_run), tmp_path / "run", few_digits, device="cpu")
    decided = run.config().train.precision
    assert decided in ("fp32", "bf16")
    assert fit(auto(small_run), tmp_path / "run", few_digits, device="cpu", resume=True).config() == run.config()
    other = {"fp32": "bf16", "bf16": "fp32"}[decided]
    with pytest.raises(ConfigError, match=r"another train\.precision"):
        fit(auto(small_run, other), tmp_path / "run", few_digits, device="cpu", resume=True)
    words = ["digits", "--train.precision", "auto", "--train.epochs", "1", "--train.epoch_images", "64"]
    words += ["--model.dim", "16", "--model.num_heads", "2", "--model.mlp_dim", "16", "--model.depth", "1"]
    where = ["--device", "cpu", "--threads", "1"]
    assert cli.main(["train", *words, *where, "--runs", str(tmp_path), "--name", "told"]) == 0
    assert Run(tmp_path / "told").config().train.precision in ("fp32", "bf16")
    capsys.readouterr()
    assert cli.main(["train", *words, *where, "--estimate"]) == 0
    assert json.loads(capsys.readouterr().out)["epochs"] == 1


def test_a_trainer_does_not_decide_it(small_run, few_digits):
    trainer = Trainer(auto(small_run), few_digits, "cpu")
    with pytest.raises(ConfigError, match="not decided yet: expected fp32 or bf16"):
        next(trainer.train_batch(*trainer.first_of_each()[0]))


def test_attention_in_bf16_is_not_left_to_the_fused_kernel_whose_gradient_is_slow_on_a_cpu(tiny):
    model = make_model(replace(tiny, dropout=0.0)).train()
    images = torch.randn(2, tiny.channels, tiny.image_size, tiny.image_size)
    with torch.autocast("cpu", torch.bfloat16):
        *_, last = model.steps(images)
    nodes, seen = [last.logits.grad_fn], set()
    while nodes:
        node = nodes.pop()
        if node is not None and node not in seen:
            seen.add(node)
            nodes += [parent for parent, _ in node.next_functions]
    names = {node.name() for node in seen}
    assert any(name.startswith("SoftmaxBackward") for name in names)
    assert not any("ScaledDotProduct" in name for name in names)
