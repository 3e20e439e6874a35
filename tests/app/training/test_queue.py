"""Trainings that the app starts: their life, told by real processes, and the queue in front of them."""

import json
import os
import shutil
import subprocess
import sys
import time

import pytest

from app import sources
from app.training.jobs import Asked, Job, Jobs
from app.training.limits import Limits
from app.training.queue import RESCAN_S, Trainings
from app.visitors import Visitor
from vitrm.config import PRESETS
from vitrm.errors import ConfigError, RunError
from vitrm.places import ROOT
from vitrm.runs.checkpoints import find_run
from vitrm.runs.folder import ORDERS, Run
from vitrm.runs.state import Failure, State

ANN, BOB, CID, TEACHER = Visitor("ann"), Visitor("bob"), Visitor("cid"), Visitor("teacher", is_teacher=True)
SMALL = {
    "model.dim": 16, "model.num_heads": 2, "model.mlp_dim": 16, "model.depth": 1, "model.memory_steps": 1,
    "model.memory_tokens": 3, "model.supervision_steps": 2, "train.batch_size": 64,
}  # fmt: skip


def small(epochs, **changes):
    return PRESETS["digits"].with_fields(SMALL | {"train.epochs": epochs} | changes)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def trainings():
    """A queue that nobody looks after but the test; every process it started is ended."""
    made = []

    def make(limits=None, **how):
        made.append(Trainings(limits=limits or Limits(threads=1), **how))
        return made[-1]

    yield make
    for each in made:
        each.close()
        for _, child in each.processes.started:
            child.kill()
            child.wait()


class Clock:
    """Time that passes when the test says so."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class Begun:
    """In place of a process: one that never gets beyond having been started."""

    pid = os.getpid()

    def __init__(self, words, output):
        pass

    def poll(self):
        return None

    kill = wait = poll


def begun(queue, name, visitor="ann", state="begun"):
    """A run of a visitor's that its process has taken over from the queue."""
    run = Run(queue.runs / name)
    asked = Asked("train", json.dumps(small(5).to_dict()), "cpu", visitor, 1.0)
    Jobs(queue.runs).write(run, Job(asked, state))
    return run


def until(condition, trainings=None, timeout_s=600):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, trainings and trainings.known
        if trainings is not None:
            trainings.tick()
        time.sleep(0.1)  # to look takes as much time as the process that is waited for


def state(trainings, name):
    trainings.look(everything=True)
    return trainings.known[name].state


def updates(run):
    return [event for event in run.metrics() if event["event"] == "Updated"]


