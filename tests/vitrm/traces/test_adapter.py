"""A recursive model of another make gets the same trace and player."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from app.player.payload import payload
from vitrm.errors import RunError
from vitrm.places import ROOT
from vitrm.traces.adapter import Moment, trace_of
from vitrm.traces.trace import Trace


@pytest.fixture(scope="module")
def documented():
    """What the example in docs/python.md leaves behind, its file beside it."""
    text = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    (example,) = (block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "trace_of" in block)
    return example


@pytest.fixture
def left(documented):
    names = {}
    exec(compile(documented, "docs/python.md", "exec"), names)
    return names


def test_the_documented_model_has_a_trace_of_its_own_numbers_and_a_player(left, tmp_path):
    trace = left["trace"]
    assert isinstance(trace, Trace)
    assert trace.logits.shape == (4, 2, 3, 10)
    assert trace.memory.shape == (4, 2, 3, 16, 16)
    trace.save(tmp_path / "trm.npz")
    assert np.array_equal(Trace.load(tmp_path / "trm.npz").memory, trace.memory)
    assert payload(trace, ["memory", "attention"])["attention"] is None
    assert b"An untrained model." in (tmp_path / "trm.html").read_bytes()


def test_each_moment_is_what_the_model_says(left, close):
    torch.manual_seed(1)
    model, pixels = left["TinyTRM"](), left["pixels"]
    trace, moments = trace_of(model, pixels, label=3), list(model.moments(pixels))
    close(trace.answer.reshape(24, 16), torch.stack([moment.answer for moment in moments]))
    close(trace.halt_logit.reshape(24), torch.cat([moment.halt_logit for moment in moments]))
    close(trace.memory[1, 1, 2], moments[11].memory)
    close(trace.initial_memory, model.z)
    assert trace.label == 3
    assert trace.memory_change[0, 0, 0] == pytest.approx(
        float((moments[0].memory - model.z).norm(dim=-1).mean().detach()), rel=1e-4
    )


class Fixed:
    """Says what it is given."""

    class_names, patch_size, halt_threshold = ("a", "b"), 2, 0.5

    def __init__(self, steps, *moments):
        self.steps, self.said = steps, moments

    def start(self):
        return np.zeros(3), np.zeros((2, 3))

    def moments(self, pixels):
        return self.said


GOOD = Moment(logits=[0.0, 1.0], halt_logit=0.5, answer=[0, 0, 0], memory=np.ones((2, 3)))
PIXELS = np.zeros((1, 4, 4), np.uint8)


def test_attention_travels_too():
    seen = replace(
        GOOD,
        patch_attention=np.full((1, 2, 2, 4), 1 / 4),
        state_attention=np.full((1, 2, 2, 3), 1 / 3),
        answer_attention=np.full((1, 2, 3), 1 / 3),
    )
    trace = trace_of(Fixed((1, 1, 2), seen, seen), PIXELS)
    assert trace.patch_attention.shape == (1, 1, 2, 1, 2, 2, 4)
    assert trace.reading == "cross"


@pytest.mark.parametrize(
    ("moments", "why"),
    [
        ([GOOD], r"1 moments; steps=\(1, 1, 2\) asks for 2"),
        ([GOOD, replace(GOOD, memory=np.ones((3, 3)))], "memory: expected numbers of one shape"),
        ([replace(GOOD, logits=[1.0])] * 2, "logits has an axis of 1|class_names"),
        ([replace(GOOD, answer=[1.0, 2.0])] * 2, "memory has an axis of 3, expected 2"),
        ([replace(GOOD, logits=[np.nan, 0.0])] * 2, "logits: expected"),
        ([replace(GOOD, answer="words")] * 2, "answer: expected numbers"),
        ([GOOD, replace(GOOD, halt_logit=None)], "halt_logit: given at some moments and absent"),
    ],
)
def test_what_does_not_fit_is_named(moments, why):
    with pytest.raises(RunError, match=why):
        trace_of(Fixed((1, 1, 2), *moments), PIXELS)
