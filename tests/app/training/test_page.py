"""The Train page: its form, its live view and its comparison (AppTest), and the pure functions behind them."""

import base64
import json
import math
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app import state, visitors
from app.figures import as_written
from app.training import cache, settings
from app.training.comparison import zipped
from app.training.estimates import Estimates
from app.training.form import SETTINGS_OPEN
from app.training.queue import Trainings
from app.training.result import ways
from vitrm.cli import main as cli
from vitrm.config import PRESETS, SETTINGS, words
from vitrm.errors import TrainingDiverged
from vitrm.runs.checkpoints import find_run
from vitrm.runs.folder import Run
from vitrm.runs.state import Failure, State
from vitrm.training.trainer import Trainer

HOME = str(Path(__file__).resolve().parents[3] / "app" / "Home.py")
FASTEST = "--train.precision=auto --train.compile=auto"
SMALL = ["--model.dim=16", "--model.num_heads=2", "--model.mlp_dim=16", "--model.depth=1", "--train.batch_size=64",
         "--model.supervision_steps=2", "--model.memory_steps=1", "--threads=1", "--device=cpu"]  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with two finished runs: "first", three epochs, and "second", two."""
    folder = tmp_path_factory.mktemp("trained")
    for name, epochs in (("first", 3), ("second", 2)):
        words = ["train", "digits", *SMALL, f"--train.epochs={epochs}", "--runs", str(folder), "--name", name]
        assert cli.main(words) == 0
    return folder


@pytest.fixture
def page(tmp_path, monkeypatch):
    """The page in a folder of its own, whose queue nobody looks after."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Trainings, "start", lambda self: (self.look(everything=True), self)[1])
    monkeypatch.setattr(Estimates, "get", lambda *_: None)
    monkeypatch.setattr(visitors, "cookie", lambda: "")  # AppTest has neither
    monkeypatch.setattr(visitors, "address", lambda: None)
    app = AppTest.from_file(HOME, default_timeout=300)
    yield app
    cache.trainings.clear()


def open_train(app, **query):
    for key, value in query.items():
        app.query_params[key] = value
    app.run()
    return app.switch_page("../pages/train.py").run()


def show_settings(app, seen=True):
    app.session_state[SETTINGS_OPEN] = seen
    app.run()


def _keys(block):
    """The keys of what is drawn in a block, from the top where its columns stand below one another."""
    for child in block.children.values():
        if hasattr(child, "children"):
            yield from _keys(child)
        elif getattr(child, "key", None):
            yield child.key


def charts(app):
    found = [json.loads(block.proto.json) for block in app.get("bidi_component") if "charts" in block.proto.json]
    assert len(found) == 1
    return {chart["name"]: chart for chart in found[0]["charts"]}


def values(text):
    return np.frombuffer(base64.b64decode(text), "<f4")


# The form


def test_every_setting_of_what_is_offered_has_a_place_in_the_form():
    placed = [name for names in settings.GROUPS.values() for name in names]
    assert len(set(placed)) == len(placed)
    # The data decide the first three, the preset the family; a run to begin with is a place on the server.
    elsewhere = {"model.num_classes", "data.source", "data.name", "train.start"}
    assert {name for name, setting in SETTINGS.items() if setting.of_vitrm} == {*placed} | elsewhere
    for offered, recursive in ((settings.EXPECTATIONS, True), (settings.COMPARISONS, False)):
        assert all(PRESETS[name].model.recurrent is recursive for name in offered)
        assert all((settings.BEGINNING in settings.groups(PRESETS[name])) is recursive for name in offered)
    for config in PRESETS.values():
        for setting in (each for names in settings.groups(config).values() for each in names):
            assert config.with_fields({setting: words.value(config, setting)}) == config


def test_where_columns_stand_below_one_another_settings_keep_their_order(page):
    open_train(page)
    show_settings(page)
    (tab,) = (tab for tab in page.tabs if tab.label == settings.BEGINNING)
    assert list(_keys(tab)) == [f"digits:{name}" for name in settings.GROUPS[settings.BEGINNING]]


def test_a_comparison_is_offered_with_the_settings_it_has_and_no_others(page):
    open_train(page)
    page.pills(key="train_preset").set_value("digits-vit").run()
    assert not page.exception
    assert any("the same block applied once" in text.value for text in page.markdown)
    assert not [each for each in page.number_input if each.key == "digits-vit:model.memory_steps"]
    show_settings(page)
    page.number_input(key="digits-vit:model.depth").set_value(1).run()
    assert any(block.value == f"vitrm train digits-vit --model.depth=1 {FASTEST}" for block in page.code)


