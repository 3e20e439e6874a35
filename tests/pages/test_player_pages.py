"""The pages run without an exception and say what they show (Streamlit's AppTest, no browser)."""

import base64
import inspect
import json
import shutil
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app import background, cache, reports, state
from vitrm.model import ViTRM
from vitrm.runs.checkpoints import find_run
from vitrm.traces.trace import load_traces, save_traces

ROOT = Path(__file__).resolve().parents[2]
LANDING = state.LANDING  # the app's own; the tests of this folder have another (`digits` of conftest.py)


@pytest.fixture
def home():
    return AppTest.from_file(str(ROOT / "app" / "Home.py"), default_timeout=300)


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


@pytest.mark.parametrize("page", ["watch", "step", "attention"])
def test_a_page_opens_on_the_landing_choice_unless_a_link_says_something(home, page, monkeypatch):
    monkeypatch.setattr(state, "LANDING", {state.CHECKPOINT: "digits", state.IMAGE: "test-2"})
    home.switch_page(f"../pages/{page}.py").run()
    assert len(home.selectbox) == (page != "watch")  # where it is the usual one: nothing to choose
    assert "number 2. " in home.caption[0].value
    assert "checkpoint digits," in home.caption[0].value
    linked = AppTest.from_file(str(ROOT / "app" / "Home.py"), default_timeout=300)
    linked.query_params["position"] = "3"
    linked.switch_page(f"../pages/{page}.py").run()
    assert "checkpoint digits-glimpse," in linked.caption[0].value


def test_a_page_about_other_images_opens_on_its_own_where_all_open_on_clothes(home, monkeypatch):
    monkeypatch.setattr(state, "LANDING", LANDING)
    home.switch_page("../pages/mixture.py").run()
    assert not home.exception
    assert not home.warning
    assert home.session_state[state.IMAGE] == state.DEFAULTS[state.IMAGE]
    home.switch_page("../pages/step.py").run()
    assert not home.warning
    assert home.session_state[state.IMAGE] == LANDING[state.IMAGE]


def test_the_caption_names_data_checkpoint_accuracy_and_chance(home):
    home.run()
    caption = home.caption[0].value
    for part in ("handwritten digits", "test split", "digits-glimpse", "after step 1", "after step 6", "chance 10 %"):
        assert part in caption


@pytest.mark.parametrize("page", ["step", "attention", "halting"])
def test_a_page_about_recursion_says_that_a_model_has_none(page):
    app = AppTest.from_file(str(ROOT / "pages" / f"{page}.py"), default_timeout=300)
    app.session_state[state.CHECKPOINT] = "vit-tiny-deep"
    app.run()
    assert not app.exception
    title = find_run("vit-tiny-deep").config().model.title
    assert f"“vit-tiny-deep” is a {title}: it answers once" in app.info[0].value
    options = app.selectbox[0].options
    assert options.index("digits-glimpse") < options.index("vit-tiny-deep (not here: it answers once)")
    assert "**digits-glimpse**: `handwritten digits" in app.selectbox[0].help
    lacking = "cifar10-tiny (not here: its images are not on this machine)"
    assert (lacking in options) == (page != "halting")  # which shows the report on all of them


def test_the_landing_page_is_about_the_model_that_the_link_names(home):
    home.query_params["checkpoint"] = "digits"
    home.run()
    assert not home.exception
    assert player_data(home)["shape"] == [1, 1, 3]
    assert "checkpoint digits," in home.caption[0].value
    assert "the whole image" in home.markdown[0].value
    assert home.selectbox[0].value == "digits"


def test_the_landing_page_says_that_there_is_no_such_model(home):
    home.query_params["checkpoint"] = "no-such-model"
    home.run()
    assert "no checkpoint “no-such-model”" in home.warning[0].value.replace("\\", "")
    assert "checkpoint digits-glimpse" in home.caption[0].value


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
    assert home.session_state["image"] != "test-17"


def test_a_link_opens_the_same_image_with_identical_arrays():
    def arrays():
        app = AppTest.from_file(str(ROOT / "app" / "Home.py"), default_timeout=300)
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
    assert "no checkpoint “no-such-model”" in home.warning[0].value.replace("\\", "")
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
    assert "other_glimpses" not in [button.key for button in home.button]


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
    assert f"{name}={value[:40]}, which cannot be read" in home.warning[0].value.replace("\\", "")
    assert "glimpse seed 0" in home.caption[0].value
    assert player_data(home)["start"] is None


