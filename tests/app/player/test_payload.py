"""What the player is sent: complete, small, and equal to the trace."""

import base64
import gc
import json
import weakref
from dataclasses import replace

import numpy as np
import pytest

from app import figures
from app.attention.attribution import METHODS, Attribution
from app.bench import measure
from app.change import parse_edit
from app.diagram.diagram import drawing
from app.player.payload import payload, principal_plane
from app.player.standalone import standalone
from vitrm.config import PRESETS
from vitrm.errors import ConfigError
from vitrm.runs.checkpoints import build, find_run
from vitrm.traces.edits import Edit
from vitrm.traces.recording import trace
from vitrm.traces.rollout import rollout
from vitrm.traces.trace import Trace


@pytest.fixture(scope="module")
def shown():
    """A ready-made trace of digits-glimpse: N = 6, T = 1, M = 2, 16 patches, 8 memory tokens."""
    return next(iter(find_run("digits-glimpse").gallery().values()))


def decoded(text):
    return np.frombuffer(base64.b64decode(text), dtype="<f4")


@pytest.mark.parametrize(("preset", "limit"), [("digits", 500_000), ("digits-glimpse", 500_000), ("paper", 3_000_000)])
def test_the_payload_is_json_and_small(preset, limit):
    model = build(preset)
    config = model.config
    pixels = np.zeros((config.channels, config.image_size, config.image_size), np.uint8)
    sent = payload(trace(model, pixels), ("equations", "memory", "attention", "edits"))
    assert len(json.dumps(sent)) < limit


def test_the_payload_holds_the_probabilities_of_the_trace():
    shown = next(iter(find_run("digits-glimpse").gallery().values()))
    data = payload(shown)
    np.testing.assert_array_equal(decoded(data["probs"]), shown.probs.astype("<f4").ravel())
    np.testing.assert_array_equal(decoded(data["halt"]), shown.halt_prob.astype("<f4").ravel())
    assert data["label"] == shown.label
    assert data["patches"] == shown.patches.tolist()


def test_what_depends_on_the_trace_alone_is_made_once_and_forgotten_with_it(shown):
    mine = replace(shown)
    first = payload(mine, ("attention",))
    assert payload(mine, ("attention",))["attention"] is first["attention"]
    gone = weakref.ref(mine)
    del mine, first
    gc.collect()
    assert gone() is None


def test_attention_is_sent_in_16_bits_or_in_8_where_there_is_much_of_it(shown):
    weights = shown.patch_attention
    fine = payload(shown, ("attention",))["attention"]
    assert fine["bits"] == 16
    sent = np.frombuffer(base64.b64decode(fine["toPatches"]), "<u2") / 65535
    np.testing.assert_allclose(sent, weights.ravel(), atol=1e-5)
    many = replace(shown, patch_attention=np.tile(weights, (1, 1, 1, 1, 400, 1, 1)))
    coarse = payload(many, ("attention",))["attention"]
    assert coarse["bits"] == 8
    sent = np.frombuffer(base64.b64decode(coarse["toPatches"]), np.uint8) / 255
    np.testing.assert_allclose(sent, many.patch_attention.ravel(), atol=0.5 / 255 + 1e-6)


@pytest.mark.parametrize(
    ("text", "edit", "counts"),
    [
        ("", Edit(), {}),
        ("p3,7", Edit(hidden_patches=(3, 7)), {}),
        ("p3;z0;f2;s", Edit(hidden_patches=(3,), zeroed=(0,), frozen=(2,), shuffled=True), {}),
        ("n12;t2;m1", Edit(), {"supervision_steps": 12, "recursion_steps": 2, "memory_steps": 1}),
        ("z1;m4", Edit(zeroed=(1,)), {"memory_steps": 4}),
    ],
)
def test_an_edit_is_read_from_its_link(shown, text, edit, counts):
    change = parse_edit(text, shown)
    assert change.edit == edit
    assert change.counts == counts


@pytest.mark.parametrize(
    "text", ["p", "x1", "p-1", "p1,", "s1", "p1;;q", "p²", "n٣", "p" + "9" * 5000, "p3;p4", "n", "n6;n12"]
)
def test_an_edit_that_cannot_be_read_is_refused_by_name(shown, text):
    with pytest.raises(ConfigError, match="cannot be read"):
        parse_edit(text, shown)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("n500", "expected n with one of 1, 2, 3, 4, 5, 6, 12, 24"),
        ("t9", "expected t with one of 1, 2, 3, 4"),
        ("m1,2", "expected m with"),
        ("p16", "patch 16"),
        ("z8", "memory token 8"),
    ],
)
def test_an_edit_that_names_what_is_not_there_is_refused_with_what_there_is(shown, text, expected):
    with pytest.raises(ConfigError, match=expected):
        parse_edit(text, shown)


