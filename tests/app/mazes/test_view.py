"""The page about mazes (AppTest)."""

import json
import shutil
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import cache, reports
from app.mazes import cache as maze_cache
from app.mazes.maze import Maze
from vitrm.cli import main as cli

PAGE = str(Path(__file__).resolve().parents[3] / "pages" / "mazes.py")
SOURCE = "mazes:4x4,gems=2,lengths=1-2,train=64,test=20"
MAZE_4 = "s-1wwwwwww2-wwww"  # 4 x 4, two steps


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a finished run "small": mazes of 4 x 4 cells, a few updates."""
    folder = tmp_path_factory.mktemp("mazes")
    words = ["--train.epochs=1", "--model.image_size=8", "--model.num_classes=2", "--threads=1", "--device=cpu"]
    assert cli.main(["train", "mazes-small", "--data", SOURCE, *words, "--runs", str(folder), "--name", "small"]) == 0
    return folder


@pytest.fixture
def page(trained, tmp_path, monkeypatch):
    """Opens the page with a link, in a folder that has the run "small"."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained / "small", tmp_path / "runs" / "small")

    def open_page(**query):
        app = AppTest.from_file(PAGE, default_timeout=300)
        for key, value in ({"maze_model": "small"} | query).items():
            app.query_params[key] = value
        app.run()
        assert not app.exception
        return app

    return open_page


def sent(app, part):
    found = [json.loads(block.proto.json) for block in app.get("bidi_component")]
    return next((data for data in found if part in data), None)


def test_a_link_carries_the_maze_and_a_guess_shows_the_answer(page):
    app = page(maze=MAZE_4)
    assert sent(app, "probs") is None  # closed until the learner has guessed, or opens it
    app = page(maze=MAZE_4, open="answer")
    board, player = sent(app, "maze"), sent(app, "probs")
    assert board["maze"] == MAZE_4
    assert board["path"] is None
    assert player["label"] is None  # not before the learner has guessed
    assert player["predict"]
    assert "cells" not in player  # it has the true distances
    assert app.selectbox(key="maze_length").value == 2  # as the maze on the board
    assert player["classes"] == ["orange", "sky blue"]
    assert not app.warning
    app.segmented_control(key="maze_guess").set_value(1).run()
    assert sent(app, "maze")["path"] == [[0, 0], [0, 1], [0, 2]]
    assert sent(app, "probs")["label"] == 0
    assert sent(app, "probs")["cells"]["distances"][:3] == [0, 1, 2]
    assert any("**No.** The orange gem can be reached, in 2 steps" in each.value for each in app.markdown)
    app.button(key="new_maze").click().run()
    again = sent(app, "maze")
    assert again["version"] != board["version"]
    assert again["path"] is None
    assert Maze(again["maze"]).solution.length == app.selectbox(key="maze_length").value


def test_the_caption_says_where_the_maze_is_from(page, monkeypatch):
    def said():
        captions = [each.value for each in page(maze=MAZE_4, open="answer").caption]
        return next(each for each in captions if each.startswith("The maze on the board, ")).partition(". ")[0]

    picked = ", picked because this model needs more steps for it than its training had"
    monkeypatch.setattr(maze_cache, "ready", lambda checkpoint: {})
    assert said() == "The maze on the board, of no split"
    monkeypatch.setattr(maze_cache, "needs_longer", lambda checkpoint: Maze(MAZE_4))
    assert said() == f"The maze on the board, of no split{picked}"
    monkeypatch.setattr(maze_cache, "ready", lambda checkpoint: {Maze(MAZE_4): None})
    assert said() == "The maze on the board, of the test split"


def test_a_guess_opens_the_models_answer(page):
    app = page(maze=MAZE_4)
    app.segmented_control(key="maze_guess").set_value(0).run()
    assert sent(app, "probs")["label"] == 0
    assert sent(app, "maze")["address"]["open"] == "answer"


def test_what_was_not_measured_can_be_asked_for(page):
    app = page(maze=MAZE_4, open="test")
    assert [box.label for box in app.expander] == ["**The model's answer, step by step**", "**All test mazes**"]
    assert "ask_mazes" in [button.key for button in app.button]


def test_a_link_with_a_bad_maze_is_said_and_another_one_shown(page):
    app = page(maze="<script>!", open="answer")
    assert "cannot be read: '<' in row 1, column 1 is no cell" in app.warning[0].value
    assert Maze(sent(app, "maze")["maze"]).solution.length >= 1
    assert sent(app, "probs")


def test_a_maze_without_an_answer_is_said_and_the_model_may_be_asked(page):
    app = page(maze="s--w" + "w" * 12, open="answer")
    assert app.warning[0].value.startswith("No gem can be reached in this maze; exactly one has to be.")
    assert app.segmented_control(key="maze_guess").disabled
    assert any("Unlike the mazes of its training: it has no orange gem" in each.value for each in app.caption)
    assert sent(app, "probs")


def test_other_models_are_said_and_without_any_one_can_still_solve(page, monkeypatch):
    app = page(maze_model="digits", maze=MAZE_4)
    assert "“digits” was not trained on mazes" in app.warning[0].value
    monkeypatch.setattr(maze_cache, "models", dict)
    app = page(maze_model="nothing", maze=MAZE_4)
    assert "There is no model “nothing” here" in app.warning[0].value
    assert "`vitrm train mazes-small --name mazes-small`" in app.info[0].value
    assert sent(app, "maze")["maze"] == MAZE_4
    assert sent(app, "probs") is None
    app.toggle(key="maze_answer").set_value(True).run()
    assert sent(app, "maze")["path"] == [[0, 0], [0, 1], [0, 2]]


def test_the_test_set_is_measured_once_and_kept(page):
    reports.measure(cache.checkpoint("small"), "mazes", lambda share: True, count=20)
    app = page(maze=MAZE_4, open="answer,length,worth,exits,beyond,flood")
    captions = " ".join(each.value for each in app.caption)
    for part in ("test split, n = 20", "chance 50 %", "training seed 0"):
        assert part in captions
    assert len(app.get("plotly_chart")) == 6
    assert len(app.dataframe) == 4
    app.toggle(key="maze_answer").set_value(True).run()
    assert sent(app, "probs")["cells"]["maps"][0]["name"].startswith("Probe")
    assert Path("runs/small/mazes.npz").exists()
