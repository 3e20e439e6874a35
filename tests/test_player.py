"""What the player is sent: complete, small, and equal to the trace."""

import base64
import json

import numpy as np
import pytest

from app import figures
from app.diagram import drawing
from app.player import payload
from vitrm.config import PRESETS
from vitrm.runs import build, find_run
from vitrm.tracing import trace


def decoded(text):
    return np.frombuffer(base64.b64decode(text), dtype="<f4")


@pytest.mark.parametrize(("preset", "limit"), [("digits", 500_000), ("digits-glimpse", 500_000), ("paper", 3_000_000)])
def test_the_payload_is_json_and_small(preset, limit):
    model = build(preset)
    config = model.config
    pixels = np.zeros((config.channels, config.image_size, config.image_size), np.uint8)
    assert len(json.dumps(payload(trace(model, pixels)))) < limit


def test_the_payload_holds_the_probabilities_of_the_trace():
    shown = next(iter(find_run("digits-glimpse").gallery().values()))
    data = payload(shown)
    np.testing.assert_array_equal(decoded(data["probs"]), shown.probs.astype("<f4").ravel())
    np.testing.assert_array_equal(decoded(data["halt"]), shown.halt_prob.astype("<f4").ravel())
    assert data["label"] == shown.label
    assert data["patches"] == shown.patches.tolist()


def test_two_traces_have_two_ids_and_one_trace_has_one():
    first, second, *_ = find_run("digits-glimpse").gallery().values()
    assert payload(first)["id"] == payload(first)["id"] != payload(second)["id"]


def test_the_gallery_is_what_the_model_computes_today():
    run = find_run("digits-glimpse")
    model = run.load_model()
    for ready in run.gallery().values():
        fresh = trace(model, ready.pixels, seed=ready.seed)
        np.testing.assert_array_equal(fresh.patches, ready.patches)
        np.testing.assert_allclose(fresh.logits, ready.logits, atol=1e-4)


def test_the_table_has_a_row_for_every_read_out():
    shown = next(iter(find_run("digits-glimpse").gallery().values()))
    rows = figures.numbers(shown)
    assert len(rows) == shown.halt_logit.size
    assert rows[-1]["answer"] == shown.class_names[shown.probs[-1, -1, -1].argmax()]
    assert sum(value for name, value in rows[0].items() if name.startswith("P(")) == pytest.approx(100, abs=1e-3)


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_the_picture_says_the_numbers_of_the_configuration(preset):
    config = PRESETS[preset].model
    picture = drawing(config, dark=False)
    assert f"× {config.memory_steps}" in picture
    assert f"{config.memory_size} memory tokens" in picture
    assert f"{config.depth} layers" in picture
