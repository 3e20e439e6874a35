"""The teacher's code cannot be guessed, and each wrong one is noted."""

import logging

from app.visitors import Door, Visitor
from tests.app.training.test_queue import Clock


def test_wrong_codes_are_slowed_down_for_the_whole_server_and_logged(caplog):
    clock = Clock()
    clock.now = 1000.0
    door = Door("secret", clock)
    looked_at = 0
    with caplog.at_level(logging.WARNING):
        for k in range(100):  # within ten seconds
            clock.now += 0.1
            refused = door.refusal(f"guess {k}", "10.0.0.7")
            looked_at += "not the code" in refused
    assert looked_at == len(caplog.records) == 4  # after 0, 1, 3 and 7 seconds
    assert "from 10.0.0.7, 4 in a row; the next is looked at in 8 s" in caplog.text
    assert "secret" not in caplog.text
    assert "guess" not in caplog.text
    assert "looked at in" in door.refusal("secret", None)  # too early, so it tells nothing
    clock.now += 8
    assert door.refusal("secret", None) is None
    assert "not the code" in door.refusal("wrong", None)  # counted from the beginning again


def test_the_delay_is_bounded_and_forgotten():
    clock = Clock()
    clock.now = 1000.0
    door = Door("secret", clock)
    for _ in range(50):
        clock.now += Door.LONGEST_S
        assert "not the code" in door.refusal("wrong", None)
    assert door.refusal("secret", None) is not None
    clock.now += Door.FORGIVEN_S + 1
    assert "not the code" in door.refusal("wrong", None)
    clock.now += Door.FIRST_S
    assert door.refusal("secret", None) is None


def test_a_run_from_a_terminal_is_the_teachers_alone():
    ann = Visitor("ann")
    assert ann.may_control("ann")
    assert not ann.may_control("bob")
    assert not ann.may_control(None)
    assert Visitor("ann", is_teacher=True).may_control(None)
