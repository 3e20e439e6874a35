"""The parts of a page that are closed at first."""

import pytest
from streamlit.testing.v1 import AppTest


def page():
    import streamlit as st

    from app import state
    from app.sections import Section, sections

    state.start()
    st.session_state.setdefault("made", [])

    def show(name):
        st.session_state["made"].append(name)
        st.text(f"this is {name}")

    sections(Section("exits", "Who leaves?", lambda: show("exits")), Section("flips", "What?", lambda: show("flips")))
    st.code(str(state.address()[state.OPEN]))


def opened(link=None):
    app = AppTest.from_function(page, default_timeout=300)
    if link is not None:
        app.query_params["open"] = link
    return app.run()


def test_a_section_is_closed_at_first_and_what_it_holds_is_not_made():
    app = opened()
    assert [box.label for box in app.expander] == ["**Who leaves?**", "**What?**"]
    assert not any(box.proto.expanded for box in app.expander)
    assert app.session_state["made"] == []


@pytest.mark.parametrize(("link", "made"), [("flips", ["flips"]), ("flips,exits", ["exits", "flips"])])
def test_a_link_opens_sections_and_is_what_the_address_says(link, made):
    app = opened(link)
    assert app.session_state["made"] == made
    assert app.code[0].value == link
    assert not app.warning


def test_a_section_that_a_link_names_and_nobody_has_is_said_once():
    app = opened("nothing,exits")
    assert "“nothing”, which this page does not have. Its sections are: exits, flips" in app.warning[0].value
    assert [text.value for text in app.text] == ["this is exits"]
    assert app.code[0].value == "exits"
    assert not app.run().warning


def walk():
    import streamlit as st

    from app import state

    state.enter(st.session_state["at"])
    state.start()
    st.code(st.session_state[state.OPEN])


def test_the_sections_of_another_page_are_forgotten_on_the_way_to_it():
    app = AppTest.from_function(walk, default_timeout=300)
    app.session_state["at"], app.session_state["open"], app.session_state["page"] = "halting", "flips", "halting"
    assert app.run().code[0].value == "flips"
    app.session_state["at"] = "compare"
    assert app.run().code[0].value == ""
