"""Precision and compile "auto": the fastest is taken, once, and stands in the run folder. Which one that is here is
never tested.
"""

import json
from dataclasses import replace

import pytest
import torch

from vitrm.cli import main as cli
from vitrm.errors import ConfigError
from vitrm.families import make_model
from vitrm.runs.folder import Run
from vitrm.training.fit import fit
from vitrm.training.precision import Pace, paces, settled
from vitrm.training.trainer import Trainer


def auto(config, precision="auto", compiled=False, epochs=2):
    return replace(config, train=replace(config.train, precision=precision, compile=compiled, epochs=epochs))


def measured(**times):
    """What `settled` is told of variants, by precision and with "_compiled": seconds of the first batch and of one."""

    def measure(trainers):
        names = [each.config.train.precision + "_compiled" * each.config.train.compile for each in trainers]
        return [Pace(*times[name]) for name in names]

    return measure


@pytest.mark.parametrize(("slow", "fast", "taken"), [(2.0, 1.0, "bf16"), (1.0, 1.0, "fp32"), (1.03, 1.0, "fp32")])
def test_the_faster_one_is_taken_and_what_is_noise_is_not(small_run, few_digits, slow, fast, taken):
    measure = measured(fp32=(9.0, slow), bf16=(9.0, fast))
    chosen = settled(auto(small_run), few_digits, "cpu", measure=measure)
    assert chosen.train.precision == taken
    assert chosen.differences(auto(small_run)) == {"train.precision": taken}
    assert settled(small_run, few_digits, "cpu", measure=None) is small_run  # it was decided by whoever asked


FEW, MANY = 2, 1000  # epochs, of five batches


@pytest.mark.parametrize(
    ("epochs", "compiled", "within", "kept", "said"),
    [
        (MANY, (30.0, 1.0), 9999.0, True, "the fastest here: bf16, compiled; a batch takes 3 s in fp32, 2 s in bf16, "),
        (MANY, (30.0, 1.9), 9999.0, False, "here: bf16; a batch takes 3 s in fp32, 2 s in bf16, 1.9 s compiled (2 s "),
        (MANY, (6000.0, 1.0), 9999.0, False, "the first one 6000 s"),  # all it brings
        (MANY, (30.0, 1.0), 600.0, False, "compiling is not tried for 10 minutes of training"),
        (FEW, None, 9999.0, False, "compiling is not tried for 0.33 minutes of training"),
    ],
)
def test_compiling_is_tried_where_the_training_is_long_and_kept_where_it_pays(
    small_run, few_digits, monkeypatch, epochs, compiled, within, kept, said
):
    learning = "vitrm.training.deep_supervision"
    monkeypatch.setattr(f"{learning}.compile_each", lambda *given: None)  # to import a compiler takes long
    monkeypatch.setattr("vitrm.training.compiling.crowded", lambda: 1.0)
    config, lines = auto(small_run, compiled="auto", epochs=epochs), []
    measure = measured(fp32=(4.0, 3.0), bf16=(4.0, 2.0), bf16_compiled=compiled)
    chosen = settled(config, few_digits, "cpu", within=within, say=lines.append, measure=measure)
    assert chosen.differences(config) == {"train.precision": "bf16", "train.compile": kept}
    (line,) = lines
    assert said in line
    told = settled(replace(config, train=replace(config.train, precision="bf16")), few_digits, "cpu", within=within,
                   measure=measure)  # fmt: skip
    assert told == chosen


def test_a_training_is_not_compiled_where_that_fails_and_its_log_says_why(small_run, few_digits, monkeypatch):
    def fail(modules, wanted):
        if wanted:
            raise RuntimeError("no working C++ compiler\nin a long trace")

    monkeypatch.setattr("vitrm.training.deep_supervision.compile_each", fail)
    monkeypatch.setattr("vitrm.training.compiling.crowded", lambda: 1.0)
    config, lines = auto(small_run, "fp32", "auto", MANY), []
    chosen = settled(config, few_digits, "cpu", say=lines.append, measure=measured(fp32=(4.0, 3.0)))
    assert chosen.train.compile is False
    assert lines == [
        "the fastest here: fp32; a batch takes 3 s in fp32, compiling fails (RuntimeError: no working C++ compiler)"
    ]


def test_elsewhere_than_on_a_cpu_or_a_cuda_device_nothing_is_tried(small_run, few_digits):
    chosen = settled(auto(small_run, compiled="auto", epochs=MANY), few_digits, "mps", measure=None)
    assert (chosen.train.precision, chosen.train.compile) == ("fp32", False)


def test_batches_are_timed_by_turns_and_each_at_its_fastest(small_run, few_digits):
    now, order = [0.0], []

    def clock():  # told at the beginning of a batch, and at its end
        return now[0]

    class Timed(Trainer):
        def train_batch(self, images, labels, unlearned):
            order.append(self)
            now[0] += 1.0 if order.count(self) == 3 else 0.25 + len(order) / 64  # the third one is slow
            return super().train_batch(images, labels, unlearned)

    first, second = (Timed(small_run, few_digits, "cpu") for _ in range(2))
    assert paces([first, second], clock) == [(0.25 + 1 / 64, 0.25 + 3 / 64), (0.25 + 2 / 64, 0.25 + 4 / 64)]
    assert order == [first, second] * 4


def test_what_was_decided_is_in_the_run_and_stays_when_it_is_resumed(small_run, few_digits, tmp_path, capsys):
    wanted = auto(small_run, compiled="auto")
    run = fit(wanted, tmp_path / "run", few_digits, device="cpu")
    decided = run.config().train.precision
    assert decided in ("fp32", "bf16")
    assert run.config().train.compile is False  # so short
    assert fit(wanted, tmp_path / "run", few_digits, device="cpu", resume=True).config() == run.config()
    other = {"fp32": "bf16", "bf16": "fp32"}[decided]
    with pytest.raises(ConfigError, match=r"another train\.precision"):
        fit(auto(small_run, other), tmp_path / "run", few_digits, device="cpu", resume=True)
    words = ["digits", "--train.precision", "auto", "--train.compile", "auto"]
    words += ["--train.epochs", "1", "--train.epoch_images", "64"]
    words += ["--model.dim", "16", "--model.num_heads", "2", "--model.mlp_dim", "16", "--model.depth", "1"]
    where = ["--device", "cpu", "--threads", "1"]
    assert cli.main(["train", *words, *where, "--runs", str(tmp_path), "--name", "told"]) == 0
    decided = Run(tmp_path / "told").config().train
    assert decided.compile is False
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("the fastest here: "))
    assert line.startswith(f"the fastest here: {decided.precision}; a batch takes ")
    assert cli.main(["train", *words, *where, "--estimate"]) == 0
    assert json.loads(capsys.readouterr().out)["epochs"] == 1


def test_a_trainer_does_not_decide_it(small_run, few_digits):
    trainer = Trainer(auto(small_run), few_digits, "cpu")
    with pytest.raises(ConfigError, match="not decided yet: expected fp32 or bf16"):
        next(trainer.train_batch(*trainer.first_of_each()[0]))
    with pytest.raises(ConfigError, match="not decided yet: expected true or false"):
        Trainer(auto(small_run, "fp32", "auto"), few_digits, "cpu")


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
