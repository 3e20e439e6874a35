"""ViTRM's other read-out: a soft mixture of the answers of all supervision steps so far."""

from dataclasses import replace

import pytest
import torch

from vitrm.config import Config, ModelConfig
from vitrm.errors import ConfigError
from vitrm.families import equip
from vitrm.halting import Halt, predict
from vitrm.model import ViTRM
from vitrm.runs.export import save_onnx
from vitrm.traces.recording import trace
from vitrm.training.events import EpochEnd
from vitrm.training.trainer import Trainer


@pytest.fixture
def model(tiny):
    """Three supervision steps, with a mixer that prefers some answers to others."""
    made = ViTRM(replace(tiny, readout="mixture", supervision_steps=3)).eval()
    torch.nn.init.normal_(made.mixer.score.weight)
    torch.nn.init.normal_(made.halting.weight)
    return equip(made, Config(model=made.config))


@pytest.fixture
def images():
    return torch.randn(4, 1, 8, 8)


def test_without_it_nothing_is_added_and_with_it_a_seed_starts_the_rest_alike(tiny):
    torch.manual_seed(3)
    usual = ViTRM(tiny).state_dict()
    torch.manual_seed(3)
    mixing = ViTRM(replace(tiny, readout="mixture")).state_dict()
    assert {name for name in mixing if name not in usual} == {"mixer.score.weight"}
    assert all(torch.equal(mixing[name], tensor) for name, tensor in usual.items())
    assert Config.from_dict({"model": {"dim": 32, "num_heads": 2}}).model == ModelConfig(dim=32, num_heads=2)
    assert ModelConfig().readout == "last"


def test_the_heads_read_the_softly_weighted_answers_of_all_steps_so_far(model, images, close):
    steps = list(model.steps(images))
    answers = torch.cat([step.answer for step in steps], dim=1)  # (B, 3, D)
    normal = (answers - answers.mean(-1, keepdim=True)) / (answers.var(-1, keepdim=True, correction=0) + 1e-5).sqrt()
    scores = normal @ model.mixer.score.weight[0]  # (B, 3)
    for n, step in enumerate(steps, start=1):
        weights = scores[:, :n].softmax(dim=-1)
        mixed = (weights[..., None] * answers[:, :n]).sum(dim=1)
        close(step.logits, model.classifier(mixed))
        close(step.halt_logit, model.halting(mixed)[:, 0])
        each = torch.stack([model.classifier(answers[:, k]) for k in range(n)], dim=1)
        close(step.logits, (weights[..., None] * each).sum(dim=1))  # linear heads: mixed logits


def test_the_recursion_itself_is_not_changed(model, images):
    usual = ViTRM(replace(model.config, readout="last")).eval()
    usual.load_state_dict({name: t for name, t in model.state_dict().items() if not name.startswith("mixer")})
    for ours, theirs in zip(model.steps(images, 5), usual.steps(images, 5), strict=True):
        assert torch.equal(ours.memory, theirs.memory)
        assert torch.equal(ours.answer, theirs.answer)
    assert torch.equal(model(images, 1), usual(images, 1))  # of one answer there is no mixture


def test_images_that_leave_take_their_answers_with_them(model, images, close):
    after_one = next(model.steps(images)).halt_prob.detach().sort().values
    halt = Halt("learned", float(after_one[1:3].mean()))  # two of the four leave, two stay
    told = predict(model, images, halt)
    for i in range(len(images)):
        alone = predict(model, images[i : i + 1], halt)
        close(told.probs[i], alone.probs[0])
    assert int((told.exit_step == 1).sum()) == 2


def test_a_trace_tells_the_same_answers(model, few_digits, close):
    shot = trace(model, few_digits.test.images[0], supervision_steps=4)
    steps = list(model.steps(model.transform.normalize(few_digits.test.images[:1]), 4))
    for n, step in enumerate(steps):
        close(torch.tensor(shot.logits[n, -1, -1]), step.logits[0].detach())
        close(torch.tensor(shot.halt_logit[n, -1, -1]), step.halt_logit[0].detach())


@pytest.mark.parametrize(("backprop", "reaches"), [("supervision_step", False), ("all", True)])
def test_earlier_answers_are_constants_where_the_weights_move_in_between(model, images, backprop, reaches):
    first, second, _ = model.train().steps(images, backprop=backprop)
    weight = model.mixer.score.weight
    to_mixer, to_first = torch.autograd.grad(second.logits.sum(), [weight, first.answer], allow_unused=True)
    assert float(to_mixer.abs().max()) > 0
    assert (to_first is not None) == reaches


def test_it_trains_as_the_paper_does_one_update_a_step(small_run, few_digits):
    config = replace(small_run, model=replace(small_run.model, readout="mixture"), train=replace(
        small_run.train, epochs=1, batch_size=40))  # fmt: skip
    trainer = Trainer(config, few_digits)
    end = next(event for event in trainer.events() if isinstance(event, EpochEnd))
    assert len(end.val_accuracy) == config.model.supervision_steps == 2
    assert trainer.updates == 2 * 2
    assert float(trainer.model.mixer.score.weight.detach().abs().max()) > 0


def test_one_step_as_onnx_has_no_earlier_answers(model, tmp_path):
    with pytest.raises(ConfigError, match="readout='mixture' reads the answers of all steps"):
        save_onnx(model, tmp_path / "model.onnx")
