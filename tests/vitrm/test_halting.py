"""Early exit: the same answers, image by image, for less work."""

import math
from dataclasses import replace

import pytest
import torch

from vitrm.data.sources import load_dataset
from vitrm.errors import ConfigError
from vitrm.halting import Halt, predict
from vitrm.nets.cost import multiply_adds
from vitrm.runs.checkpoints import load

RULES = [
    Halt("learned", 0.9),
    Halt("entropy", 0.3),
    Halt("change", 5.0),
    Halt("learned", 0.99, max_steps=9),
    Halt("learned", 0.99, max_steps=3),
    Halt("entropy", 0.05, max_steps=4),
    Halt("change", 7.0, max_steps=4),
]


@pytest.fixture(scope="module")
def model():
    return load("digits-glimpse")


@pytest.fixture(scope="module")
def images(model):
    pixels = load_dataset("digits", image_size=8, channels=1).val.images[:40]
    return model.transform.normalize(pixels)


SEEDS = torch.arange(40)


def test_without_halting_the_answer_is_that_of_the_model(model, images, close):
    result = predict(model, images, Halt("fixed"), SEEDS)
    close(result.probs, model(images, seeds=SEEDS).softmax(-1))
    assert result.exit_step.tolist() == [6] * 40
    assert result.policy == "all 6 supervision steps run for every image; no halting"


@pytest.mark.parametrize("halt", RULES, ids=lambda halt: f"{halt.rule}-{halt.threshold}-{halt.max_steps}")
def test_an_image_leaves_at_the_first_step_at_which_its_rule_is_met(model, images, halt, close):
    result = predict(model, images, halt, SEEDS)
    last = halt.max_steps or 6
    steps = list(model.steps(images, last, SEEDS))
    assert len(result.exit_step.unique()) >= 3  # otherwise this test would show little
    for i in range(len(images)):
        met = []
        for n, step in enumerate(steps):
            probs = step.logits[i].softmax(-1)
            if halt.rule == "learned":
                met.append(step.halt_prob[i] > halt.threshold)
            elif halt.rule == "entropy":
                met.append(-(probs * probs.log()).sum() < halt.threshold)
            else:
                moved = (step.memory[i] - steps[n - 1].memory[i]).norm(dim=-1).mean()
                met.append(n > 0 and moved < halt.threshold)
        expected = next((n + 1 for n, enough in enumerate(met) if enough), last)
        assert result.exit_step[i] == expected
        close(result.probs[i], steps[expected - 1].logits[i].softmax(-1))


def test_with_several_rules_an_image_leaves_at_the_first_that_says_so(model, images):
    learned, entropy, change = Halt("learned", 0.99), Halt("entropy", 0.08), Halt("change", 6.0)
    first = Halt("learned", 0.99, also=(entropy, change), max_steps=5)
    result = predict(model, images, first, SEEDS)
    alone = torch.stack([predict(model, images, halt, SEEDS).exit_step for halt in (learned, entropy, change)])
    assert torch.equal(result.exit_step, alone.min(dim=0).values.clamp(max=5))
    winners = alone.argmin(dim=0)
    assert {0, 1} <= set(winners.tolist())  # no rule alone decides
    assert result.exit_step.max() == 5
    assert result.policy == (
        "halted when the halting probability exceeds 0.99 or the entropy of the prediction falls below 0.08 nats "
        "or the memory moves less than 6 in a step, after at most 5 supervision steps"
    )


def test_the_result_of_an_image_does_not_depend_on_its_batch(model, images, close):
    together = predict(model, images, Halt("learned", 0.9), SEEDS)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(1))
    shuffled = predict(model, images[order], Halt("learned", 0.9), SEEDS[order])
    assert torch.equal(shuffled.exit_step, together.exit_step[order])
    close(shuffled.probs, together.probs[order])
    for i in (0, 7, 31):
        alone = predict(model, images[i : i + 1], Halt("learned", 0.9), SEEDS[i : i + 1])
        assert alone.exit_step == together.exit_step[i]
        close(alone.probs[0], together.probs[i])


def test_images_that_have_halted_are_no_longer_computed(model, images, monkeypatch):
    sizes = []
    update_memory = type(model).update_memory

    def watched(self, reading, state, record=False):
        sizes.append(len(state.memory))
        return update_memory(self, reading, state, record)

    monkeypatch.setattr(type(model), "update_memory", watched)
    result = predict(model, images, Halt("learned", 0.9), SEEDS)
    per_step = sizes[:: model.config.memory_steps]
    assert per_step == [int((result.exit_step >= n).sum()) for n in range(1, len(per_step) + 1)]
    assert per_step[-1] < per_step[0]


def test_the_cost_is_that_of_the_steps_that_were_run(model, images):
    result = predict(model, images, Halt("learned", 0.9), SEEDS)
    assert result.multiply_adds.tolist() == [multiply_adds(model.config, n) for n in result.exit_step.tolist()]


def test_the_cost_is_that_of_images_of_the_size_they_have():
    model = load("mazes")
    side = 2 * model.config.image_size
    result = predict(model, torch.zeros(1, model.config.channels, side, side), Halt(max_steps=2))
    assert result.multiply_adds.tolist() == [multiply_adds(replace(model.config, image_size=side), 2)]
    assert result.multiply_adds[0] > 4 * multiply_adds(model.config, 2)


def test_an_empty_batch_gives_an_empty_answer(model, images):
    assert predict(model, images[:0], Halt()).label.shape == (0,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rule": "sometimes"}, "unknown halting rule 'sometimes'"),
        ({"threshold": math.nan}, "halting threshold nan"),
        ({"max_steps": 0}, "max_steps=0: expected 1 or more"),
        ({"also": (Halt("entropy", 0.1, max_steps=2),)}, "give them to the outer policy"),
        ({"also": (Halt("fixed"),)}, "cannot be combined: use max_steps"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(arguments, message):
    with pytest.raises(ConfigError, match=message):
        Halt(**arguments)
