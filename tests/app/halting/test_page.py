"""The page about halting: figures that follow from the report, and the page itself."""

import base64
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app import cache
from app.halting import figures as halting_figures
from app.halting.exits.exits import at_thresholds, payload
from app.halting.leaving.leaving import payload as leaving_payload
from app.halting.view import _link
from vitrm.judge.halting import Exit
from vitrm.judge.replay import ReliabilityBin
from vitrm.nets.cost import multiply_adds
from vitrm.places import ROOT
from vitrm.runs.checkpoints import find_run

HOME = str(Path(__file__).resolve().parents[3] / "app" / "Home.py")
PAGE = str(Path(__file__).resolve().parents[3] / "pages" / "halting.py")


@pytest.fixture(scope="module")
def report():
    return find_run("digits-glimpse").report("halting")


@pytest.fixture
def page():
    app = AppTest.from_file(HOME, default_timeout=300)
    app.run()
    return app


def panel_data(app):
    data = [json.loads(block.proto.json) for block in app.get("bidi_component") if "presets" in block.proto.json]
    assert len(data) == 1
    return data[0]


def open_halting(app, **session):
    for key, value in session.items():
        app.session_state[key] = value
    return app.switch_page("../pages/halting.py").run()


def test_the_bundled_judgement_opens_at_once_and_names_policy_split_and_size(page, report):
    open_halting(page)
    assert not page.exception
    captions = " ".join(caption.value for caption in page.caption)
    for part in ("test split, n = 359", "Policy: learned halting", "validation (n = 144)", "chance 10 %"):
        assert part in captions
    assert not page.get("plotly_chart")  # all sections are closed
    assert not page.dataframe


def test_a_link_opens_every_section():
    app = AppTest.from_file(PAGE, default_timeout=300)
    app.query_params["open"] = "try,leaving,rules,meaning,further"
    app.run()
    assert not app.exception
    assert len(app.get("plotly_chart")) == 3
    assert len(app.dataframe) == 4


def test_a_threshold_that_was_never_touched_is_that_of_the_configuration(page, report):
    open_halting(page)
    data = panel_data(page)
    assert data["start"] is None
    assert data["threshold"] == 0.5
    assert data["presets"] == [
        [0.5, "as in training"],
        [round(report.chosen.threshold, 4), "chosen on validation"],
    ]


@pytest.mark.parametrize(("text", "start"), [("0.9", 0.9), ("2", None), ("nan", None), ("abc", None)])
def test_a_link_carries_the_threshold(text, start):
    app = AppTest.from_file(HOME, default_timeout=300)
    app.query_params["threshold"] = text
    app.run()
    open_halting(app)
    assert not app.exception
    assert panel_data(app)["start"] == start


def test_the_panel_shows_the_read_out_that_ends_each_step_and_what_it_cost():
    trace, config = find_run("digits-glimpse").gallery()["test-12"], find_run("digits-glimpse").config().model
    sent = payload(trace, config)
    assert (sent["all"], sent["presets"]) == (None, [(0.5, "as in training")])
    data = sent["one"]
    assert data["cost"] == [multiply_adds(config, n) for n in range(1, 7)]
    np.testing.assert_allclose(data["halt"], trace.halt_prob[:, 0, -1], atol=1e-5)
    np.testing.assert_allclose(np.sum(data["probs"], axis=1), 1, atol=1e-3)
    assert len(data["patches"]) == 6


def test_what_all_images_do_at_a_threshold_is_what_the_report_says_of_it(report):
    config = find_run("digits-glimpse").config().model
    data = at_thresholds(report, config)
    images, right = (np.frombuffer(base64.b64decode(data[name]), "<i4").reshape(-1, 6) for name in ("images", "right"))
    k = np.flatnonzero(np.array(data["thresholds"]) <= report.chosen.threshold)[-1]
    np.testing.assert_allclose(images[k] / 359, [out.share for out in report.exits])
    assert right[k].sum() / 359 == pytest.approx(report.chosen.accuracy)
    assert images[k] @ np.array(data["cost"]) / 359 == pytest.approx(report.chosen.mean_multiply_adds)
    assert images[k] @ np.array(data["anytime"]) / 359 == pytest.approx(report.random_exit_accuracy)


@pytest.mark.parametrize(("depth", "steps"), [(1, 6), (2, 12), (4, 24)])
def test_more_steps_than_were_trained_can_be_run(page, depth, steps):
    open_halting(page, image="test-12", depth=depth)
    assert not page.exception
    data = panel_data(page)
    assert len(data["one"]["halt"]) == len(data["one"]["cost"]) == steps
    assert data["one"]["trainedSteps"] == 6
    assert data["address"]["depth"] == (None if depth == 1 else str(depth))


def test_a_depth_that_is_not_offered_is_left_out():
    app = AppTest.from_file(HOME, default_timeout=300)
    app.query_params["depth"] = "1000"
    app.run()
    open_halting(app)
    assert len(panel_data(app)["one"]["halt"]) == 6


def test_a_model_of_one_step_has_nothing_to_stop(page):
    open_halting(page, checkpoint="digits")
    assert not page.exception
    assert "nothing to stop early" in page.info[0].value
    assert "such as “digits-glimpse”" in page.info[0].value
    assert len(panel_data(page)["one"]["halt"]) == 1
    assert panel_data(page)["address"]["checkpoint"] == "digits"


