"""What the player is sent: complete, small, and equal to the trace."""

import base64
import json

import numpy as np
import pytest

from app import figures
from app.diagram import drawing
from app.player import parse_edit, payload
from app.player.payload import principal_plane
from vitrm.config import PRESETS
from vitrm.edits import Edit
from vitrm.errors import ConfigError
from vitrm.runs import build, find_run
from vitrm.traces import Trace
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


@pytest.mark.parametrize(
    ("text", "edit"),
    [
        ("", Edit()),
        ("p3,7", Edit(hidden_patches=(3, 7))),
        ("p3;z0;f2;s", Edit(hidden_patches=(3,), zeroed=(0,), frozen=(2,), shuffled=True)),
    ],
)
def test_an_edit_is_read_from_its_link(text, edit):
    assert parse_edit(text) == edit


@pytest.mark.parametrize("text", ["p", "x1", "p-1", "p1,", "s1", "p1;;q", "p²", "p3;p4"])
def test_an_edit_that_cannot_be_read_is_refused_by_name(text):
    with pytest.raises(ConfigError, match="cannot be read"):
        parse_edit(text)


def test_the_edits_panel_gets_both_runs():
    run = find_run("digits-glimpse")
    shown = next(iter(run.gallery().values()))
    edited = trace(run.load_model(), shown.pixels, edit=parse_edit("p5"))
    data = payload(shown, ("attention", "edits"), "p5", edited)["edits"]
    np.testing.assert_array_equal(decoded(data["original"]["probs"]), shown.probs.ravel())
    np.testing.assert_array_equal(decoded(data["edited"]["probs"]), edited.probs.ravel())


def test_the_plane_keeps_the_largest_directions():
    generator = np.random.default_rng(0)
    states = generator.normal(size=(5, 3, 4)) * np.array([9.0, 2.0, 0, 0])  # all movement in one plane
    path, share = principal_plane(states)
    assert path.shape == (5, 3, 2)
    assert share.sum() == pytest.approx(1)
    centred = states.reshape(-1, 4) - states.reshape(-1, 4).mean(axis=0)
    np.testing.assert_allclose(np.linalg.norm(path.reshape(-1, 2), axis=1), np.linalg.norm(centred, axis=1), atol=1e-9)


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


def test_the_downloads_hold_the_trace_and_its_numbers(tmp_path):
    shown = next(iter(find_run("digits-glimpse").gallery().values()))
    (tmp_path / "trace.npz").write_bytes(figures.trace_file(shown))
    np.testing.assert_array_equal(Trace.load(tmp_path / "trace.npz").patch_attention, shown.patch_attention)
    header, *lines = figures.numbers_file(shown).decode().splitlines()
    assert header.startswith("supervision step,memory iteration,answer,halting probability")
    assert len(lines) == shown.halt_logit.size


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_the_picture_says_the_numbers_of_the_configuration(preset):
    config = PRESETS[preset].model
    picture = drawing(config, dark=False)
    assert f"× {config.memory_steps}" in picture
    assert f"{config.memory_size} memory tokens" in picture
    assert f"{config.depth} layers" in picture
    assert ("It never changes." in picture) == (config.glimpse_patches is None)
