"""The pages run without an exception and say what they show (Streamlit's AppTest, no browser)."""

import base64
import inspect
import json
import textwrap
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from vitrm.model import ViTRM

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def home():
    return AppTest.from_file(str(ROOT / "app" / "Home.py"), default_timeout=60)


def player_data(app):
    data = [json.loads(block.proto.json) for block in app.get("bidi_component") if "probs" in block.proto.json]
    assert len(data) == 1
    return data[0]


def test_the_landing_page_shows_a_ready_made_trace_without_a_click(home):
    home.run()
    assert not home.exception
    data = player_data(home)
    assert data["shape"] == [6, 1, 2]
    assert data["glimpse"]
    assert len(data["patches"]) == 6


def test_the_caption_names_data_checkpoint_accuracy_and_chance(home):
    home.run()
    caption = home.caption[0].value
    for part in ("handwritten digits", "test split", "digits-glimpse", "after step 1", "after step 6", "chance 10 %"):
        assert part in caption


def test_picking_another_class_shows_an_image_of_that_class(home):
    home.run()
    before = player_data(home)
    choice = home.segmented_control[0]
    other = next(option for option in choice.options if option != before["classes"][before["label"]])
    choice.select(other).run()
    assert not home.exception
    after = player_data(home)
    assert after["classes"][after["label"]] == other
    assert after["pixels"] != before["pixels"]


def test_a_random_image_and_other_glimpses_are_computed_live(home):
    home.query_params["image"] = "test-17"
    home.run()
    first = player_data(home)
    home.button(key="other_glimpses").click().run()
    assert not home.exception
    second = player_data(home)
    assert second["pixels"] == first["pixels"]
    assert second["patches"] != first["patches"]
    home.button(key="random_image").click().run()
    assert not home.exception
    assert home.session_state["image"].startswith("test-")


def test_a_link_opens_the_same_image_with_identical_arrays():
    def arrays():
        app = AppTest.from_file(str(ROOT / "app" / "Home.py"), default_timeout=60)
        app.query_params["image"] = "test-42"
        app.query_params["glimpse_seed"] = "3"
        app.run()
        return player_data(app)

    assert arrays() == arrays()


@pytest.mark.parametrize("image", ["test-99999", "../../etc/passwd", "test-", ""])
def test_an_image_that_does_not_exist_is_said_and_replaced(home, image):
    home.query_params["image"] = image
    home.run()
    assert not home.exception
    assert "There is no image" in home.warning[0].value
    assert player_data(home)["label"] is not None


def open_page(app, name, **session):
    app.run()
    for key, value in session.items():
        app.session_state[key] = value
    return app.switch_page(f"../pages/{name}.py").run()


def test_a_missing_checkpoint_is_said_and_replaced(home):
    open_page(home, "step", checkpoint="no-such-model")
    assert not home.exception
    assert "no checkpoint “no-such-model”" in home.warning[0].value
    assert player_data(home)["shape"]


def test_stepping_through_shows_equations_shapes_and_the_lines_that_run(home):
    open_page(home, "step")
    assert not home.exception
    equations = {equation["id"]: equation for equation in player_data(home)["equations"]}
    assert list(equations) == ["look", "memory", "answer", "read"]
    assert equations["memory"]["shapes"] == "[x ; y ; z] (1, 13, 64) → z (1, 8, 64)"
    for method, name in ((ViTRM.update_memory, "memory"), (ViTRM.update_answer, "answer"), (ViTRM.read_out, "read")):
        lines, first = inspect.getsourcelines(method)
        shown = equations[name]
        assert shown["source"] == textwrap.dedent("".join(lines[shown["line"] - first :])).rstrip()


def test_the_attention_page_sends_weights_that_sum_to_one(home):
    open_page(home, "attention")
    assert not home.exception
    attention = player_data(home)["attention"]
    to_patches, to_state = (
        np.frombuffer(base64.b64decode(attention[name]), "<u2").reshape(-1, columns).astype(float) / 65535
        for name, columns in (("toPatches", attention["reads"]), ("toState", 1 + attention["tokens"]))
    )
    np.testing.assert_allclose(to_patches.sum(axis=1) + to_state.sum(axis=1), 1, atol=1e-3)


def test_a_model_that_sees_everything_offers_no_glimpses(home):
    open_page(home, "attention", checkpoint="digits")
    assert not home.exception
    assert not player_data(home)["glimpse"]
    assert [button.key for button in home.button] == ["random_image"]


def test_a_missing_checkpoint_gives_way_to_the_usual_one(home):
    open_page(home, "step", checkpoint="no-such-model")
    assert home.selectbox[0].value == "digits-glimpse"


@pytest.mark.parametrize(
    ("name", "value"), [("glimpse_seed", "9" * 30), ("position", "9" * 30), ("position", "abc"), ("glimpse_seed", "")]
)
def test_a_number_that_no_link_of_ours_carries_is_left_out(home, name, value):
    home.query_params[name] = value
    home.run()
    assert not home.exception
    assert "glimpse seed 0" in home.caption[0].value
    assert player_data(home)["start"] is None


@pytest.mark.parametrize("edit", ["zzz", "p99", "z99", "p3;p4"])
def test_an_edit_that_cannot_be_made_is_said_and_left_out(home, edit):
    open_page(home, "attention", edit=edit)
    assert not home.exception
    assert "An edit is left out" in home.warning[0].value
    assert player_data(home)["edits"]["edit"] == ""
    assert player_data(home)["edits"]["edited"] is None


def test_the_player_is_sent_the_address_of_the_trace_and_defaults_are_left_out(home):
    home.query_params["image"] = "test-17"
    home.run()
    assert player_data(home)["address"] == {"checkpoint": None, "image": "test-17", "glimpse_seed": None}
