"""What was done, as a browser or the server tells it."""

import math

import pytest
from streamlit.testing.v1 import AppTest

from app import events

SEEN = {"kind": "step seen", "n": 6, "of": 6, "t": 1, "name": "digits-test-1"}


def test_an_event_is_read_and_sent_as_it_was():
    assert [each.sent() for each in events.read([SEEN])] == [SEEN]


@pytest.mark.parametrize(
    "forged",
    [
        None,
        "step seen",
        {},
        {"kind": "nothing"},
        {"kind": ["step seen"]},
        SEEN | {"n": "6"},
        SEEN | {"n": True},
        SEEN | {"n": 10**400},
        SEEN | {"name": "x" * 1000},
        SEEN | {"more": 1},
        {"kind": "step seen", "n": 6},
        {"kind": "threshold moved", "to": math.nan},
    ],
    ids=range(12),
)
def test_what_is_no_event_is_left_out_and_the_others_stay(forged):
    assert events.read([forged, SEEN]) == events.read([SEEN])


@pytest.mark.parametrize("value", [None, 7, "[]", {"0": SEEN}])
def test_what_is_no_list_has_no_events(value):
    assert events.read(value) == ()


def test_no_more_events_are_looked_at_than_a_lesson_can_have():
    assert len(events.read([SEEN] * 10_000)) == events.MOST


def test_what_is_done_on_the_server_is_added_to_the_list_of_the_session():
    def script():
        import streamlit as st

        from app import events

        events.happened("section opened", name="exits")
        fresh = [events.happened_once("training finished", name="mine") for _ in range(2)]
        st.code(str(fresh))
        st.text(" ".join(each.kind for each in events.of_session()))

    app = AppTest.from_function(script, default_timeout=300).run()
    assert app.code[0].value == "[True, False]"
    assert app.text[0].value == "section opened training finished"


def test_what_is_no_event_is_not_noted():
    with pytest.raises(ValueError, match="is no event"):
        events.happened("section opened", nam="exits")
