"""Training on own pictures: who may, who sees it, and what is left when the run is deleted."""

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import own_data, visitors
from app.training import cache
from app.training.choices import seen
from app.training.estimates import Estimates
from app.training.jobs import Jobs
from app.training.limits import Limits
from app.training.queue import Trainings
from app.visitors import Visitor
from tests.app.test_own_data import ANN, BOB, TEACHER, pets, take
from vitrm.cli import main as cli
from vitrm.config import PRESETS
from vitrm.errors import ConfigError
from vitrm.runs.folder import Run
from vitrm.training.commands import train_words

HOME = str(Path(__file__).resolve().parents[3] / "app" / "Home.py")
SMALL = {
    "model.image_size": 8, "model.patch_size": 4, "model.dim": 16, "model.num_heads": 2, "model.mlp_dim": 16,
    "model.depth": 1, "model.memory_tokens": 3, "model.glimpse_patches": 2, "train.epochs": 1, "train.batch_size": 4,
}  # fmt: skip


def asked(source):
    return PRESETS["photos"].with_fields({"data.source": source, **SMALL})


@pytest.fixture
def queue(monkeypatch):
    """A queue that starts nothing, with a training that Ann has asked for on her pictures."""
    queue = Trainings(limits=Limits(threads=1))
    queue.source = take(pets())[0]
    queue.mine = queue.train(asked(queue.source), ANN)
    yield queue
    queue.close()


def test_nobody_trains_on_anothers_pictures_whatever_a_page_sends(queue):
    for visitor, source in ((BOB, queue.source), (BOB, "folder:data/.own/" + 32 * "0")):
        with pytest.raises(ConfigError, match="these pictures are gone, or another visitor's; upload your own"):
            queue.train(asked(source), visitor)
    assert queue.train(asked(queue.source), TEACHER) == queue.mine  # joins


def test_the_run_is_shown_to_those_who_may_see_the_pictures(queue, monkeypatch):
    assert queue.known[queue.mine].source == queue.source
    for visitor, names in ((ANN, {queue.mine}), (TEACHER, {queue.mine}), (BOB, set())):
        monkeypatch.setattr(visitors, "visitor", lambda visitor=visitor: visitor)
        assert seen(queue.known).keys() == names


def test_runs_are_read_before_the_lock_is_taken_and_again_within_it(queue, monkeypatch):
    unused, wanted = take(pets(), TEACHER)[0], take(pets(), BOB)[0]
    read, free = own_data._said, []

    def reading(runs):
        said = read(runs)
        with ThreadPoolExecutor(1) as other:
            free.append(other.submit(queue._lock.acquire, blocking=False).result())
            if free == [True]:
                other.submit(queue._lock.release).result()
                queue.train(asked(wanted), BOB)  # meanwhile: these are to stay
        return said

    monkeypatch.setattr(own_data, "_said", reading)
    later = time.time() + own_data.UNUSED_S + 1
    monkeypatch.setattr(time, "time", lambda: later)
    monkeypatch.setattr(queue.processes, "begin", lambda name: None)
    queue.owns = True
    queue.tick()
    assert free == [True, False]
    assert [own_data.folder(source).exists() for source in (unused, wanted, queue.source)] == [False, True, True]


def test_pictures_do_not_give_way_to_the_next_where_a_training_on_them_is_asked_for_meanwhile(queue, monkeypatch):
    monkeypatch.setattr(queue.processes, "begin", lambda name: None)
    anew, away = lambda: list(queue.take_pictures(pets(), BOB)), lambda: queue.remove_pictures(BOB)
    for give_way, free_when_read, kept in ((anew, [True, False], True), (away, [False], False)):
        wanted = take(pets(), BOB)[0]
        read, free = own_data._said, []

        def reading(runs, wanted=wanted, read=read, free=free):
            said = read(runs)
            with ThreadPoolExecutor(1) as other:
                free.append(other.submit(queue._lock.acquire, blocking=False).result())
                if free[-1]:
                    other.submit(queue._lock.release).result()
                    queue.train(asked(wanted), BOB)
            return said

        with monkeypatch.context() as patch:
            patch.setattr(own_data, "_said", reading)
            give_way()
        assert (free, own_data.folder(wanted).exists()) == (free_when_read, kept)
        if kept:
            queue.leave(next(name for name, run in queue.known.items() if run.source == wanted), BOB)


def test_the_pictures_go_with_the_last_run_on_them(queue):
    place = own_data.folder(queue.source)
    copy = shutil.copytree(queue.runs / queue.mine, queue.runs / "copy")
    queue.leave(queue.mine, ANN)
    assert place.is_dir()
    shutil.rmtree(copy)
    name = queue.train(asked(queue.source), ANN)
    run = Run(queue.runs / name)
    run.save_job(run.job() | {"state": "failed"})
    queue.delete(name, ANN)
    assert not place.exists()


def test_the_command_that_the_queue_starts_trains_on_them_and_names_no_folder(queue):
    config = asked(queue.source)
    words = [*train_words(config), "--name", "tried", "--device=cpu", "--threads=1"]
    assert cli.main(words) == 0
    run = Run(Path("runs/tried"))
    assert run.config().data.title == "own pictures"
    assert run.config().data.classes == ("blue", "red")
    assert ".own" not in (run.path / "README.md").read_text(encoding="utf-8").partition("##")[0]


@pytest.fixture
def page(tmp_path, monkeypatch):
    """The form for photographs, for a learner on a server without any, whose queue nobody looks after."""
    monkeypatch.setattr(Trainings, "start", lambda self: (self.look(everything=True), self)[1])
    monkeypatch.setattr(Estimates, "get", lambda *_: None)
    monkeypatch.setattr(visitors, "cookie", lambda: 32 * "a")
    monkeypatch.setattr(visitors, "address", lambda: "192.0.2.1")
    app = AppTest.from_file(HOME, default_timeout=300)
    app.run()
    app.switch_page("../pages/train.py").run()
    yield app.pills(key="train_preset").set_value("photos").run()
    cache.trainings.clear()


def test_a_zip_file_becomes_a_training_of_ones_own(page):
    page.file_uploader[0].upload("pets.zip", pets(red__note="a text")).run()
    assert not page.exception
    assert "8 pictures in 2 classes: blue, red" in page.success[0].value
    assert "“red/note”: not an image file" in page.text[0].value
    assert page.file_uploader[0].value is None  # handed over, and empty again
    page.button(key="start_training").click().run()
    assert not page.exception
    (training,) = cache.trainings().known.values()
    assert own_data.owner(training.source) == 32 * "a"
    asked = Jobs(cache.trainings().runs).read(cache.trainings().run(training.name)).asked.config
    assert asked.train.batch_size == 4  # of the five that are left to train on


def test_what_is_wrong_with_a_file_is_said_and_the_next_one_is_taken(page):
    page.file_uploader[0].upload("pets.zip", pets(each=1)).run()
    assert "cannot be used: it has too few pictures: blue 1, red 1; expected" in page.error[0].value
    assert page.button(key="start_training").disabled
    page.file_uploader[0].upload("pets.zip", pets()).run()
    assert not page.error
    page.button(key="own_remove").click().run()
    assert own_data.latest(Visitor(32 * "a")) is None
    assert not page.success
