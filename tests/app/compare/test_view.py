"""The page on which models are compared (AppTest)."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from streamlit.testing.v1 import AppTest

from app import background, cache, downloads, visitors
from app.cache import Checkpoint
from app.compare import cache as compare_cache
from app.compare import comparison
from app.compare import latency as measurement
from app.compare.pair import cache as pair_cache
from app.compare.pair.answers import Answer
from vitrm.bench import latency
from vitrm.bench.latency import Latency
from vitrm.config import ViTConfig
from vitrm.errors import DataError
from vitrm.runs.checkpoints import find_run

PAGE = str(Path(__file__).resolve().parents[3] / "pages" / "compare.py")


def open_page(**query):
    app = AppTest.from_file(PAGE, default_timeout=300)
    for key, value in query.items():
        app.query_params[key] = value
    return app.run()


def players(app):
    return [json.loads(block.proto.json) for block in app.get("bidi_component") if "probs" in block.proto.json]


EVERY = "costs,steps,mixture,numbers,published,pair"


def test_the_page_opens_with_the_picture_of_the_weights_and_one_sentence():
    app = open_page()
    assert not app.exception
    assert not app.warning
    assert not app.get("plotly_chart")  # all sections are closed
    assert not players(app)
    sent = [json.loads(block.proto.json) for block in app.get("bidi_component")]
    (picture,) = [data["html"] for data in sent if "html" in data]
    assert "Just make it deeper" in picture
    assert app.selectbox[0].value == compare_cache.comparisons()[0][0].key
    assert "test split, n = 10,000; chance 10 %" in app.caption[1].value
    assert "no difference beyond chance" in app.markdown[1].value


def test_a_link_opens_every_section_the_paper_and_two_players_among_them():
    app = open_page(open=EVERY)
    assert not app.exception
    assert not app.warning
    assert len(app.get("plotly_chart")) == 4
    captions = " ".join(caption.value for caption in app.caption)
    assert "Reported by the paper, not measured here" in captions
    first, second = players(app)
    assert first["together"] == second["together"] == "compare"
    assert first["pixels"] == second["pixels"]
    assert first["address"]["left"] is None  # defaults stay out of the link
    assert first["address"]["open"] == EVERY
    assert second["address"] is None


def test_a_link_carries_every_choice():
    found, _ = compare_cache.comparisons()
    digits = next(each for each in found if each.data.startswith("handwritten digits"))
    query = {
        "compared": digits.key,
        "along": "layers",
        "against": "multiply_adds",
        "open": "steps,costs,published,pair",
        "paper": "ablation",
        "left": "digits",
        "right": "digits-glimpse",
    }
    app = open_page(**query, image="test-12", position="4")
    assert not app.exception
    assert not app.warning
    assert app.selectbox[0].value == digits.key
    first, second = players(app)
    assert first["shape"] == [1, 1, 3]
    assert (first["start"], second["start"]) == (4, 3)  # the same supervision step
    assert {name: first["address"][name] for name in query} == query
    assert any("M = 1" in chart.proto.spec and "the exact" not in chart.proto.spec for chart in app.get("plotly_chart"))


def test_what_a_link_names_and_is_not_here_is_said():
    app = open_page(
        compared="no-such", along="sideways", paper_batch="100", left="nobody", right="cifar10-tiny", open="pair"
    )
    assert not app.exception
    said = " ".join(warning.value for warning in app.warning).replace("\\", "")
    for part in ("“no-such”, which is not here", "along=sideways", "paper_batch=100", "no checkpoint “nobody” here",
                 "“cifar10-tiny” was not trained on handwritten digits"):  # fmt: skip
        assert part in said
    assert len(players(app)) == 2


def test_a_model_without_recursion_shows_its_one_answer(monkeypatch):
    config, summary = find_run("digits").config(), find_run("digits").summary()
    vit = replace(config, model=ViTConfig(image_size=8, channels=1, patch_size=2, dim=16, num_heads=2, mlp_dim=16))
    facts, gallery = cache.facts, cache.gallery
    probs = np.eye(10)[7] * 0.6 + 0.04
    shown = Answer(config.data.classes, np.zeros((1, 8, 8), np.uint8), 3, probs)
    here = {name: Checkpoint(name, "1") for name in ("digits-glimpse", "a-vit")}
    monkeypatch.setattr(cache, "checkpoints", lambda: here)
    monkeypatch.setattr(cache, "facts", lambda c: (vit, summary) if c.name == "a-vit" else facts(c))
    monkeypatch.setattr(cache, "gallery", lambda c: {} if c.name == "a-vit" else gallery(c))
    monkeypatch.setattr(pair_cache, "answer", lambda checkpoint, image: shown)
    monkeypatch.setattr(
        compare_cache, "comparisons", lambda: (comparison.of_models({"a-vit": (vit, summary)}), ["x is broken"])
    )
    app = open_page(right="a-vit", open="pair")
    assert not app.exception
    assert "Left out: x is broken" in app.warning[0].value
    assert any("one answer, after 8 layers" in info.value for info in app.info)
    assert len(players(app)) == 1
    rows = app.dataframe[-1].value
    assert rows["class"][0] == "7"
    assert "3 (true class)" in list(rows["class"])


def test_a_model_that_is_alone_with_its_images_is_said(monkeypatch):
    here = {name: Checkpoint(name, "1") for name in ("digits-glimpse", "cifar10-tiny")}
    monkeypatch.setattr(cache, "checkpoints", lambda: here)
    app = open_page(open="pair")
    assert not app.exception
    assert "is the only finished model of handwritten digits" in app.info[-1].value


def test_images_that_are_not_here_are_said_with_the_way_to_have_them(monkeypatch):
    def absent(*_):
        raise DataError("no train*.parquet under 'data/cifar10-jpeg'")

    monkeypatch.setattr(pair_cache, "answer", absent)
    monkeypatch.setattr(downloads, "are_missing", lambda config: True)
    monkeypatch.setattr(downloads, "is_here", lambda source, folder: False)
    monkeypatch.setattr(visitors, "is_teacher", lambda: False)
    app = open_page(left="vit-tiny-deep", right="sr-vit-tiny-r4", open="pair")
    assert not app.exception
    assert "tested on cannot be had: they are not on this machine." in app.error[0].value
    assert any("can have this server get CIFAR-10" in caption.value for caption in app.caption)


def test_latency_is_measured_once_for_everybody(entry, compared, a_vitrm, a_vit, monkeypatch):
    asked = []

    def latencies(models, batch_sizes, progress):
        asked.append(models)
        progress(0.5)
        return [[Latency(batch, 2.5, 2.0, 3.0, 15, 0.1) for batch in batch_sizes] for _ in models]

    monkeypatch.setattr(latency, "latencies", latencies)
    twice = [entry("one", a_vit, 50.0), entry("same shape", a_vit, 51.0), entry("r", a_vitrm, 52.0)]
    shown = compared(*twice, key="measured-once")
    monkeypatch.setattr(compare_cache, "comparisons", lambda: ([shown], []))
    app = open_page(open="numbers")
    app.button(key="ask_speeds").click().run()
    job = background.find(measurement.key(shown))
    assert job.wait(600)
    assert job.error is None
    other = open_page(open="numbers")
    assert not other.exception
    assert "ask_speeds" not in [button.key for button in other.button]
    assert asked == [[a_vit, a_vitrm]]
    assert list(other.dataframe[0].value["ms for 1"]) == [2.5, 2.5, 2.5]
    assert any("1 thread, fp32" in caption.value for caption in other.caption)
    assert len(other.get("plotly_chart")) == 1
