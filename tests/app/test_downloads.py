"""Images that are not here: who may have them brought, and that they come once, for everybody."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import background, cache, downloads, state, visitors
from app.visitors import Visitor
from tests.downloads import serving
from vitrm.config import Config, DataConfig
from vitrm.config.data import CIFAR10_CLASSES

HOME = str(Path(__file__).resolve().parents[2] / "app" / "Home.py")
TEACHER, LEARNER = Visitor("1", is_teacher=True), Visitor("2")


@pytest.fixture
def served(monkeypatch):
    for kept in (background.registry, cache.images_here, cache.has_images, cache._stand_in, cache.shared_dataset):
        kept.clear()
    with serving(monkeypatch) as server:
        yield server
    background.registry(downloads._LANE).close()
    for kept in (background.registry, cache.images_here, cache.has_images, cache._stand_in, cache.shared_dataset):
        kept.clear()


def step_page(image):
    app = AppTest.from_file(HOME, default_timeout=300)
    app.run()
    app.session_state[state.CHECKPOINT] = "cifar10-tiny"
    app.session_state[state.IMAGE] = image
    return app.switch_page("../pages/step.py").run()


def labels(app):
    return [button.label for button in app.button]


def test_which_set_brings_the_images_of_a_model():
    def source(**data):
        return downloads.source_of(Config(data=DataConfig(**data)))

    assert source(source="parquet:data/cifar10-jpeg", classes=CIFAR10_CLASSES) == "cifar10"
    assert source(source="parquet:data/pets", classes=tuple("abcdefghij")) is None
    assert source(source="fashion_mnist") == "fashion"
    assert source(source="digits") is None


def test_only_the_teacher_has_something_downloaded(served):
    with pytest.raises(downloads.NotAllowed):
        downloads.start("cifar10", LEARNER)
    assert background.find(("download", "cifar10"), downloads._LANE) is None
    assert served.ranges == []


def test_it_comes_once_for_everybody_and_a_page_that_had_no_images_shows_some(served, monkeypatch):
    monkeypatch.setattr(visitors, "address", lambda: None)  # at the server's own machine: the teacher
    monkeypatch.setattr(visitors, "cookie", lambda: "")
    served.breaks_after = 100
    page = step_page("test-1")
    assert not page.exception
    assert "cannot be had" in page.error[0].value
    assert "Give it an example or a picture of your own" in labels(page)
    page.button(key="get_cifar10").click().run()
    job = background.find(("download", "cifar10"), downloads._LANE)
    assert job.wait(600)
    page.run()
    assert "broke off after 100" in page.error[1].value
    served.breaks_after = None
    first, second = (downloads.start("cifar10", TEACHER) for _ in range(2))
    assert first.wait(600)
    assert second.error is None
    assert served.ranges == [None, "bytes=100-"]
    page.run()
    assert not page.exception
    assert not page.error
    assert any("CIFAR-10 as published" in caption.value for caption in page.caption)
    assert "Get CIFAR-10 (170 MB)" not in labels(page)


def test_a_learner_is_told_who_can(served, monkeypatch):
    monkeypatch.setattr(visitors, "address", lambda: "192.0.2.1")
    page = step_page("test-3")
    assert "Get CIFAR-10 (170 MB)" not in labels(page)
    assert any("The teacher can have this server get CIFAR-10 (170 MB)" in c.value for c in page.caption)