def test_the_edits_panel_gets_both_runs_also_of_different_length(shown):
    model = find_run("digits-glimpse").load_model()
    change = parse_edit("p5;n12;m1", shown)
    edited = trace(model, shown.pixels, edit=change.edit, **change.counts)
    data = payload(shown, ("attention", "edits"), "p5;n12;m1", edited)["edits"]
    assert data["original"]["shape"] == [6, 1, 2]
    assert data["edited"]["shape"] == [12, 1, 1]
    np.testing.assert_array_equal(decoded(data["original"]["probs"]), shown.probs.ravel())
    np.testing.assert_array_equal(decoded(data["edited"]["probs"]), edited.probs.ravel())


def test_the_attribution_panel_lays_three_methods_beside_rollout(shown):
    assert payload(shown, ("attribution",))["attribution"] is None
    maps = {name: np.random.default_rng(0).normal(size=(6, 16)).astype(np.float32) for name in METHODS}
    maps["occlusion"][2] = 0  # the same everywhere: no ranks to compare
    maps["saliency"] = np.abs(maps["saliency"])
    data = payload(shown, ("attribution",), attribution=Attribution(3, maps))["attribution"]
    assert [entry["name"] for entry in data["maps"]] == ["Attention (rollout)", *(m.title for m in METHODS.values())]
    np.testing.assert_array_equal(decoded(data["maps"][0]["values"]), rollout(shown)[:, -1, -1].ravel())
    np.testing.assert_array_equal(decoded(data["maps"][1]["values"]), maps["integrated_gradients"].ravel())
    assert data["agreement"]["Occlusion"][2] == 0
    assert all(-1 <= value <= 1 for values in data["agreement"].values() for value in values)


def test_patches_that_were_not_read_do_not_make_two_maps_agree(shown):
    reached, read = rollout(shown)[0, -1, -1], shown.patches[0]
    opposite = np.zeros((6, 16), np.float32)
    opposite[0, read] = 1 - reached[read]
    data = payload(shown, ("attribution",), attribution=Attribution(3, dict.fromkeys(METHODS, opposite)))
    assert data["attribution"]["agreement"]["Saliency"][0] == pytest.approx(-1)


def test_the_standalone_page_holds_all_and_asks_for_nothing(shown):
    hostile = replace(shown, class_names=("</script><script>alert(1)</script>", *shown.class_names[1:]))
    page = standalone(hostile, "A <title>", "Said & done.", ("equations", "memory", "attention", "edits")).decode()
    assert "A &lt;title&gt;" in page
    assert "Said &amp; done." in page
    assert "</script><script>alert" not in page
    data = json.loads(page.split('id="data">')[1].split("</script>")[0])
    assert data["classes"] == list(hostile.class_names)
    assert data["panels"] == ["equations", "memory", "attention"]  # an edit needs the model
    for reach in ('src="', "@import", "url(http", "fetch(", "import("):
        assert reach not in page


def test_the_plane_keeps_the_largest_directions():
    generator = np.random.default_rng(0)
    states = generator.normal(size=(5, 3, 4)) * np.array([9.0, 2.0, 0, 0])  # all movement in one plane
    path, share = principal_plane(states)
    assert path.shape == (5, 3, 2)
    assert share.sum() == pytest.approx(1)
    centred = states.reshape(-1, 4) - states.reshape(-1, 4).mean(axis=0)
    np.testing.assert_allclose(np.linalg.norm(path.reshape(-1, 2), axis=1), np.linalg.norm(centred, axis=1), atol=1e-9)


def test_the_gallery_is_what_the_model_computes_today(close):
    run = find_run("digits-glimpse")
    model = run.load_model()
    for ready in run.gallery().values():
        fresh = trace(model, ready.pixels, seed=ready.seed)
        np.testing.assert_array_equal(fresh.patches, ready.patches)
        close(fresh.logits, ready.logits)


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
    assert header.startswith("supervision step,memory iteration,answer,halting probability,length of y")
    assert len(lines) == shown.halt_logit.size


@pytest.mark.parametrize("preset", sorted(name for name, config in PRESETS.items() if config.model.recurrent))
def test_the_picture_says_the_numbers_of_the_configuration(preset):
    config = PRESETS[preset].model
    picture = drawing(config, dark=False)
    assert f"× {config.memory_steps}" in picture
    assert f"{config.memory_size} memory tokens" in picture
    assert f"{config.depth} layer" in picture
    assert ("It never changes." in picture) == (config.glimpse_patches is None)


def test_the_benchmark_of_the_player_measures_what_is_sent():
    row = measure("digits", repeats=1)
    assert all(value > 0 for value in row.values())
    assert row["kB_without_panels"] < row["kB"] < 500
    assert row["filled_ms"] == pytest.approx(row["trace_ms"] + row["payload_ms"] + row["json_ms"])