@pytest.mark.slow
def test_a_training_from_a_terminal_is_found_obeys_and_outlives_pause_single_update_kill_and_the_app(trainings):
    words = [f"--{key}={value}" for key, value in SMALL.items()]
    command = [sys.executable, "-m", "vitrm", "train", "digits", *words, "--train.epochs=100000", "--name", "typed"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([*command, "--device", "cpu"], env=environment, stdout=subprocess.DEVNULL)
    try:
        first = trainings()
        run = Run(first.runs / "typed")
        until(lambda: "typed" in first.known and state(first, "typed") == "running", first)
        assert first.known["typed"].visitor is None
        assert first.train(small(100_000), ANN) == "typed", first.known  # the same settings: watch that one
        other = first.train(small(1), ANN)
        first.tick()
        assert state(first, other) == "waiting"  # it takes the one place, wherever it was started
        first.leave(other, ANN)
        until(lambda: run.snapshots()[-1:] > [1], first)

        first.ask("typed", "pause", TEACHER)
        until(lambda: state(first, "typed") == "paused", first)
        before = run.metrics()
        first.ask("typed", "step", TEACHER)
        until(lambda: updates(run), first)
        (update,) = updates(run)
        assert run.metrics()[: len(before)] == before
        paused = next(event for event in reversed(before) if event["event"] == "Paused")
        assert update["updates"] == paused["updates"] + 1
        assert run.latest_at is not None
        first.ask("typed", "go", TEACHER)
        until(lambda: state(first, "typed") == "running", first)
    finally:
        process.kill()
        process.wait()
    until(lambda: state(first, "typed") == "interrupted", first)
    assert "killed" in first.known["typed"].cause

    before = run.load_state()
    first.resume("typed", TEACHER)
    # it holds the folder's lock, and so is running, before it says who it is
    until(lambda: state(first, "typed") == "running" and run.status()["pid"] != process.pid, first)
    ((_, child),) = first.processes.started
    first.close()  # the app ends; the training that it started does not mind
    second = trainings()
    until(lambda: state(second, "typed") == "running" and run.snapshots()[-1] > before["epoch"], second)
    second.ask("typed", "stop", TEACHER)
    until(lambda: state(second, "typed") == "stopped", second)
    assert child.wait(timeout=600) == 130
    epochs = [event["epoch"] for event in run.metrics() if event["event"] == "EpochEnd"]
    assert epochs == list(range(1, len(epochs) + 1))  # nothing lost, nothing twice

    second.finish("typed", TEACHER)
    until(lambda: state(second, "typed") == "finished", second)
    assert find_run("typed").summary().reason.startswith("stopped after epoch")


def test_a_training_that_cannot_begin_says_why(trainings):
    queue = trainings()
    name = queue.train(small(1, **{"data.source": "folder:data/nowhere"}), ANN)
    until(lambda: state(queue, name) == "failed", queue)
    assert queue.known[name].cause == (
        "folder 'data/nowhere' does not exist; expected data/nowhere/CLASS/image.png or data/nowhere/train/CLASS/..."
    )
    queue.retry(name, ANN)
    assert state(queue, name) == "waiting"
    queue.leave(name, ANN)
    assert name not in queue.known


# The queue, without processes


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def queue(trainings, clock):
    """A queue of one place whose trainings never get beyond having been started."""
    return trainings(launch=Begun, clock=clock)


def test_the_queue_is_in_order_joins_equals_and_survives_a_restart(queue, trainings):
    first = queue.train(small(5), ANN)
    second = queue.train(small(6), BOB)
    assert queue.train(small(5), CID) == first
    assert [queue.known[name].position for name in (first, second)] == [1, 2]
    again = trainings()
    again.look()
    assert [again.known[name].position for name in (first, second)] == [1, 2]
    queue.leave(first, ANN)
    assert first not in queue.known
    assert queue.known[second].position == 1
    queue.tick()
    assert queue.known[second].state == "starting"


def test_only_one_server_looks_after_a_queue_and_another_takes_over(queue, trainings, clock):
    other = trainings(launch=Begun, clock=clock)
    queue.tick()
    other.tick()
    assert (queue.owns, other.owns) == (True, False)
    queue.close()
    other.tick()
    assert not other.owns  # it has tried just now
    clock.now += RESCAN_S
    other.tick()
    assert other.owns


def test_a_visitor_has_one_run_waiting_and_limits_are_said(queue, trainings):
    name = queue.train(small(5), ANN)
    with pytest.raises(ConfigError, match=f"your run “{name}” is waiting already"):
        queue.train(small(6), ANN)
    strict = trainings(Limits(epochs=10, parameters=1000))
    with pytest.raises(ConfigError, match=r"train\.epochs=11: this server allows at most 10"):
        strict.train(small(11), BOB)
    with pytest.raises(ConfigError, match=r"parameters; this server allows at most 1,000: lower model\.dim"):
        strict.train(small(9), BOB)
    with pytest.raises(ConfigError, match="switched off"):
        trainings(Limits(at_once=0)).train(small(9), BOB)
    full = trainings(Limits(disk_mb=1e-9))
    with pytest.raises(ConfigError, match="delete some first"):
        full.train(small(9), BOB)


@pytest.mark.parametrize("preset", ["paper", "vit-small", "resnet18", "sr-vit-tiny"])
def test_a_limit_on_parameters_holds_for_every_family(trainings, preset):
    with pytest.raises(ConfigError, match=r"the model has [\d,]+ parameters; this server allows at most 10"):
        trainings(Limits(parameters=10)).train(PRESETS[preset], BOB)


@pytest.mark.parametrize("name", ["../outside", "", "a/b", ".queue", "x" * 99, "a\nb"])
def test_no_name_leads_out_of_the_folder(queue, name):
    with pytest.raises(RunError, match="cannot be a name"):
        queue.delete(name, ANN)


def test_what_is_going_on_is_neither_renamed_nor_deleted(queue):
    name = queue.train(small(5), ANN)
    for act in (lambda: queue.rename(name, "new", ANN), lambda: queue.delete(name, ANN)):
        with pytest.raises(RunError, match="is waiting; stop it first"):
            act()
    run = queue.run(name)
    run.save_job(run.job() | {"state": "failed"})
    with pytest.raises(RunError, match="“digits-glimpse” is the name of a model that comes with this app"):
        queue.rename(name, "digits-glimpse", ANN)
    queue.rename(name, "better name", ANN)
    assert "better name" in queue.known
    queue.delete("better name", ANN)
    assert not run.path.exists()


def test_a_training_that_may_not_be_started_over_goes_on(queue):
    run = begun(queue, "going on")
    (run.path / "config.json").write_text(json.dumps(small(5).to_dict()))
    run.acquire()
    run.set_status(State.RUNNING)
    queue.train(small(6), ANN)  # waits, and nobody may have two that do
    with pytest.raises(ConfigError, match="is waiting already"):
        queue.restart("going on", ANN)
    assert run.control()["wanted"] != "stop"
    run.release()


def test_a_paused_run_gives_way_after_a_while_and_a_long_one_is_stopped(trainings, clock):
    queue = trainings(Limits(minutes=1, pause_minutes=1, threads=1), launch=Begun, clock=clock)
    held = {}
    for name, status in (("paused", State.PAUSED), ("running", State.RUNNING)):
        held[name] = run = begun(queue, name)
        run.acquire()
        run.set_status(status)

    def pass_time(seconds):
        for _ in range(seconds):
            clock.now += 1
            queue.tick()

    pass_time(70)
    assert held["running"].control()["wanted"] == "stop"
    assert held["paused"].control()["wanted"] == "go"  # nobody waits
    assert "the limit of this server" in held["running"].job()["cause"]
    held["running"].set_status(State.STOPPED)
    held["running"].release()
    pass_time(5)
    held["running"].acquire()  # resumed: it has its minutes again
    held["running"].forget_orders()
    held["running"].set_status(State.RUNNING)
    pass_time(50)
    assert held["running"].control()["wanted"] == "go"
    pass_time(20)
    assert held["running"].control()["wanted"] == "stop"
    queue.train(small(7), BOB)
    pass_time(70)
    assert held["paused"].control()["wanted"] == "stop"
    assert "others wait" in held["paused"].job()["cause"]


def test_a_run_that_diverged_is_told_from_one_that_failed_otherwise(queue):
    for name, failure in (("diverged", Failure.DIVERGED), ("failed", Failure.SYSTEM)):
        begun(queue, name).set_status(State.FAILED, "a cause", failure)
    queue.look(everything=True)
    assert {name: seen.diverged for name, seen in queue.known.items()} == {"diverged": True, "failed": False}


# Clocks that are set


def test_setting_the_clock_makes_nobody_late_and_changes_no_turn(trainings, clock):
    wall = Clock()
    wall.now = 1e9
    queue = trainings(Limits(at_once=2, threads=1), launch=Begun, clock=clock, now=wall)
    first = queue.train(small(5), ANN)
    wall.now -= 86_400
    second = queue.train(small(6), BOB)
    assert [queue.known[name].position for name in (first, second)] == [1, 2]
    queue.tick()
    queue.close()
    other = trainings(launch=Begun, clock=clock, now=wall)  # did not start it, but it can see that its process lives
    for jump in (86_400, 86_400 * 365, -86_400):
        wall.now += jump
        clock.now += RESCAN_S
        other.tick()
        assert other.known[first].state == "starting"
    clock.now += 121
    other.tick()
    assert other.known[first].state == "failed"


# Who may do what


def acts(queue, name):
    """Everything that a page can ask for about a run, by name."""
    orders = {order: lambda visitor, order=order: queue.ask(name, order, visitor) for order in ORDERS}
    return orders | {
        "resume": lambda visitor: queue.resume(name, visitor),
        "retry": lambda visitor: queue.retry(name, visitor),
        "finish": lambda visitor: queue.finish(name, visitor),
        "leave": lambda visitor: queue.leave(name, visitor),
        "restart": lambda visitor: queue.restart(name, visitor),
        "rename": lambda visitor: queue.rename(name, "mine now", visitor),
        "delete": lambda visitor: queue.delete(name, visitor),
    }


@pytest.mark.parametrize("state", ["waiting", "starting", "begun", "failed"])
def test_only_its_visitor_and_the_teacher_do_anything_with_a_run(queue, state):
    run = begun(queue, "hers", state=state)
    queue.look(everything=True)
    before = run.job()
    for name, act in acts(queue, "hers").items():
        with pytest.raises(RunError, match="only the browser that started “hers”, and the teacher, can do that"):
            act(BOB)
        assert run.job() == before, name
        for allowed in (ANN, TEACHER):  # what they may is another question than what can be done just now
            said = ""
            try:
                act(allowed)
            except (RunError, ConfigError) as error:
                said = str(error)
            assert "only the browser" not in said
            for each in queue.runs.glob("[!.]*"):
                shutil.rmtree(each)
            run = begun(queue, "hers", state=state)
            queue.look(everything=True)
        before = run.job()


def test_a_stranger_trains_on_no_folder_outside_of_data(queue):
    for source in ("folder:/etc", "folder:../data/x", "parquet:/home", "folder:data/../x", "folder:data", "folder:x"):
        config = small(1, **{"data.source": source})
        with pytest.raises(ConfigError, match="only the teacher may choose folders outside data/"):
            queue.train(config, ANN)
    with pytest.raises(ConfigError, match="only the teacher may choose a run to begin with"):
        queue.train(small(1, **{"train.start": "somewhere"}), ANN)
    assert queue.train(small(1, **{"data.source": "folder:data/birds"}), ANN) in queue.known
    assert queue.train(small(1, **{"data.source": "folder:/photos"}), TEACHER) in queue.known


def test_what_the_teacher_trains_on_may_be_shown_and_is_for_learners_as_well(queue):
    source = "folder:/photos/owls"
    queue.train(small(1, **{"data.source": source}), TEACHER)
    assert sources.is_offered(source)
    assert queue.train(small(2, **{"data.source": source}), ANN) in queue.known
