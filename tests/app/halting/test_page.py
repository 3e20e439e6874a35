"""The page about halting: figures that follow from the report, and the page itself."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.halting import figures as halting_figures
from app.halting.exits.exits import payload
from vitrm.judge.halting import Example, Exit
from vitrm.judge.replay import ReliabilityBin
from vitrm.nets.cost import multiply_adds
from vitrm.places import ROOT
from vitrm.runs.checkpoints import find_run

HOME = str(Path(__file__).resolve().parents[3] / "app" / "Home.py")


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
    assert page.metric[0].value == f"{100 * report.chosen.accuracy:.1f} %"
    captions = " ".join(caption.value for caption in page.caption)
    for part in ("test split, n = 359", "Policy: learned halting", "validation (n = 144)", "chance 10 %"):
        assert part in captions
    charts = page.get("plotly_chart")
    assert len(charts) == 4
    assert len(page.dataframe) == 4


def test_a_threshold_that_was_never_touched_is_that_of_the_configuration(page, report):
    open_halting(page)
    data = panel_data(page)
    assert data["start"] is None
    assert data["threshold"] == 0.5
    assert data["presets"] == [
        [0.5, "as in training"],
        [round(report.chosen.threshold, 4), "chosen on validation"],
    ]


@pytest.mark.parametrize(
    ("exits", "said"),
    [
        ([(0.5, 0.99), (0.5, 0.6)], "60.0 % are right (n = 500), of those before them 99.0 %: hard images leave late."),
        ([(0.5, 0.9), (0.3, 0.9), (0.2, 0.9)], "that the late ones are harder does not show."),
        ([(0.5, 0.6), (0.5, 0.99)], "that the late ones are harder does not show."),
        ([(0.0, None), (1.0, 0.9)], "All images leave after step 2."),
    ],
)
def test_whether_hard_images_leave_late_follows_from_what_was_measured(report, exits, said):
    made = tuple(Exit(n, share, right) for n, (share, right) in enumerate(exits, start=1))
    judged = replace(report, exits=made, split_sizes={"val": 10, "test": 1000})
    assert halting_figures.late_words(judged).endswith(said)


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
    data = payload(trace, config, chosen=None)
    assert data["cost"] == [multiply_adds(config, n) for n in range(1, 7)]
    np.testing.assert_allclose(data["halt"], trace.halt_prob[:, 0, -1], atol=1e-5)
    np.testing.assert_allclose(np.sum(data["probs"], axis=1), 1, atol=1e-3)
    assert len(data["patches"]) == 6
    assert data["presets"] == [(0.5, "as in training")]


@pytest.mark.parametrize(("depth", "steps"), [(1, 6), (2, 12), (4, 24)])
def test_more_steps_than_were_trained_can_be_run(page, depth, steps):
    open_halting(page, image="test-12", depth=depth)
    assert not page.exception
    data = panel_data(page)
    assert len(data["halt"]) == len(data["cost"]) == steps
    assert data["trainedSteps"] == 6
    assert data["address"]["depth"] == (None if depth == 1 else str(depth))


def test_a_depth_that_is_not_offered_is_left_out():
    app = AppTest.from_file(HOME, default_timeout=300)
    app.query_params["depth"] = "1000"
    app.run()
    open_halting(app)
    assert len(panel_data(app)["halt"]) == 6


def test_a_model_of_one_step_has_nothing_to_stop(page):
    open_halting(page, checkpoint="digits")
    assert not page.exception
    assert "nothing to stop early" in page.info[0].value
    assert "such as “digits-glimpse”" in page.info[0].value
    assert len(panel_data(page)["halt"]) == 1


def test_the_stacked_exits_show_every_image_once(report):
    figure = halting_figures.exits(report)
    assert np.sum([np.sum(bar.y) for bar in figure.data]) == pytest.approx(100)


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
    assert "Most leave after step 2: 29 %, of which 100 % are right. 13 % run all 6 steps." in said["exits"]
    assert "up to step 12. Step 2 makes the most right answers wrong, 1.9 %, and puts 18.1 % right." in said["flips"]
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
    assert sum(row["answers"] for row in halting_figures.reliability_table(report)) == 6 * 359


def test_equal_answers_in_a_row_are_said_once():
    example = Example(index=3, seed=0, label=1, answers=(0, 0, 1, 1, 0), halt_prob=(0.5,) * 5, exit_step=2)
    assert halting_figures.answers(example, ("cat", "dog")) == "cat → dog → cat"
    assert halting_figures.example_caption(example, ("cat", "dog")) == "dog: cat → dog → cat · left after 2"


def test_the_images_worth_a_look_are_shown_and_lead_to_the_player(page, report):
    open_halting(page)
    shown = [image.proto for image in page.get("image")]
    links = [image.link for image in shown]
    assert all(image.imgs[0].alt.startswith("Test image") for image in shown)
    assert len(shown) == len(report.examples)
    worst = report.made_worse[0]
    assert f"step?checkpoint=digits-glimpse&image=test-{worst.index}&glimpse_seed={worst.seed}" in links


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
    page = AppTest.from_file(HOME, default_timeout=60)
    page.query_params["checkpoint"] = "flat"
    page.run()
    open_halting(page)
    assert not page.exception
    assert "it is flat" in page.warning[0].value
    assert any("a threshold that is never passed" in caption.value for caption in page.caption)
    assert len(page.get("image")) == len(report.made_worse)  # none is first or last
    assert [name for _, name in panel_data(page)["presets"]] == ["as in training"]


def test_a_model_whose_images_are_absent_still_shows_its_judgement(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    open_halting(page, checkpoint="cifar10-tiny", image="test-0")
    assert not page.exception
    assert "not on this machine" in page.error[0].value
    assert "of 4" in page.metric[1].value
    assert any("CIFAR-10 (JPEG)" in caption.value for caption in page.caption)
    assert any("not on this machine" in caption.value for caption in page.caption)
    assert len(page.get("image")) == 0
    assert len(page.dataframe) == 4 + 3  # behind the figures, and the images in words
