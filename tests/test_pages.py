"""The pages run without an exception and say what they show (Streamlit's AppTest, no browser)."""

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

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


def test_a_missing_checkpoint_is_one_clear_sentence(home):
    home.session_state["checkpoint"] = "no-such-model"
    home.run()
    assert not home.exception
    assert "no run or checkpoint 'no-such-model'" in home.error[0].value
