"""A run folder is data: the queue goes on whatever is in it, starts only what was asked for, and follows no link."""

import json
import os
import random
import shutil
import sys
import threading

import pytest

from app.training.comparison import zipped
from app.training.jobs import Asked, Job, Jobs
from app.training.limits import Limits
from app.training.queue import RESCAN_S, Trainings
from app.visitors import Visitor
from tests.app.training.test_queue import Begun, Clock, small
from vitrm.errors import RunError
from vitrm.runs.checkpoints import find_run, list_runs
from vitrm.runs.folder import Run

ANN, TEACHER = Visitor("ann"), Visitor("teacher", is_teacher=True)
SETTINGS = json.dumps(small(5).to_dict())
EVIL = ["export", "digits", "--to", "/tmp/elsewhere"]
links = pytest.mark.skipif(sys.platform == "win32", reason="making a link takes rights there")


@pytest.fixture
def started():
    """The commands that were started, each with where its output goes."""
    return []


@pytest.fixture
def queue(started):
    def launch(words, output):
        started.append(words)
        return Begun(words, output)

    queue = Trainings(limits=Limits(at_once=10_000, threads=1), launch=launch, clock=Clock())
    yield queue
    queue.close()


def job_file(queue, name, values):
    folder = queue.runs / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "job.json").write_text(values if isinstance(values, str) else json.dumps(values))
    return Run(folder)


def sealed(queue, name, **changes):
    values = {"act": "train", "settings": SETTINGS, "device": "cpu", "visitor": "ann", "at": 1.0}
    run = Run(queue.runs / name)
    Jobs(queue.runs).write(run, Job(Asked(**values | changes)))
    return run


def look(queue):
    queue.clock.now += RESCAN_S + 1
    queue.tick()


def test_a_foreign_folder_that_says_it_waits_starts_nothing(queue, started):
    own = sealed(queue, "own")
    copied = json.loads((own.path / "job.json").read_text())
    asked = copied["asked"]
    for name, values in {
        "old": {"state": "waiting", "words": EVIL, "visitor": "ann", "asked_at": 1.0, "fresh": True},
        "unsealed": {"state": "waiting", "asked": asked},
        "badly sealed": copied | {"seal": "0" * 64},
        "copied": copied,
        "changed": copied | {"asked": asked | {"device": "cuda"}},
        "with words": copied | {"words": EVIL},
    }.items():
        job_file(queue, name, values)
    look(queue)
    assert [words[-9:-7] for words in started] == [["own", "--runs"]]
    for name, training in queue.known.items():
        if name != "own":
            assert (training.state, training.visitor, training.position) == ("failed", None, 0)
            assert training.cause
            with pytest.raises(RunError):
                queue.retry(name, TEACHER)
    assert "this server's queue did not write its job.json" in queue.known["old"].cause
    assert "written for another run" in queue.known["copied"].cause


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"settings": "{}"}, None),  # every setting has a default
        ({"settings": "[]"}, "cannot be read"),
        ({"settings": "["}, "cannot be read"),
        ({"settings": json.dumps({"model": {"dim": -1}})}, "cannot be read"),
        ({"settings": json.dumps({"train": {"epochs": 999}})}, "this server allows at most 10"),
        ({"device": "cpu --resume /"}, "is no device"),
    ],
)
def test_what_was_asked_for_is_read_and_checked_again_before_it_is_started(started, changes, why):
    def launch(words, output):
        started.append(words)
        return Begun(words, output)

    queue = Trainings(limits=Limits(epochs=10, threads=1), launch=launch, clock=Clock())
    settings = {"settings": json.dumps({"train": {"epochs": 3}})} if why is None else {}
    sealed(queue, "run", **changes | settings)
    look(queue)
    assert len(started) == (why is None)
    if why is not None:
        look(queue)
        assert queue.known["run"].state == "failed"
        assert why in queue.known["run"].cause
    queue.close()


def test_a_run_killed_before_it_had_begun_cannot_stop_the_queue(queue, started):
    killed = Run(queue.runs / "typed")  # from a terminal: there is a status, and nothing says what it was
    killed.acquire()
    killed.set_status("starting")
    killed.release()
    look(queue)
    assert queue.known["typed"].state == "interrupted"
    with pytest.raises(RunError, match="start it anew"):
        queue.retry("typed", TEACHER)
    name = queue.train(small(5), ANN)
    look(queue)
    assert [words[words.index("--name") + 1] for words in started] == [name]


ODD = [None, True, -1, 0, 1e308, 10**400, "", "waiting", "starting", "x" * 3000, [], {}, [[]], {"a": 1}]
VALUES = ["", " ", "{}", "[]", "null", "3", '"waiting"', "{", "\0", "[" * 10_000, "9" * 5000, '{"status": []}']


