"""What a link names and is not there is said, on every page that reads it."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import state
from app.figures import as_written

STRANGE = "![x](//e.org/x.png) **b** " + 300 * "a"
PAGES = Path(__file__).resolve().parents[2] / "pages"
READ = {  # by page, what its links name
    "step": (state.CHECKPOINT, state.IMAGE, state.POSITION, state.GLIMPSE_SEED),
    "attention": (state.VIEW, state.EDIT),
    "halting": (state.THRESHOLD, state.DEPTH),
    "glimpses": (state.PART, state.POLICY),
    "mazes": (state.MAZE_MODEL, state.MAZE),
    "mixture": (state.MIXTURE_MODEL, state.MIXTURE_VIEW, state.OPEN),
    "compare": (state.COMPARED, state.ALONG, state.PAPER, state.PAPER_DATA, state.LEFT, state.RIGHT),
}
PRESENTED = ("halting", "compare", "mixture", "mazes", "glimpses", "attention", "step")  # how it looks: tests/browser


@pytest.mark.parametrize(("page", "key"), [(page, key) for page, keys in READ.items() for key in keys])
def test_what_a_link_names_and_is_not_there_is_said_in_short_and_without_its_markdown(page, key, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    app = AppTest.from_file(str(PAGES / f"{page}.py"), default_timeout=300)
    app.query_params[key] = STRANGE
    app.run()
    assert not app.exception
    said = [text.value for text in (*app.warning, *app.error, *app.info)]
    assert [text for text in said if as_written(STRANGE[:25]) in text]
    assert not [text for text in said if STRANGE[:12] in text or 60 * "a" in text]


@pytest.mark.slow
@pytest.mark.parametrize("page", PRESENTED)
def test_what_a_link_has_on_show_and_is_not_there_is_said(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    app = AppTest.from_file(str(PAGES / f"{page}.py"), default_timeout=300)
    app.query_params[state.PRESENT], app.query_params[state.PANELS] = "1", "nonsense7"
    app.run()
    assert not app.exception
    (said,) = app.warning
    assert "The link names “nonsense7” to be on show; here there are " in said.value


def test_a_place_that_a_model_does_not_have_is_said_where_a_link_names_it_and_not_where_another_page_left_it():
    for linked in (True, False):
        app = AppTest.from_file(str(PAGES / "step.py"), default_timeout=300)
        (app.query_params if linked else app.session_state)[state.POSITION] = "900" if linked else 900
        app.run()
        assert not app.exception
        assert [text.value.startswith("The link names position 900;") for text in app.warning] == [True] * linked


def test_a_name_that_no_page_knows_is_said_once():
    app = AppTest.from_file(str(PAGES / "step.py"), default_timeout=300)
    app.query_params["chekpoint"] = "digits"
    app.run()
    assert "The link names chekpoint, which no page here knows" in app.warning[0].value
    assert not app.run().warning