def test_the_cost_figure_marks_the_chosen_policy_where_it_was_measured(report):
    figure = halting_figures.accuracy_for_cost(report)
    star = next(trace for trace in figure.data if trace.name == "chosen on validation")
    assert star.y[0] == pytest.approx(100 * report.chosen.accuracy)
    assert star.x[0] == pytest.approx(report.chosen.mean_multiply_adds / 1e6)


def test_the_table_has_a_row_for_every_step(report):
    rows = halting_figures.step_table(report)
    assert [row["supervision step"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert sum(row["leave here, %"] for row in rows) == pytest.approx(100)


def test_every_figure_has_words_that_follow_from_its_numbers(report):
    said = halting_figures.alternatives(report)
    assert f"{100 * report.chosen.accuracy:.1f} % right at" in said["accuracy_for_cost"]
    assert "up to step 12. Step 2 makes the most right answers wrong, 1.9 %, and puts 18.1 % right." in said["flips"]
    assert halting_figures.flips_words(report) == (
        "8 of 11 further steps also make right answers wrong; "
        "no more are right than before after step 5, 6, 8, 9, 11, 12."
    )
    only_better = replace(report, became_right=(0, 0.1, 0.1, 0.1, 0.1, 0.1), became_wrong=(0,) * 6, beyond=())
    assert halting_figures.flips_words(only_better).startswith("0 of 5 further steps")
    assert halting_figures.flips_words(only_better).endswith("after each more are right.")
    surer = replace(report, reliability=(ReliabilityBin(halt_prob=0.9, accuracy=0.5, count=10),))
    assert "it says 0.90, 0.50 are right, so it is too sure there" in halting_figures.alternatives(surer)["reliability"]


def test_the_tables_hold_what_the_figures_show(report):
    flips = halting_figures.flip_table(report)
    assert [row["supervision step"] for row in flips] == list(range(1, 13))
    assert [row["trained"] for row in flips] == ["yes"] * 6 + ["no"] * 6
    drawn = {trace.name: trace for trace in halting_figures.flips(report).data}
    assert [-row["became wrong, %"] for row in flips[1:]] == pytest.approx(list(drawn["became wrong"].y))
    policies = halting_figures.policy_table(report)
    assert len(policies) == 3 + 3 + sum(len(points) for points in report.budgeted.values())
    assert policies[2]["accuracy, %"] == pytest.approx(100 * report.random_exit_accuracy)
    said = [row["policy"] for row in policies[6:] if row["threshold"] is None]  # none that a probability or a sum has
    assert said == [
        "learned halting: all leave at once",
        "learned halting: nobody leaves early",
        "low entropy: nobody leaves early",
    ]
    assert sum(row["answers"] for row in halting_figures.reliability_table(report)) == 6 * 359


def test_an_image_worth_a_look_comes_once_with_every_reason_and_leads_to_the_player(report):
    checkpoint, config = cache.checkpoint("digits-glimpse"), find_run("digits-glimpse").config().model
    twice = replace(report, latest=report.made_worse)
    data = leaving_payload(twice, config, tuple("0123456789"), report.images, lambda one: _link(checkpoint, one))
    assert len(data["examples"]) == len({example.index for example in twice.examples})
    worst = report.made_worse[0]
    one = next(example for example in data["examples"] if example["index"] == worst.index)
    assert one["why"] == ["left last", "made worse by more steps"]
    assert one["link"] == f"step?checkpoint=digits-glimpse&image=test-{worst.index}&glimpse_seed={worst.seed}"
    assert base64.b64decode(one["picture"].partition(",")[2]) == report.images[worst.index]


def test_useless_halting_is_said_before_anything_else(report, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "checkpoints" / "digits-glimpse", tmp_path / "runs" / "flat")
    flat = replace(
        report,
        faults=("it is flat",),
        verdict="The learned halting of this model is of little use: it is flat.",
        chosen=replace(report.chosen, threshold=1.2),
        exits=tuple(Exit(n, float(n == 6), 0.98 if n == 6 else None) for n in range(1, 7)),
    )
    find_run("flat").keep(flat)
    page = AppTest.from_file(HOME, default_timeout=300)
    page.query_params["checkpoint"] = "flat"
    page.run()
    open_halting(page)
    assert not page.exception
    assert "it is flat" in page.warning[0].value
    assert any("a threshold that is never passed" in caption.value for caption in page.caption)
    assert [name for _, name in panel_data(page)["presets"]] == ["as in training"]


def test_a_model_whose_images_are_absent_still_shows_its_judgement(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    open_halting(page, checkpoint="cifar10-tiny", image="test-0")
    assert not page.exception
    assert "cannot be had" in page.error[0].value
    data = panel_data(page)
    assert data["one"] is None
    assert data["all"]["n"] == 10_000
    assert any("CIFAR-10 (JPEG)" in caption.value for caption in page.caption)
    assert len(page.expander) == 4
    assert not any("to try" in part.label for part in page.expander)  # with an image


def test_the_images_worth_a_look_are_named_where_they_are_absent(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    app = AppTest.from_file(PAGE, default_timeout=300)
    app.query_params["checkpoint"], app.query_params["open"] = "cifar10-tiny", "leaving"
    app.run()
    assert not app.exception
    assert any("not on this machine" in caption.value for caption in app.caption)
    (data,) = [json.loads(block.proto.json) for block in app.get("bidi_component") if "why" in block.proto.json]
    assert {example["picture"] for example in data["examples"]} == {None}


def test_a_threshold_below_every_probability_is_not_said_as_one(report):
    below = replace(report, chosen=replace(report.chosen, threshold=-0.72))
    assert halting_figures.chosen_words(below) == "a threshold that is passed at once"