def test_an_empty_page_offers_the_digits(page):
    open_train(page)
    assert not page.exception
    assert page.button(key="start_training").label == "Start training"
    assert any("95 %" in text.value for text in page.markdown)
    assert any(block.value == f"vitrm train digits {FASTEST}" for block in page.code)
    assert not page.number_input  # the settings are made where they are seen
    show_settings(page)
    said = {text.value for text in page.caption}
    assert all(
        f"{each.sentence} {each.source}" in said
        for names in settings.GROUPS.values()
        for each in map(SETTINGS.get, names)
    )


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("digits:model.dim", 30, "Width D = 30 is not a multiple of Attention heads = 4"),
        ("digits:model.patch_size", 3, "Image size = 8 is not a multiple of Patch size = 3"),
        ("digits:train.epochs", 0, "Epochs = 0: expected 1 or more"),
    ],
)
def test_an_impossible_setting_is_refused_by_its_label_and_cannot_be_started(page, key, value, message):
    show_settings(open_train(page))
    page.number_input(key=key).set_value(value).run()
    assert not page.exception
    assert [error.value for error in page.error if message in error.value] == [page.error[0].value, page.error[1].value]
    assert page.error[0].value.startswith("In “Own settings”: ")  # the other one is beside the field
    start = page.button(key="start_training")
    assert start.disabled
    there = [each for each in page.main if each.type in {"button", "error"}]
    assert there.index(start) < there.index(page.error[0])  # which does not move the button


def test_own_settings_reach_the_queue_and_a_second_visitor_joins(page):
    show_settings(open_train(page))
    page.number_input(key="digits:train.epochs").set_value(3).run()
    page.text_input(key="digits:train.lr").set_value("1e-4").run()
    show_settings(page, False)  # what was changed holds
    show_settings(page)
    assert (page.number_input(key="digits:train.epochs").value, page.text_input(key="digits:train.lr").value) == (
        3,
        "1e-4",
    )
    changed = f"--train.epochs=3 --train.lr=0.0001 {FASTEST}"
    assert any(block.value == f"vitrm train digits {changed}" for block in page.code)
    page.button(key="start_training").click().run()
    assert not page.exception
    (job,) = cache.trainings().known.values()
    assert (job.state, job.position, json.loads(job.fingerprint)["train.lr"]) == ("waiting", 1, 1e-4)
    assert any("number 1 in the queue" in text.value for text in page.caption)
    other = AppTest.from_file(HOME, default_timeout=300)
    open_train(other)
    assert other.selectbox(key="run_choice").value == job.name
    assert other.button(key="do_Leave the queue").disabled is False  # at the server's own machine: the teacher
    page.button(key="do_Leave the queue").click().run()
    assert not page.exception
    assert cache.trainings().known == {}


def test_another_visitor_watches_and_cannot_stop(page, monkeypatch):
    monkeypatch.setenv("VITRM_TEACHER_CODE", "secret")
    open_train(page)
    page.button(key="start_training").click().run()
    assert not page.button(key="do_Leave the queue").disabled
    other = AppTest.from_file(HOME, default_timeout=300)
    open_train(other)
    assert other.button(key="do_Leave the queue").disabled
    other.text_input(key="teacher_code").set_value("guess").run()
    assert "not the code" in other.error[0].value
    while other.button(key="do_Leave the queue").disabled:  # the next code is looked at after a second
        other.text_input(key="teacher_code").set_value("").run()
        other.text_input(key="teacher_code").set_value("secret").run()


def test_a_server_with_an_impossible_limit_says_so(page, monkeypatch):
    monkeypatch.setenv("VITRM_TRAIN_AT_ONCE", "lots")
    open_train(page)
    assert not page.exception
    assert "VITRM_TRAIN_AT_ONCE=lots: expected a number" in page.error[0].value


def test_the_link_says_which_view_is_on_show(page):
    open_train(page, show="Compare")
    assert page.segmented_control(key="train_view").value == "Compare"
    page.segmented_control(key="train_view").set_value("Watch").run()
    assert "show" not in page.query_params


@pytest.mark.parametrize("key", ["run", "show"])
def test_what_a_link_names_and_is_not_there_is_said(page, key, trained, tmp_path):
    shutil.copytree(trained, tmp_path / "runs")
    named = "![x](//e.org/x.png) " + 300 * "a"
    open_train(page, **{key: named})
    assert not page.exception
    assert f"“{as_written(named)}”" in page.warning[0].value


