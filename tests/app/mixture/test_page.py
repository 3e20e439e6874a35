"""The page about the soft mixture: what its words, figures and tables say of given weights, and the page itself."""

import base64
import json
import shutil
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app import cache, reports
from app.mixture import cache as mixture_cache
from app.mixture import figures as mixture_figures
from app.mixture.panel.panel import impossible, payload
from vitrm.config import Config, ModelConfig, ResNetConfig, SRViTConfig, ViTConfig, preset
from vitrm.judge.mixture import MixtureReport, Replaced, TokenWeights
from vitrm.places import ROOT
from vitrm.runs.checkpoints import find_run
from vitrm.runs.summary import Scores, Summary
from vitrm.traces.mixture import MixtureTrace

PAGE = str(Path(__file__).resolve().parents[3] / "pages" / "mixture.py")
MODEL = "sr-vit-digits"


def logits(*answers):
    """(R, 3) with 80 % for each of these classes in turn."""
    return np.array([[np.log(0.8 if k == answer else 0.1) for k in range(3)] for answer in answers], dtype=np.float32)


def made(**changes):
    """Two stages of R = 2 over 2 x 2 patches: the first listens early but for its last patch."""
    weights = np.full((2, 2, 5), np.nan, dtype=np.float32)
    weights[0, 0] = [0.5, 0.9, 0.8, 0.7, 0.4]
    weights[1, 0, 0] = 0.25
    weights[:, 1] = 1 - weights[:, 0]
    return replace(
        MixtureTrace(
            class_names=("cat", "dog", "owl"),
            patch_size=4,
            layers_per_stage=1,
            mixture="token",
            normaliser="softmax",
            label=0,
            pixels=np.zeros((1, 8, 8), dtype=np.uint8),
            weights=weights,
            logits=logits(1, 0),
            last_logits=logits(1, 2),
            uniform_logits=logits(1, 0),
        ),
        **changes,
    )


REPORT = MixtureReport(
    n=200,
    mixture="token",
    own=(0.5, 0.9),
    last=(0.5, 0.8),
    uniform=(0.5, 0.85),
    token_weights=(
        TokenWeights(1, "patches", 800, (0.7, 0.3), (0.1, 0.1), (0.9, 0.1), entropy=0.8, mean_step=1.3),
        TokenWeights(1, "class token", 200, (0.4, 0.6), (0.2, 0.2), (0.2, 0.8), entropy=0.9, mean_step=1.6),
    ),
    replaced=tuple(
        Replaced(mixture, steps, changed=0.1 * steps, became_right=0.0, became_wrong=0.1)
        for mixture in ("own", "last", "uniform")
        for steps in (1, 2)
    ),
    faults=(),
    verdict="No router has collapsed.",
    comparison="As it is the model answers 90.0 %.",
)


def test_the_words_of_a_stage_follow_from_its_weights():
    said = mixture_figures.stage_said(made(), 0)
    assert "3 of the 4 patches lean to early steps (mean step below 1.5), 1 to late steps (mean step above 1.5)" in said
    assert "earliest row 1, column 1 (1.1), latest row 2, column 2 (1.6)" in said
    assert "The largest weight is that of step 1 in 3 and step 2 in 1 of them" in said
    assert "The class token listens to step 1.5 on average." in said  # no largest weight: both are the same
    assert "step 2 has its largest weight, 0.75. The patches are not mixed here" in mixture_figures.stage_said(
        made(), 1
    )


def test_patches_that_listen_alike_are_said_to():
    weights = made().weights.copy()
    weights[0] = 0.5
    said = mixture_figures.stage_said(made(weights=weights), 0)
    assert said.startswith("All 4 patches listen alike, to step 1.5 on average. Every step has the same weight.")


def test_the_summary_names_every_stage_and_knows_a_model_that_mixes_the_class_token_alone():
    assert "step 1.3 of 2 in stage 1; the class token" in mixture_figures.summary(made())
    assert "to step 1.8 in stage 2" in mixture_figures.summary(made())
    stack = made(weights=made().weights[1:].copy())
    assert mixture_figures.summary(stack).startswith(
        "On average the class token, from which the answer is read, listens"
    )


def test_an_answer_that_changes_without_the_mixture_is_said_with_whether_it_is_right():
    said = mixture_figures.answers_said(made())
    assert said == (
        "The model answers cat (80 %), which is right. It would be dog (wrong) with step 1 alone and owl (wrong) with "
        "step 2 alone, the last; it stays the same with the plain mean."
    )
    twice = made(uniform_logits=logits(1, 1))
    assert "It would be dog (wrong) with the plain mean and step 1 alone and owl" in mixture_figures.answers_said(twice)
    steady = made(last_logits=logits(0, 0), label=None)
    assert "Replacing the mixture does not change that" in mixture_figures.answers_said(steady)


