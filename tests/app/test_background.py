"""Background work: once for everybody, one at a time, with an end that can be seen."""

import threading

import pytest

from app import background
from vitrm.errors import DataError

PATIENCE_S = 600


@pytest.fixture
def key(request):
    background.registry.clear()  # whatever another test has left to be done is not waited for
    return request.node.name


def test_the_same_work_is_done_once_and_its_result_kept(key):
    calls = []
    first = background.start(key, lambda report: calls.append(1) or "made")
    second = background.start(key, lambda report: calls.append(2) or "other")
    assert first is second is background.find(key)
    assert first.wait(PATIENCE_S)
    assert not first.is_running
    assert first.result == "made"
    assert background.start(key, lambda report: "again").result == "made"
    assert calls == [1]


def test_work_waits_for_its_turn_and_says_how_far_it_is(key):
    begun, go_on = threading.Event(), threading.Event()

    def slow(report):
        report(0.25)
        begun.set()
        assert go_on.wait(PATIENCE_S)
        return 1

    first = background.start(f"{key} 1", slow)
    second = background.start(f"{key} 2", lambda report: 2)
    assert begun.wait(PATIENCE_S)
    assert first.share == 0.25
    assert second.is_running
    go_on.set()
    assert second.wait(PATIENCE_S)
    assert (first.result, second.result) == (1, 2)


def test_cancelled_work_stops_and_can_be_started_anew(key):
    begun = threading.Event()

    def endless(report):
        while report(0.5):
            begun.set()
        raise background.Cancelled

    job = background.start(key, endless)
    assert begun.wait(PATIENCE_S)
    job.cancel()
    assert job.wait(PATIENCE_S)
    assert job.result is None
    assert job.error is None
    assert background.find(key) is None
    again = background.start(key, lambda report: "done")
    assert again.wait(PATIENCE_S)
    assert again.result == "done"


def test_what_goes_wrong_is_said_and_does_not_stop_the_next(key, caplog):
    def refused(report):
        raise DataError("there are no images")

    def broken(report):
        raise ZeroDivisionError

    first, second = background.start(f"{key} 1", refused), background.start(f"{key} 2", broken)
    third = background.start(f"{key} 3", lambda report: 3)
    assert third.wait(PATIENCE_S)
    assert first.error == "there are no images"
    assert "ZeroDivisionError" in second.error
    assert "background work failed" in caplog.text
    assert third.result == 3
    retried = background.start(f"{key} 1", lambda report: "now")
    assert retried.wait(PATIENCE_S)
    assert retried.result == "now"


def test_old_results_are_forgotten(key):
    for number in range(background.KEPT + 5):
        assert background.start((key, number), lambda report: 1).wait(PATIENCE_S)
    assert background.find((key, 0)) is None
    assert background.find((key, background.KEPT + 4)) is not None


def test_work_that_nobody_wants_any_more_ends_at_its_next_report(key):
    wanted, begun = threading.Event(), threading.Event()
    wanted.set()

    def endless(report):
        while report(0.5):
            begun.set()
        raise background.Cancelled

    job = background.start(key, endless, lambda job: wanted.is_set())
    assert begun.wait(PATIENCE_S)
    wanted.clear()
    assert job.wait(PATIENCE_S)
    assert job.result is None
    assert background.find(key) is None


def test_the_end_of_the_server_cancels_what_is_under_way_and_what_waits():
    begun, jobs = threading.Event(), background.Jobs()

    def endless(report):
        while report(0.5):
            begun.set()
        raise background.Cancelled

    first, second = background.Job("first"), background.Job("second")
    jobs.known |= {1: first, 2: second}
    for job in (first, second):
        jobs.waiting.put((job, endless))
    assert begun.wait(PATIENCE_S)
    jobs.close()
    assert first.wait(PATIENCE_S)
    assert second.wait(PATIENCE_S)
    assert not jobs.worker.is_alive()