# The live view


def test_a_finished_run_shows_its_curves_and_where_they_come_from(page, trained, tmp_path):
    shutil.copytree(trained, tmp_path / "runs")
    open_train(page, run="first")
    assert not page.exception
    shown = charts(page)
    assert [name for name, chart in shown.items() if not chart["more"]] == ["loss", "accuracy", "halting"]
    assert [name for name, chart in shown.items() if chart["more"]] == ["train_accuracy", "norms", "lr", "speed"]
    assert shown["loss"]["level"] == [math.log(10), "chance, ln 10"]
    ends = [event for event in find_run("first").metrics() if event["event"] == "EpochEnd"]
    lines = {line["name"]: line for line in shown["accuracy"]["lines"]}
    assert set(lines) == {"step 1", "step 2"}
    expected = [100 * end["val_accuracy"][1] for end in ends]
    np.testing.assert_allclose(values(lines["step 2"]["y"]), expected, rtol=1e-6)
    for chart in shown.values():
        assert "now" in chart["alt"] or chart["name"] in ("norms", "lr", "speed")
    captions = " ".join(caption.value for caption in page.caption)
    for part in ("Run first on handwritten digits", "validation split", "training seed 0", "chance 10 %"):
        assert part in captions
    assert len(page.dataframe[0].value) == 3


def test_who_looks_at_a_run_that_is_over_keeps_it_while_others_start_and_on_the_way_back(page, trained, tmp_path):
    shutil.copytree(trained, tmp_path / "runs")
    open_train(page)
    other = next(name for name in ("first", "second") if name != page.selectbox(key="run_choice").value)
    page.selectbox(key="run_choice").set_value(other).run()
    classmate = AppTest.from_file(HOME, default_timeout=300)
    open_train(classmate)
    classmate.segmented_control(key="train_view").set_value("New training").run()
    classmate.button(key="start_training").click().run()
    assert any(run.is_active for run in cache.trainings().known.values())
    page.run()
    assert page.selectbox(key="run_choice").value == other
    page.switch_page("../pages/attention.py").run()
    page.query_params.clear()  # as a browser does on the way to another page
    page.switch_page("../pages/train.py").run()
    assert page.selectbox(key="run_choice").value == other
    assert page.query_params["run"] in (other, [other])


def test_a_finished_run_says_its_test_result_and_leads_on(page, trained, tmp_path):
    shutil.copytree(trained, tmp_path / "runs")
    open_train(page, run="second")
    test = find_run("second").summary().test
    said = next(text.value for text in page.markdown if text.value.startswith("Test result"))
    assert f"**{100 * test.accuracy[1]:.1f} %** of {test.n} test images right after supervision step 2" in said
    assert {button.key for button in page.button if button.key.startswith("way_")} == {
        "way_step", "way_halting", "way_compare"}  # fmt: skip
    page.button(key="way_step").click().run()
    assert not page.exception
    assert page.selectbox(key="checkpoint_choice").value == "second"


def test_a_model_without_steps_or_halting_is_led_where_it_has_something_to_show():
    pages = {
        name: [way.page for way in ways(PRESETS[name])] for name in ("digits", "digits-vit", "sr-vit-digits", "mazes")
    }
    assert pages == {
        "digits": ["step", "your_image", "compare"],
        "digits-vit": ["compare"],
        "sr-vit-digits": ["mixture", "compare"],
        "mazes": ["mazes", "halting", "compare"],
    }


def test_a_loss_that_is_no_number_is_advice_about_the_fields(page, trained, tmp_path):
    shutil.copytree(trained / "first", tmp_path / "runs" / "first")
    run = Run(tmp_path / "runs" / "first")
    (run.path / "summary.json").unlink()
    with pytest.raises(TrainingDiverged) as diverged:
        Trainer._check_finite(SimpleNamespace(config=PRESETS["digits"], epoch=1, batch=20), (math.nan,))
    run.set_status(State.FAILED, str(diverged.value), Failure.DIVERGED)
    open_train(page, run="first")
    said = page.error[0].value
    assert "the loss became nan in epoch 2, batch 20" in said
    assert "Choose a smaller Learning rate = 0.002" in said
    assert not re.search(r"--|train\.|\(nan", said)


