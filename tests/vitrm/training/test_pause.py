"""Pauses and single updates: they change nothing of the result, and say what they did."""

import pytest
import torch
from trainings import changed, exact, kinds

from vitrm.errors import TrainingDiverged
from vitrm.judge.evaluation import predict_steps
from vitrm.runs.state import State
from vitrm.training.control import _obey
from vitrm.training.events import Paused, Progress, Resumed, Updated
from vitrm.training.fit import begin
from vitrm.training.trainer import Trainer


def _held(trainer, at):
    """All events of a training that is held at an update, makes three single ones there, and goes on."""
    events, singles = [], 0
    update = trainer.update

    def counted(*arguments):
        update(*arguments)
        if trainer.updates == at:
            trainer.hold()

    trainer.update = counted
    for event in trainer.events():
        events.append(event)
        if isinstance(event, Paused | Updated):
            singles += isinstance(event, Updated)
            trainer.step() if singles < 3 else trainer.go()
    return events


@pytest.mark.parametrize("at", [1, 4, 10])  # inside a batch, between two, between epochs
def test_a_pause_with_single_updates_changes_nothing_of_the_result(small_run, few_digits, at):
    config = changed(small_run, backprop="supervision_step")  # five batches of two updates each
    free, held = Trainer(config, few_digits), Trainer(config, few_digits)
    expected = [exact(event) for event in free.events()]
    events = _held(held, at)
    seen = kinds(event for event in events if isinstance(event, Paused | Updated | Resumed))
    assert seen == ["Paused", "Updated", "Updated", "Updated", "Resumed"]
    singles = [event for event in events if isinstance(event, Updated)]
    assert [event.updates for event in singles] == [at + 1, at + 2, at + 3]
    assert [exact(event) for event in events if not isinstance(event, Paused | Updated | Resumed)] == expected
    for name in ("model", "averaged"):
        assert all(torch.equal(free.state_dict()[name][key], value) for key, value in held.state_dict()[name].items())


def test_a_single_update_says_what_it_changed(small_run, few_digits, close):
    trainer = Trainer(changed(small_run, grad_clip=0.0), few_digits)
    trainer.hold()
    trainer.step()
    before = {name: weight.detach().clone() for name, weight in trainer.model.named_parameters()}
    events = trainer.events()
    assert isinstance(next(events), Paused)
    event = next(events)
    assert isinstance(event, Updated)
    assert (event.updates, trainer.updates, event.supervision_step, event.images) == (1, 1, 0, 16)
    assert [few_digits.val.labels[int(name.removeprefix("val-"))] for name in event.watched] == list(event.labels)
    after = {name: weight.detach() for name, weight in trainer.model.named_parameters()}
    change = torch.cat([(after[name] - before[name]).flatten() for name in before if name.startswith("classifier")])
    length = torch.cat([before[name].flatten() for name in before if name.startswith("classifier")])
    assert event.moved["classifier"] == pytest.approx(float(change.norm() / length.norm()), rel=1e-5)
    assert {"patch_embed", "block.layers.0", "block.layers.1", "halting", "answer_init"} <= event.moved.keys()
    outputs = predict_steps(trainer.model, few_digits.preprocess, few_digits.val.subset(trainer.watched))
    probs = outputs.logits[-1].softmax(dim=-1)
    assert event.answers[1] == tuple(probs.argmax(dim=-1).tolist())
    close(event.true_prob[1], [float(p[label]) for p, label in zip(probs, event.labels, strict=True)])
    assert event.true_prob[0] != event.true_prob[1]
    assert event.gradient_norm > 0


def test_one_update_per_batch_means_that_a_single_update_is_a_whole_batch(small_run, few_digits):
    trainer = Trainer(changed(small_run, backprop="all", update="batch"), few_digits)
    trainer.hold()
    trainer.step()
    events = trainer.events()
    next(events)
    event = next(events)
    assert (event.updates, event.supervision_step, trainer.updates) == (1, 1, 1)
    trainer.stop()
    assert list(events) == []
    assert trainer.batch == 1


def test_stopping_ends_a_pause_and_inside_a_batch_the_batch_is_finished_first(small_run, few_digits):
    trainer = Trainer(small_run, few_digits)
    trainer.hold()
    trainer.step()
    for event in trainer.events():
        if isinstance(event, Updated):
            trainer.stop()
    assert (trainer.batch, trainer.updates) == (1, 2)


def test_waiting_is_not_counted_as_training(small_run, few_digits):
    clock = [0.0]

    def now():
        clock[0] += 0.001
        return clock[0]

    trainer = Trainer(changed(small_run, epochs=1), few_digits, clock=now)
    trainer.hold()
    for event in trainer.events():
        if isinstance(event, Paused):
            clock[0] += 1000
            trainer.go()
        if isinstance(event, Progress):
            assert event.images_per_s > 100
    assert trainer.seconds < 1


@pytest.mark.parametrize("asked", ["stop", "hold"])
def test_weights_that_are_no_numbers_do_not_replace_a_good_state(small_run, few_digits, asked):
    trainer = Trainer(small_run, few_digits)
    with torch.no_grad():
        trainer.model.classifier.bias[0] = float("nan")
    train_batch = trainer.train_batch

    def asking(images, labels):
        yield from train_batch(images, labels)
        getattr(trainer, asked)()

    trainer.train_batch = asking
    with pytest.raises(TrainingDiverged, match="in epoch 1, batch 1:"):
        list(trainer.events())


def test_a_run_goes_on_when_a_pause_is_taken_back_before_it_began(small_run, few_digits, tmp_path):
    run, trainer = begin(small_run, few_digits, tmp_path / "run", "a test", "cpu")
    for wanted, state in (("pause", State.PAUSING), ("go", State.RUNNING)):
        _obey(run, trainer, {"wanted": wanted}, 0)
        assert run.state is state
    run.release()
