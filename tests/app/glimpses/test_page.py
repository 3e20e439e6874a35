"""The page about glimpses: what its parts are sent and say, and the figures that follow from answers and reports."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from app.glimpses import figures as glimpse_figures
from app.glimpses.play.game import rounds
from app.glimpses.play.picks import chosen_patches, comparison
from vitrm.judge.bootstrap import Estimate
from vitrm.runs.checkpoints import find_run
from vitrm.sweep.row import Row
from vitrm.traces.answers import Answers

HOME = str(Path(__file__).resolve().parents[3] / "app" / "Home.py")


def open_glimpses(**query):
    app = AppTest.from_file(HOME, default_timeout=300)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    return app.switch_page("../pages/glimpses.py").run()


def component(app, word):
    (data,) = [json.loads(block.proto.json) for block in app.get("bidi_component") if word in block.proto.json]
    return data


def test_it_opens_before_the_first_step_of_a_ready_made_trace_and_all_else_is_closed():
    app = open_glimpses()
    assert not app.exception
    data = component(app, "probs")
    assert (data["panels"], data["predict"], data["ask"]) == ([], True, True)
    assert data["patches"] == find_run("digits-glimpse").gallery()["test-9"].patches.tolist()
    assert data["address"].pop("checkpoint") == "digits-glimpse"
    assert data["address"] == dict.fromkeys(
        ("image", "glimpse_seed", "part", "policy", "deck", "open", "lesson", "present", "panels")
    )
    assert "glimpse seed 0" in app.caption[0].value
    assert not any(box.proto.expanded for box in app.expander)


def test_a_link_names_the_policy_and_an_unknown_part_is_said():
    app = AppTest.from_file(str(Path(HOME).parents[1] / "pages" / "glimpses.py"), default_timeout=300)
    app.query_params["policy"], app.query_params["part"] = "fixed", "nonsense"
    app.run()
    assert not app.exception
    assert "part=nonsense, which cannot be read" in app.warning[0].value
    assert sorted(component(app, "probs")["patches"][0]) == [5, 6, 9, 10]
    assert "from the centre outwards" in app.caption[0].value


def test_a_link_opens_sections_and_the_panel_and_what_was_a_part_is_a_section():
    """All sections in one run; what each shows is on the page with its data, split, size and seeds."""
    app = open_glimpses(part="draws", open="glimpses,choose,guess,policies,control", deck="3")
    assert not app.exception
    assert not app.warning
    assert component(app, "probs")["panels"] == ["glimpses"]
    captions = "\n".join(caption.value for caption in app.caption)
    assert "64 draws (glimpse seeds 0 to 63)" in captions
    tables = [table.value for table in app.dataframe]
    assert next(t for t in tables if "of the draws right, %" in t)["of the draws right, %"].between(0, 100).all()

    data = component(app, "attended")
    assert (data["size"], data["steps"], data["picks"], data["rows"]) == (4, 4, [], [])
    assert len(set(data["attended"])) == 4
    assert data["draws"] == 64
    assert len(data["learned"]) == len(data["fixed"]) == len(data["random"]) == 4

    report = find_run("digits-glimpse").report("glimpses")
    assert any(report.verdict.partition(": ")[2] in text.value for text in app.markdown)
    assert "n = 359" in captions
    assert "glimpse seeds 0, 1, 2, training seed 0" in captions
    steps_used = next(t for t in tables if "steps used, mean" in t)["steps used, mean"].tolist()
    assert steps_used == [f"{each.halted_steps:.2f}" for each in report.policies.values()]


def test_the_game_is_the_same_for_the_same_number():
    def game(number):
        return component(open_glimpses(open="guess", deck=number), '"halted"')

    first = game("3")
    assert first == game("3")
    assert [image["index"] for image in first["images"]] != [image["index"] for image in game("4")["images"]]
    assert len(first["images"]) == 6
    assert "label" not in first  # only within the images


def test_a_model_that_sees_everything_has_no_glimpses_to_show():
    app = open_glimpses(checkpoint="digits")
    assert not app.exception
    assert "“digits” reads the whole image in every step" in app.info[0].value


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ({"key": "m/i", "patches": [[1, 2], [3, 4]]}, ((1, 2), (3, 4))),
        ({"key": "m/other", "patches": [[1, 2]]}, ()),
        ({"key": "m/i", "patches": [["a"]]}, ()),
        ({"key": "m/i", "patches": 7}, ()),
        (None, ()),
    ],
)
def test_patches_from_the_browser_are_read_with_care(monkeypatch, sent, read):
    monkeypatch.setattr(st, "session_state", {"picks": {"picks": sent}})
    assert chosen_patches("picks", "m/i") == read


def made(labels, classes=4, patches=None):
    """Answers with these labels (B, N), sure of each to 70 %."""
    labels = np.array(labels)
    probs = np.full((*labels.shape, classes), 0.1)
    np.put_along_axis(probs, labels[..., None], 0.7, axis=-1)
    drawn = np.tile(np.arange(4).reshape(1, 2, 2), (len(labels), 1, 1)) if patches is None else np.array(patches)
    return Answers(probs, np.tile([0.2, 0.9], (len(labels), 1)), drawn, np.zeros((len(labels), 3, 2), int))


def test_the_shares_of_the_answers_add_up_and_the_words_follow_from_them():
    answers = made([[1, 1], [2, 1], [2, 1], [0, 1]])
    again = made([[1, 1], [1, 1]], patches=[[[0, 1], [2, 3]], [[0, 1], [1, 2]]])  # the second reads one twice
    assert glimpse_figures.seen_share(again, 5) == pytest.approx([0.4, 0.7])
    figure = glimpse_figures.by_draw(answers, list("abcd"), 1, 4)
    np.testing.assert_allclose(np.sum([bar.y for bar in figure.data], axis=0), 100)
    assert figure.data[0].name == "b (true class)"
    words = glimpse_figures.draw_words(answers, list("abcd"), 1)
    assert "3 different answers; 50 % of them say c, and 25 % are right" in words
    assert words.endswith(
        "After step 2 all 4 draws give the same answer, b, which is right: it does not depend on the draw any more."
    )
    alike = glimpse_figures.draw_words(made([[1, 1], [1, 1]]), list("abcd"), 2)
    assert alike.count("all 2 draws give the same answer, b, which is wrong") == 2
    assert "any more" not in alike
    assert glimpse_figures.telling_draws(answers, 2) == [1, 3]
    assert glimpse_figures.course(answers, 1, list("abcd"), 1) == "c → b ✓"


def test_a_strip_hides_what_has_not_been_seen():
    pixels = np.full((1, 4, 4), 250, np.uint8)
    tiles = glimpse_figures.strip(pixels, np.array([[0], [3]]), 2, 4)
    first, second = tiles[:, :16], tiles[:, -16:]
    assert (first[8:, 8:, :3] == (125, 133, 146)).all()
    assert (second[10:14, 10:14, :3] == 250).all()
    assert (second[:8, 8:, :3] == (125, 133, 146)).all()


def test_the_model_of_the_game_stops_where_it_first_passes_its_threshold():
    answers = made([[1, 2], [0, 3]])
    images, labels = np.zeros((2, 1, 4, 4), np.uint8), np.array([2, 3])
    stopping = rounds(np.array([7, 9]), images, labels, answers, threshold=0.5)
    assert [(one["index"], one["exit"], one["halted"]) for one in stopping] == [(7, 1, True), (9, 1, True)]
    assert not any(one["halted"] for one in rounds(np.array([7, 9]), images, labels, answers, threshold=0.95))


def test_agreement_counts_the_patches_that_the_memory_would_have_read_too():
    own = made([[1, 1]], patches=[[[0, 1], [2, 3]]])
    own = Answers(own.probs, own.halt_prob, own.patches, np.array([[[1, 3], [3, 2], [0, 1]]]))
    orders, draws = {"learned": made([[1, 1]]), "fixed": made([[1, 1]])}, made([[1, 1], [2, 1]])
    values = comparison(own, orders, draws, 1, 4)
    assert values["agreed"] == [1, 2]
    assert values["attended"] == [0, 1]
    assert values["random"][0]["right"] == 0.5


@pytest.mark.parametrize(
    ("low", "high", "judged"),
    [
        (0.01, 0.05, "the steps are worth more than the patches"),
        (-0.05, -0.01, "the steps add nothing to it here, they cost"),
        (-0.02, 0.03, "cannot be told from none"),
    ],
)
def test_whether_it_is_the_steps_or_the_patches_follows_from_the_interval(low, high, judged):
    report = find_run("digits-glimpse").report("glimpses")
    assert glimpse_figures.at_once_words(replace(report, control=None)) == ""
    last = Estimate((low + high) / 2, low, high)
    control = replace(report.control, ahead=(*report.control.ahead[:-1], last))
    words = glimpse_figures.at_once_words(replace(report, control=control))
    assert judged in words
    assert f"95 % interval {100 * low:+.1f} to {100 * high:+.1f}".replace("-", "−") in words
    assert "with 4, 8, 12 and 16 patches" in words
    line = glimpse_figures.policies(report).data[-1]
    assert line.y == tuple(100 * each.mean for each in report.control.accuracy)


def test_a_control_that_was_not_trained_is_no_error(tmp_path):
    assert glimpse_figures.control_rows(tmp_path / "none.csv") == []
    rows = [Row(column="a", each_seed=(50.0, 52.0), accuracy=51.0)]
    assert list(glimpse_figures.control(rows).data[0].x) == [50, 52]