def test_the_player_opens_on_the_latest_weights_and_on_those_of_an_epoch(page, trained, tmp_path, close):
    shutil.copytree(trained, tmp_path / "runs")
    open_train(page, run="first")
    page.toggle(key="look_inside").set_value(True).run()
    assert not page.exception

    def player():
        (data,) = (json.loads(b.proto.json) for b in page.get("bidi_component") if "probs" in b.proto.json)
        return data

    latest = player()
    assert latest["shape"] == [2, 1, 1]
    page.select_slider(key="look_at_first").set_value(3).run()
    close(values(player()["probs"]), values(latest["probs"]))  # the last epoch's weights are the latest
    page.select_slider(key="look_at_first").set_value(0).run()
    assert np.abs(values(player()["probs"]) - values(latest["probs"])).max() > 1e-3
    assert "after epoch 0" in " ".join(caption.value for caption in page.caption)


def test_runs_are_compared_renamed_and_deleted_after_asking(page, trained, tmp_path):
    shutil.copytree(trained, tmp_path / "runs")
    open_train(page)
    page.segmented_control(key="train_view").set_value("Compare").run()
    assert not page.exception
    assert len(page.multiselect(key="runs_compared").value) == 2
    page.multiselect(key="runs_compared").set_value(["first", "second"]).run()
    assert [line["name"] for line in charts(page)["accuracy"]["lines"]] == ["first", "second"]
    results, table = (frame.value for frame in page.dataframe)
    assert list(results["epochs done"]) == [3, 2]
    assert table.to_dict("records") == [{"setting": "train.epochs", "first": "3", "second": "2"}]
    page.selectbox(key="managed").set_value("second").run()
    page.text_input(key="rename_second").set_value("../x").run()
    page.button(key="rename").click().run()
    assert "cannot be a name" in page.error[0].value
    for key in state.MODELS:
        page.session_state[key] = "second"
    page.text_input(key="rename_second").set_value("better").run()
    page.button(key="rename").click().run()
    assert not page.exception
    assert page.selectbox(key="managed").value == "better"
    assert {page.session_state[key] for key in state.MODELS} == {"better"}
    page.button(key="delete").click().run()
    assert not page.exception
    assert {key: page.session_state[key] for key in state.MODELS} == {key: state.DEFAULTS[key] for key in state.MODELS}
    assert sorted(file.name for file in (tmp_path / "runs").iterdir()) == ["first"]


def test_the_runs_compared_here_are_not_what_the_page_compare_compares(page, trained, tmp_path):
    shutil.copytree(trained, tmp_path / "runs")
    open_train(page, show="Compare")
    page.multiselect(key="runs_compared").set_value(["second"]).run()
    page.switch_page("../pages/compare.py").run()
    assert not page.exception
    assert not page.warning
    assert page.session_state["compared"] == ""


def test_a_run_becomes_the_model_of_the_pages_that_have_something_to_show_of_it(page, trained, tmp_path):
    shutil.copytree(trained, tmp_path / "runs")
    file = tmp_path / "runs" / "second" / "config.json"
    plain = json.loads(file.read_text()) | {"model": PRESETS["digits-vit"].to_dict()["model"]}
    file.write_text(json.dumps(plain))  # as if it answered once
    open_train(page, show="Compare")
    page.selectbox(key="managed").set_value("second").run()
    assert [button.key for button in page.button if button.key.startswith("way_")] == ["way_compare"]
    page.selectbox(key="managed").set_value("first").run()
    page.button(key="way_halting").click().run()
    assert not page.exception
    page.switch_page("../pages/attention.py").run()
    assert page.selectbox(key="checkpoint_choice").value == "first"


def test_the_zip_holds_what_can_be_used_again(trained, tmp_path):
    (tmp_path / "first.zip").write_bytes(zipped(Run(trained / "first")))
    shutil.unpack_archive(tmp_path / "first.zip", tmp_path)
    names = {file.name for file in (tmp_path / "first").iterdir()}
    assert {"config.json", "model.safetensors", "metrics.jsonl", "summary.json", "README.md"} <= names
    assert not names & {"state.pt", "lock", "job.json", "output.txt"}
    assert Run(tmp_path / "first").load_model().config.dim == 16


def test_choosing_and_starting_in_one_go_starts_what_was_chosen(page):
    open_train(page)
    page.pills(key="train_preset").set_value("digits-deep")
    page.button(key="start_training").click().run()
    assert not page.exception
    (job,) = cache.trainings().known.values()
    assert job.name.startswith("digits-deep")
    assert page.segmented_control(key="train_view").value == "Watch"
    page.segmented_control(key="train_view").set_value("New training").run()
    page.pills(key="train_preset").set_value("digits-glimpse")
    page.button(key="start_training").click().run()
    assert "is waiting already" in page.error[0].value