@pytest.mark.parametrize("edit", ["zzz", "p99", "z99", "p3;p4"])
def test_an_edit_that_cannot_be_made_is_said_and_left_out(home, edit):
    open_page(home, "attention", edit=edit)
    assert not home.exception
    assert "An edit is left out" in home.warning[0].value
    assert player_data(home)["edits"]["edited"] is None


def test_the_player_is_sent_the_address_of_the_trace_and_defaults_are_left_out(home):
    home.query_params["image"] = "test-17"
    home.run()
    address = player_data(home)["address"]
    assert address.pop("image") == "test-17"
    assert address.pop("checkpoint") == "digits-glimpse"  # or it would be an address for what the pages open on
    assert address == dict.fromkeys(("glimpse_seed", "open", "lesson", "present", "panels"))


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("position", 9999, "position 9999; here they go from 1 to 18"),
        ("position", -3, "position -3; here"),
        ("view", "1.7.2.3", "head 8 (there are 4)"),
        ("view", "5.-1.99.-1", "layer 6 (there are 2), memory token 100 (there are 8)"),
        ("view", "a.b", "cannot be read"),
    ],
)
def test_what_a_link_names_and_the_trace_does_not_have_is_said(name, value, said):
    page = AppTest.from_file(str(ROOT / "pages" / "attention.py"), default_timeout=300)
    page.query_params[name] = str(value)
    page.run()
    assert not page.exception
    assert said in page.warning[0].value


@pytest.mark.parametrize(("value", "kept"), [("0.83", 0.83), ("2", None), ("nan", None), ("x", None)])
def test_a_threshold_in_a_link_is_the_players(home, value, kept):
    home.query_params["threshold"] = value
    home.run()
    assert not home.exception
    assert player_data(home)["chosenThreshold"] == kept


@pytest.fixture
def updates(monkeypatch):
    """Every memory update of any model from now on."""
    made = []
    once = ViTRM.update_memory

    def counted(*args, **kwargs):
        made.append(None)
        return once(*args, **kwargs)

    monkeypatch.setattr(ViTRM, "update_memory", counted)
    return made


def test_moving_costs_no_forward_and_a_second_visitor_pays_nothing(home, updates):
    open_page(home, "attention", image="test-203", edit="z1")
    cost = len(updates)
    assert cost == 2 * 6 * 2  # the trace, and the edited one
    home.session_state["position"] = 7
    home.run()
    second = AppTest.from_file(str(ROOT / "app" / "Home.py"), default_timeout=300)
    open_page(second, "attention", image="test-203", edit="z1")
    assert len(updates) == cost
    assert player_data(second)["edits"] == player_data(home)["edits"]


def test_an_attribution_is_computed_once_in_the_background(home):
    home.query_params["open"] = "attribution"
    open_page(home, "attention", image="test-12")
    assert player_data(home)["attribution"] is None
    next(button for button in home.button if button.label == "Compute what mattered").click().run()
    job = background.find(("attribution", cache.checkpoint("digits-glimpse"), "test-12", 0))
    assert job.wait(600)
    assert job.error is None
    home.run()
    assert not home.exception
    assert len(player_data(home)["attribution"]["maps"]) == 4
    assert "Compute what mattered" not in [button.label for button in home.button]
    assert reports.result(("attribution", cache.Checkpoint("digits-glimpse", "of other weights"), "test-12", 0)) is None


def test_a_checkpoint_whose_images_do_not_fit_is_refused_with_the_sizes(home, tmp_path, monkeypatch):
    wrong = tmp_path / "runs" / "wrong"
    shutil.copytree(ROOT / "checkpoints" / "digits-glimpse", wrong)
    shown = replace(next(iter(load_traces(wrong / "gallery.npz").values())), pixels=np.zeros((3, 32, 32), np.uint8))
    save_traces(wrong / "gallery.npz", {"test-9": shown})
    monkeypatch.chdir(tmp_path)
    open_page(home, "step", checkpoint="wrong")
    assert not home.exception
    assert "3 × 32 × 32" in home.error[0].value
    assert "1 × 8 × 8" in home.error[0].value