def test_the_table_of_answers_has_a_row_for_each_way_to_read_the_steps():
    rows = mixture_figures.answer_table(made())
    assert [list(row.values()) for row in rows] == [
        ["own mixture (as it is)", "cat ✓", "80 %", "80 %"],
        ["plain mean (all steps alike)", "cat ✓", "80 %", "80 %"],
        ["step 1 alone", "dog ✗", "80 %", "10 %"],
        ["step 2 alone (the last)", "owl ✗", "80 %", "10 %"],
    ]
    assert mixture_figures.answer_table(made(label=None))[0]["answer"] == "cat"


def test_what_the_mixture_is_worth_says_when_it_may_be_chance_and_gives_nothing_no_sign():
    rows = mixture_figures.worth_table(REPORT)
    assert [row["against its own mixture"] for row in rows] == ["", "−5.0 points", "−10.0 points"]
    same = tuple(replace(one, became_right=0.1) for one in REPORT.replaced)
    rows = mixture_figures.worth_table(replace(REPORT, uniform=(0.5, 0.9 - 1e-5), replaced=same))
    assert rows[1]["against its own mixture"] == "0.0 points (may be chance)"


def test_the_panel_is_sent_the_arrays():
    data = payload(made())
    sent = np.frombuffer(base64.b64decode(data["weights"]), dtype="<f4").reshape(2, 2, 5)
    np.testing.assert_array_equal(sent, made().weights)
    entropy = np.frombuffer(base64.b64decode(data["entropy"]), dtype="<f4").reshape(2, 5)
    assert entropy[0, 0] == pytest.approx(1)  # of a half and a half, as a share of ln 2
    assert [stage["patches"] for stage in data["stages"]] == [True, False]


@pytest.mark.parametrize(
    ("view", "wrong"),
    [
        ("", ""),
        ("-1.4.range", ""),
        ("2.0.whole", "stage 3 (there are 2)"),
        ("0.5.whole", "token 5"),
        ("0.0", "cannot be"),
    ],
)
def test_a_view_that_a_trace_does_not_have_is_named(view, wrong):
    assert wrong in impossible(view, made())
    assert bool(wrong) == bool(impossible(view, made()))


def test_the_figures_of_the_test_set_show_what_the_report_says():
    (heat,) = mixture_figures.weights(REPORT, "class token").data
    np.testing.assert_array_equal(heat.z, [[0.4, 0.6]])
    assert (heat.zmin, heat.zmax) == (0, 1)
    assert heat.text[0][1] == "0.60<br>± 0.20"
    lines = {line.name: list(line.y) for line in mixture_figures.accuracy(REPORT).data}
    assert lines == {
        "the model's own mixture": [50, 90],
        "plain mean": [50, 85],
        "last step alone": [50, 80],
    }
    said = mixture_figures.alternatives(REPORT)
    assert "stage 1 gives step 1 the most, 0.70" in said["patches"]
    assert "After step 1: 50.0 %. With all steps: the model's own mixture 90.0 %, plain mean 85.0 %" in said["accuracy"]


def test_the_tables_have_a_row_for_every_stage_and_mixture():
    assert [row["weight of step 2"] for row in mixture_figures.weight_table(REPORT)] == [0.3, 0.6]
    rows = mixture_figures.accuracy_table(REPORT)
    assert [row["accuracy, %"] for row in rows] == pytest.approx([50, 90, 50, 80, 50, 85])


def test_every_decision_is_listed_with_a_field_that_exists():
    rows = mixture_figures.origins(preset(MODEL).model)
    named = {name for row in rows for name in row["field of SRViTConfig"].split(", ")}
    assert named <= {field.name for field in fields(SRViTConfig)}
    assert next(row for row in rows if row["field of SRViTConfig"] == "router_dim")["this checkpoint"] == "64 wide"


@pytest.fixture
def page(monkeypatch):
    """The page with a checkpoint whose trace and judgement are ready-made."""
    config = Config(model=preset(MODEL).model, data=preset(MODEL).data)
    config = replace(config, model=replace(config.model, recursion_depth=2, depth=2, patch_size=4))
    scores = Scores(200, (0.1,), (0.9,), (), (), "", 0)
    summary = Summary("digits", {"train": 1, "val": 1, "test": 200}, 0, 7, "", 1, 1, 0.9, scores, 1.0, 0)
    monkeypatch.setattr(cache, "checkpoints", lambda: {name: cache.Checkpoint(name, "1") for name in (MODEL, "digits")})
    monkeypatch.setattr(cache, "facts", lambda name: (config, summary))
    monkeypatch.setattr(mixture_cache, "gallery", lambda name: {"test-9": made(), "test-1": made(label=1)})
    monkeypatch.setattr(reports, "stored", lambda checkpoint, kind: REPORT)
    monkeypatch.setattr(cache, "warm_up", lambda: None)
    return AppTest.from_file(PAGE, default_timeout=300)