def damage(dice, queue, name):
    """A folder that no queue would have made."""
    folder = queue.runs / name
    kind = dice.randrange(8)
    if kind < 4:  # its own job, with something else in one place
        sealed(queue, name)
        values = json.loads((folder / "job.json").read_text())
        where = values if kind < 2 else values["asked"]
        key = dice.choice(list(where))
        if dice.random() < 0.3:
            where.pop(key)
        else:
            where[key] = dice.choice(ODD)
            if where[key] == "waiting":
                where[key] = "wait"
        (folder / "job.json").write_text(json.dumps(values))
    elif kind < 6:
        job_file(queue, name, dice.choice(VALUES))
    elif kind == 6:
        folder.mkdir(parents=True)
        (folder / "job.json").mkdir()
    else:
        job_file(
            queue,
            name,
            {
                "state": dice.choice(ODD),
                "words": dice.choice(ODD),
                "asked_at": dice.choice(ODD),
                "pid": dice.choice(ODD),
            },
        )
    for file in ("status.json", "config.json", "summary.json", "control.json"):
        chance = dice.random()
        if chance < 0.2:
            (folder / file).write_text(dice.choice(VALUES))
        elif chance < 0.4:
            (folder / file).write_text(
                json.dumps({key: dice.choice(ODD) for key in ("status", "cause", "failure", "pid")})
            )
        elif chance < 0.43:
            (folder / file).mkdir()


def test_three_hundred_damaged_folders_neither_stop_the_queue_nor_start_anything(queue, started):
    dice = random.Random(16)
    for k in range(300):
        damage(dice, queue, f"damaged {k}")
    name = queue.train(small(5), ANN)
    for _ in range(3):
        look(queue)
    assert len(queue.known) > 270
    whole = {each for each, training in queue.known.items() if training.visitor == "ann"}  # only how far it was is odd
    assert {words[words.index("--name") + 1] for words in started if "--name" in words} <= whole
    assert name in {words[words.index("--name") + 1] for words in started}
    for each, training in queue.known.items():
        assert training.state is not None or training.fingerprint
        if each not in whole:
            assert training.state not in ("waiting", "starting"), (each, training)
    broken = next(each for each, training in queue.known.items() if not training.is_readable)
    queue.delete(broken, TEACHER)
    assert broken not in queue.known


def test_the_thread_outlives_whatever_a_folder_does_to_it():
    arrived = threading.Event()

    def launch(words, output):
        if words[words.index("--name") + 1] == "bad":
            raise KeyError("words")
        arrived.set()
        return Begun(words, output)

    queue = Trainings(limits=Limits(at_once=1, threads=1), launch=launch)
    sealed(queue, "bad", at=1.0)
    sealed(queue, "good", at=2.0)
    queue.start()
    try:
        assert arrived.wait(600)
        queue.look(everything=True)
        assert "KeyError" in queue.known["bad"].cause
    finally:
        queue.close()


@links
def test_links_and_pipes_are_followed_neither_in_the_list_nor_when_read_zipped_or_deleted(queue, started, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    secret = outside / "secret.txt"
    secret.write_text("secret")
    run = sealed(queue, "linked")
    (run.path / "config.json").write_text(json.dumps(small(1).to_dict()))
    (run.path / "extra.txt").symlink_to(secret)
    (run.path / "deep").mkdir()
    (run.path / "deep" / "extra.txt").symlink_to(secret)
    (run.path / "folder").symlink_to(outside)
    os.mkfifo(sealed(queue, "piped").path / "status.json")
    (queue.runs / "whole").symlink_to(outside)
    shutil.copytree(run.path, queue.runs / ".hidden", symlinks=True)
    (queue.runs / ".hidden" / "extra.txt").unlink()
    look(queue)
    assert set(queue.known) == {"linked", "piped"}
    assert all("which this app never follows" in training.cause for training in queue.known.values())
    assert started == []
    assert not [each for each in list_runs() if each.path.parent.name == "runs"]
    for name in ("linked", "whole"):
        with pytest.raises(RunError, match="no run or checkpoint"):
            find_run(name)
    assert b"secret" not in zipped(run)
    for act in (queue.resume, queue.retry, queue.restart):
        with pytest.raises(RunError, match="which this app never follows"):
            act("linked", TEACHER)
    with pytest.raises(RunError, match="no run"):
        queue.delete("whole", TEACHER)
    for name in ("linked", "piped"):
        queue.delete(name, TEACHER)
    assert secret.read_text() == "secret"
    assert queue.known == {}


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="nothing is read-only for root, or there")
def test_a_folder_of_runs_that_turns_read_only_costs_no_turn(queue, started):
    name = queue.train(small(5), ANN)
    run = queue.run(name)
    run.path.chmod(0o500)
    look(queue)
    assert started == []
    assert "Permission denied" in queue.known[name].cause or queue.known[name].position
    run.path.chmod(0o700)
    look(queue)
    assert len(started) == 1


def test_a_run_keeps_its_owner_when_it_is_renamed_and_a_copy_has_none(queue):
    run = sealed(queue, "hers")
    run.save_job(run.job() | {"state": "failed"})
    queue.rename("hers", "still hers", ANN)
    assert queue.known["still hers"].visitor == "ann"
    shutil.copytree(queue.runs / "still hers", queue.runs / "copy")
    queue.look(everything=True)
    assert queue.known["copy"].visitor is None
    with pytest.raises(RunError, match="only the browser"):
        queue.delete("copy", ANN)


def test_two_queues_on_one_folder_believe_each_other(queue):
    sealed(queue, "run")
    other = Trainings(limits=Limits(threads=1), launch=Begun)
    other.look(everything=True)
    assert other.known["run"].position == 1
    other.close()
    assert (queue.runs / ".queue" / "key").stat().st_size == 32
