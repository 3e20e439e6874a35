"""The selection whose value is a key of the session, and that of a model."""

from pathlib import Path

from streamlit.testing.v1 import AppTest

from app import cache, state

HOME = str(Path(__file__).resolve().parents[2] / "app" / "Home.py")


def page():
    import streamlit as st

    from app.inputs import select

    st.session_state.setdefault("fruit", "")
    st.session_state.setdefault("taken", [])
    told = st.session_state["taken"].append if st.session_state.get("tells") else None
    chosen = select("Fruit", ["fig", "lime"], "fruit", shown="fig", buttons=True, take=told)
    st.text(chosen)


def opened(**session):
    app = AppTest.from_function(page, default_timeout=300)
    for key, value in session.items():
        app.session_state[key] = value
    return app.run()


def test_what_stands_where_nothing_is_chosen_is_not_kept():
    app = opened()
    assert app.text[0].value == "fig"
    assert app.session_state["fruit"] == ""


def test_a_choice_is_kept_and_so_is_it_when_the_control_is_switched_off():
    app = opened()
    app.segmented_control[0].set_value("lime").run()
    assert app.session_state["fruit"] == app.text[0].value == "lime"
    app.segmented_control[0].set_value(None).run()
    assert app.session_state["fruit"] == app.segmented_control[0].value == "lime"


def test_a_value_that_is_no_option_gives_way_to_the_usual_one():
    assert opened(fruit="stone").text[0].value == "fig"


def test_who_takes_the_choice_is_told_and_the_key_is_theirs_to_set():
    app = opened(tells=True)
    app.segmented_control[0].set_value("lime").run()
    assert app.session_state["taken"] == ["lime"]
    assert app.session_state["fruit"] == ""


def choosing():
    from app import inputs, state

    state.start()
    inputs.choose_checkpoint()


def test_the_models_are_looked_for_once_at_every_run_of_the_page(monkeypatch):
    looks, there = [], cache.list_runs()
    monkeypatch.setattr(cache, "list_runs", lambda: looks.append(len(there)) or there)
    app = AppTest.from_function(choosing, default_timeout=300).run()
    assert "digits" in app.selectbox[0].options
    there = [run for run in there if run.name != "digits"]
    assert "digits" not in app.run().selectbox[0].options
    assert len(looks) == 2


def test_each_data_set_keeps_the_image_that_was_seen_of_it():
    app = AppTest.from_file(HOME, default_timeout=300)
    app.query_params[state.CHECKPOINT], app.query_params[state.IMAGE] = "fashion-glimpse", "test-5532"
    app.run()
    app.query_params.clear()  # as a browser does on the way to another page
    for page in ("mixture", "compare"):  # of digits
        app.session_state[state.PAGE], app.session_state[state.OPEN] = page, "pair" * (page == "compare")
        app.switch_page(f"../pages/{page}.py").run()
        assert not app.exception
        assert not app.warning
        assert app.session_state[state.IMAGE] == state.DEFAULTS[state.IMAGE]
        app.switch_page("../pages/watch.py").run()
        assert not app.warning
        assert not app.info
        assert app.session_state[state.IMAGE] == "test-5532"
    app.session_state[state.CHECKPOINT], app.session_state[state.IMAGE] = "digits", "test-12"  # named on purpose
    assert app.run().session_state[state.IMAGE] == "test-12"