def opened(app, **query):
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return app


def panel_data(app):
    (data,) = [json.loads(block.proto.json) for block in app.get("bidi_component") if "meanStep" in block.proto.json]
    return data


def test_the_page_is_filled_on_arrival(page):
    opened(page)
    assert panel_data(page)["label"] == 0
    captions = " ".join(caption.value for caption in page.caption)
    for part in ("test split, number 9", "n = 200", "chance 10 %", "They do **not** say which patches mattered"):
        assert part in captions
    assert "glimpse" not in captions
    assert not page.warning
    assert len(page.expander) == 5
    assert not page.dataframe  # of closed sections nothing is made
    assert not page.get("plotly_chart")


def test_a_link_opens_every_section(page):
    opened(page, open="answer,worth,steps,how,published")
    assert len(page.get("plotly_chart")) == 3
    assert [len(table.value) for table in page.table] == [4, 3]
    assert [len(table.value) for table in page.dataframe] == [6, 2, 7]
    assert sum("another seed may route" in caption.value for caption in page.caption) == 2


def test_a_link_opens_image_and_view(page):
    data = panel_data(opened(page, image="test-1", mixture_view="0.3.range"))
    assert (data["label"], data["start"]) == (1, "0.3.range")
    assert data["address"] == {"mixture_model": None, "image": "test-1", "open": None, "lesson": None}


def test_what_a_link_names_and_nobody_has_is_said_and_replaced(page):
    opened(page, mixture_model="nonsense", image="test-99999", mixture_view="7.0.whole")
    said = " ".join(warning.value for warning in page.warning).replace("\\", "")
    assert "There is no checkpoint “nonsense” here; showing “sr-vit-digits”" in said
    assert "There is no image “test-99999”" in said
    assert "stage 8 (there are 2)" in said
    assert panel_data(page)["start"] == ""


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (ModelConfig(), "only the last is read"),
        (ModelConfig(readout="mixture"), "a learned mixture of its supervision steps"),
        (ViTConfig(), "answers once and has no recursion steps"),
        (ResNetConfig(), "answers once and has no recursion steps"),
        (SRViTConfig(recursion_depth=1), "with a recursion depth of 1 it is a plain ViT"),
    ],
)
def test_a_model_without_a_mixture_is_said_to_have_none(page, monkeypatch, model, said):
    _, summary = cache.facts(None)  # of the page
    monkeypatch.setattr(cache, "facts", lambda name: (Config(model=model, data=preset("digits").data), summary))
    opened(page, mixture_model="digits")
    assert said in page.info[0].value
    assert len(page.get("bidi_component")) == 0


@pytest.mark.parametrize("mixture", ["last", "uniform", "scalar"])
def test_a_control_is_named_and_shown_all_the_same(mixture):
    def script(mixture):
        from app.cache import Checkpoint
        from app.mixture import view
        from vitrm.config import SRViTConfig

        assert view.explain(Checkpoint("mine", "1"), SRViTConfig(mixture=mixture))

    app = AppTest.from_function(script, args=(mixture,)).run(timeout=300)
    assert not app.exception
    assert "is a control without a router" in app.info[0].value


@pytest.fixture
def copied(tmp_path):
    """The bundled SR-ViT as a run to be changed, named after the test: what is cached goes by name and weights."""
    shutil.copytree(ROOT / "checkpoints" / MODEL, tmp_path / "runs" / tmp_path.name)
    return find_run(tmp_path.name)


def test_a_collapsed_router_is_said_before_anything_else(copied):
    copied.keep(replace(copied.report("mixture"), faults=("x",), verdict="It has collapsed."))
    app = opened(AppTest.from_file(PAGE, default_timeout=300), mixture_model=copied.name, open="steps")
    assert app.warning[0].value == "It has collapsed."


def test_where_the_images_are_absent_the_judgement_is_still_shown(copied):
    (copied.path / "mixtures.npz").unlink()
    config = copied.config()
    nowhere = replace(config, data=replace(config.data, source="parquet:nowhere"))
    (copied.path / "config.json").write_text(json.dumps(nowhere.to_dict()))
    app = opened(AppTest.from_file(PAGE, default_timeout=300), mixture_model=copied.name, open="worth")
    assert "cannot be had" in app.error[0].value
    assert len(app.table) == 1


def test_the_bundled_checkpoint_opens_without_its_data():
    ready = find_run(MODEL).mixtures()["test-9"]
    assert ready.label == 3
    np.testing.assert_allclose(np.nansum(ready.weights[0], axis=0), 1, atol=1e-4)
    assert find_run(MODEL).report("mixture").n == 359
