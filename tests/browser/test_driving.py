"""When a page and its server have nothing more to say to each other, told from what they said."""

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from tests.browser.driving import Talk

WELL, EARLY = ForwardMsg.FINISHED_SUCCESSFULLY, ForwardMsg.FINISHED_EARLY_FOR_RERUN


class Wire:
    """Stands for a page and for its socket: who listens, and frames for them."""

    def __init__(self):
        self.listeners = {}

    def on(self, name, listener):
        self.listeners[name] = listener

    def ask(self, fragment=""):
        message = BackMsg()
        message.rerun_script.fragment_id = fragment
        self.listeners["framesent"](message.SerializeToString())

    def run(self, fragments=(), *, only="", ends=WELL):
        """What comes of a run of the script, or of a fragment only: its beginning, its parts, its end."""
        for name in ("begin", *fragments, "end"):
            message = ForwardMsg()
            if name == "begin":
                message.new_session.SetInParent()
                message.metadata.run.fragment_ids.extend([only] * bool(only))
            elif name == "end":
                message.script_finished = ends
            else:
                message.delta.fragment_id = name
            self.listeners["framereceived"](message.SerializeToString())


@pytest.fixture
def talk():
    wire = Wire()
    talk = Talk(wire)
    talk.wire = wire
    wire.listeners["websocket"](wire)
    wire.ask()
    wire.run(["book", "player"])
    assert talk.is_over
    return talk


def test_a_run_is_waited_for_to_its_good_end(talk):
    talk.wire.ask()
    assert not talk.is_over
    talk.wire.run(ends=EARLY)
    assert not talk.is_over
    talk.wire.run(["book"])
    assert talk.is_over


def test_a_fragment_of_the_page_is_waited_for(talk):
    talk.wire.ask("player")
    assert not talk.is_over
    talk.wire.run(["player"], only="player")
    assert talk.is_over
    talk.wire.ask("book")  # which a run of another fragment leaves where it is
    assert not talk.is_over


@pytest.mark.parametrize("late", [False, True], ids=["sent-while-it-goes", "sent-when-it-is-gone"])
def test_the_answer_to_a_fragment_that_is_gone_is_not_waited_for(talk, late):
    talk.wire.ask()
    if late:
        talk.wire.run(["player"])
        talk.wire.ask("book")
    else:  # its request crosses the end of the run that leaves it out
        begin, end = ForwardMsg(), ForwardMsg()
        begin.new_session.SetInParent()
        end.script_finished = WELL
        talk.wire.listeners["framereceived"](begin.SerializeToString())
        talk.wire.ask("book")
        assert not talk.is_over
        talk.wire.listeners["framereceived"](end.SerializeToString())
    assert talk.is_over
