"""How long a training has taken, by a clock of the test's own."""

from vitrm.training.stopwatch import Stopwatch


def test_seconds_are_counted_from_start_to_stop_and_go_on_from_what_they_are_set_to():
    now = [100.0]
    watch = Stopwatch(lambda: now[0])
    now[0] += 5
    assert watch.seconds == 0
    watch.start()
    now[0] += 2
    watch.start()  # again: no difference
    assert watch.seconds == 2
    with watch.off():
        now[0] += 1000
        assert watch.seconds == 2
    now[0] += 1
    watch.stop()
    now[0] += 1000
    assert watch.seconds == 3
    watch.seconds = 50
    watch.start()
    now[0] += 1
    assert watch.seconds == 51
    watch.seconds = 70
    now[0] += 1
    assert watch.seconds == 71
