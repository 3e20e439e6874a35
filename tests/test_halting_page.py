"""The page about halting: figures that follow from the report, and the page itself."""

from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app import halting_figures
from vitrm.runs import find_run

HOME = str(Path(__file__).resolve().parents[1] / "app" / "Home.py")


@pytest.fixture(scope="module")
def report():
    return find_run("digits-glimpse").halting()


@pytest.fixture
def page():
    app = AppTest.from_file(HOME, default_timeout=60)
    app.run()
    return app


def open_halting(app, **session):
    for key, value in session.items():
        app.session_state[key] = value
    return app.switch_page("../pages/halting.py").run()


def test_the_bundled_judgement_opens_at_once_and_names_policy_split_and_size(page, report):
    open_halting(page)
    assert not page.exception
    assert page.metric[0].value == f"{100 * report['chosen']['accuracy']:.1f} %"
    captions = " ".join(caption.value for caption in page.caption)
    for part in ("test split, n = 359", "Policy: learned halting", "validation (n = 144)", "chance 10 %"):
        assert part in captions
    assert len(page.get("plotly_chart")) == 5


def test_a_higher_threshold_stops_later(page):
    shown = next(iter(find_run("digits-glimpse").gallery().values()))
    halt = shown.halt_prob[:, -1, -1]
    for threshold in (0.05, 0.5, 0.99):
        above = [n for n, value in enumerate(halt, start=1) if value > threshold]
        assert halting_figures.exit_at(shown, threshold) == (above[0] if above else None)


def test_a_low_threshold_stops_at_the_first_step(page):
    open_halting(page, image="test-12")
    page.slider[0].set_value(0.05).run()
    assert not page.exception
    assert any("would stop after step 1 of 6" in badge.value for badge in page.markdown if "stop" in badge.value)


def test_a_model_of_one_step_has_nothing_to_stop(page):
    open_halting(page, checkpoint="digits")
    assert not page.exception
    assert "nothing to stop early" in page.info[0].value


def test_the_stacked_exits_show_every_image_once(report):
    figure = halting_figures.exits(report)
    assert np.sum([np.sum(bar.y) for bar in figure.data]) == pytest.approx(100)


def test_the_cost_figure_marks_the_chosen_policy_where_it_was_measured(report):
    figure = halting_figures.accuracy_for_cost(report)
    star = next(trace for trace in figure.data if trace.name == "chosen on validation")
    assert star.y[0] == pytest.approx(100 * report["chosen"]["accuracy"])
    assert star.x[0] == pytest.approx(report["chosen"]["mean_multiply_adds"] / 1e6)


def test_the_table_has_a_row_for_every_step(report):
    rows = halting_figures.step_table(report)
    assert [row["supervision step"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert sum(row["leave here, %"] for row in rows) == pytest.approx(100)


def test_a_model_whose_images_are_absent_still_shows_its_judgement(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    open_halting(page, checkpoint="cifar10-tiny", image="test-0")
    assert not page.exception
    assert "not on this machine" in page.error[0].value
    assert "of 4" in page.metric[1].value
    assert any("CIFAR-10 (JPEG)" in caption.value for caption in page.caption)
