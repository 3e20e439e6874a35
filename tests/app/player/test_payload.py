"""What the player is sent: complete, small, and equal to the trace."""

import base64
import gc
import json
import weakref
from dataclasses import replace

import numpy as np
import pytest

from app.attention.attribution import METHODS, Attribution
from app.change import parse_edit
from app.player.cells import cell_colours
from app.player.payload import payload, principal_plane
from app.player.player import showable, shown_panels
from vitrm.data.mazes import FIRST_GEM
from vitrm.runs.checkpoints import build, find_run
from vitrm.traces.recording import trace
from vitrm.traces.rollout import rollout
from vitrm.traces.trace import Trace


def decoded(text):
    return np.frombuffer(base64.b64decode(text), dtype="<f4")


@pytest.mark.parametrize(("preset", "limit"), [("digits", 500_000), ("digits-glimpse", 500_000), ("paper", 3_000_000)])
def test_the_payload_is_json_and_small(preset, limit):
    model = build(preset)
    config = model.config
    pixels = np.zeros((config.channels, config.image_size, config.image_size), np.uint8)
    sent = payload(trace(model, pixels), ("equations", "memory", "attention", "edits"))
    assert len(json.dumps(sent)) < limit


def test_patches_that_see_over_their_edges_are_no_linear_map_and_the_player_says_so(tmp_path):
    model = build("photo")
    made = trace(model, np.zeros((3, 32, 32), np.uint8))
    made.save(tmp_path / "trace.npz")
    for each, place, formula in (
        (Trace.load(tmp_path / "trace.npz"), "in place of Eq. 1", "x = convolutions(image) + positions"),
        (replace(made, embedding="linear"), "Eq. 1", "x = patches · W + positions"),
    ):
        sent = payload(each, ("equations",))
        first = sent["equations"][0]
        assert (first["number"], first["formula"]) == (place, formula)
        assert ("Convolutions let each see" in sent["sight"]) == (each.embedding == "convolutional")


def test_the_player_says_how_far_tokens_read_where_they_do_not_read_all(tmp_path):
    far = ": each token those within 3 rows and columns, the answer token all."
    for model, sight in ((build("mazes"), far), (build("digits"), ".")):
        size = model.config.image_size
        made = trace(model, np.zeros((model.config.channels, size, size), np.uint8))
        made.save(tmp_path / "trace.npz")
        assert payload(Trace.load(tmp_path / "trace.npz"))["sight"] == sight


def test_the_payload_holds_the_probabilities_of_the_trace(shown):
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


def test_what_a_link_wants_on_show_is_told_from_what_the_player_does_not_have(shown):
    there, usual = showable(shown, ("memory",))
    assert there == ["look", "answer", "curves", "memory"]
    assert usual == there[:3]
    assert shown_panels("memory,look,nothing", there) == ("look,memory", ["nothing"])
    assert shown_panels("", there) == ("", [])
    assert showable(shown, ("attention", "maps", "edits")) == (
        ["attention", "answer", "edits"],
        ["attention", "answer"],
    )
    assert showable(shown, ("equations", "code", "curves")) == (  # these in the lead, the curves on demand
        ["look", "answer", "equations", "curves", "code"],
        ["look", "answer", "equations"],
    )
    alone = replace(shown, patch_attention=None, state_attention=None, answer_attention=None)
    assert showable(alone, ("attention",))[0] == usual


def test_classes_that_are_called_by_a_colour_have_it(shown):
    assert payload(shown)["classColours"] is None
    gems = payload(replace(shown, class_names=("sky blue", "orange")))["classColours"]
    assert gems == [cell_colours()[FIRST_GEM + 1], cell_colours()[FIRST_GEM]]
