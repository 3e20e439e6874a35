"""The page about mazes: the text of a maze, what a trace says of its cells, and the page itself (AppTest)."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from app import cache, reports
from app.mazes import maze as mazes
from app.player import payload
from vitrm.cli import main as cli
from vitrm.config import ModelConfig
from vitrm.data.mazes import FIRST_GEM, FREE, START, WALL, MazeSettings, render, solve
from vitrm.errors import DataError
from vitrm.model import ViTRM
from vitrm.runs.checkpoints import build
from vitrm.traces.recording import trace

HOME = str(Path(__file__).resolve().parents[3] / "app" / "Home.py")
MAZE = "s-1wwww2-"  # 3 x 3: the first gem can be reached, in two steps
SETTINGS = MazeSettings(size=3, gems=2, longest=2)
SOURCE = "mazes:4x4,gems=2,lengths=1-2,train=64,test=20"


def test_a_maze_is_written_and_read():
    cells = mazes.from_text(MAZE)
    assert cells.tolist() == [[START, FREE, FIRST_GEM], [WALL, WALL, WALL], [WALL, FIRST_GEM + 1, FREE]]
    assert mazes.to_text(cells) == MAZE


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("s-1w", "it has 4 cells, expected a square of 3 × 3 to 12 × 12"),
        ("s-1ww", "it has 5 cells"),
        ("w" * 169, "it has 169 cells"),
        ("s-1wxww2-", r"'x' in row 2, column 2 is no cell: expected w \(wall\), - \(free\), s \(start\) or 1 to 2"),
        ("s-3wwww2-", "'3' in row 1, column 3 is no cell"),
    ],
)
def test_a_text_that_is_no_maze_is_said(text, message):
    with pytest.raises(DataError, match=message):
        mazes.from_text(text, gems=2)


def test_colours_of_cells_are_those_the_model_is_shown():
    pixels = render(mazes.from_text(MAZE)[None], 3)[0]
    assert mazes.cell_colours()[FIRST_GEM] == "#" + "".join(f"{value:02x}" for value in pixels[:, 0, 2])
    assert len(set(mazes.cell_colours())) == len(mazes.SIGNS)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (MAZE, []),
        ("s11www2-w", ["it has 2 orange gems"]),
        ("s-1wwww--", ["it has no sky blue gem"]),
        ("s-1wwwwww", ["it has no sky blue gem"]),
        ("s-1www2ww", ["the sky blue gem alone in a pocket of one cell"]),
        ("s--ww1www", ["it has no sky blue gem", "its path has 3 steps, those of the training 1 to 2"]),
        ("s-w--1www", ["it has no sky blue gem", "its path has 3 steps", "its ways have loops"]),
        ("s-1wwwww" + "w" * 8, ["it has 4 × 4 cells, those of the training 3 × 3", "it has no sky blue gem"]),
    ],
)
def test_what_sets_a_maze_apart_from_its_training_is_said(text, found):
    cells = mazes.from_text(text)
    solution, _ = mazes.answer(cells)
    said = mazes.unlike_training(cells, solution, SETTINGS)
    assert len(said) == len(found)
    for sentence, start in zip(said, found, strict=True):
        assert sentence.startswith(start)


def test_a_maze_and_its_answer_are_said_in_words():
    cells = mazes.from_text(MAZE)
    assert mazes.answer_words(solve(cells)) == "The orange gem can be reached, in 2 steps; no other can."
    words = "start in row 1, column 1; orange gem in row 1, column 3; sky blue gem in row 3, column 2."
    assert mazes.maze_words(cells) == f"Maze of 3 × 3 cells, 4 of them walls; {words}"
    assert mazes.answer(mazes.from_text("s-1www2ss")) == (None, "this maze has 3 starts; it needs exactly one")


# What a trace says of the cells


@pytest.fixture(scope="module")
def seen():
    """A trace of MAZE under an untrained model with a memory token per cell: N = 2, M = 2, so that R = 4."""
    torch.manual_seed(0)
    config = ModelConfig(
        num_classes=2, image_size=6, patch_size=2, dim=8, depth=1, num_heads=2, mlp_dim=8, memory_steps=2,
        supervision_steps=2, dropout=0.0,
    )  # fmt: skip
    model = ViTRM(config).eval()
    model.class_names, model.transform = ("orange", "sky blue"), build("digits").transform
    model.transform = replace(model.transform, image_size=6, mean=(0.5,) * 3, std=(0.5,) * 3)
    return trace(model, render(mazes.from_text(MAZE)[None], 6)[0])


def test_maps_of_the_cells_are_those_of_the_trace(seen):
    found = mazes.cell_maps(seen, mazes.from_text(MAZE), tied=True, reachable=np.full((2, 1, 2, 9), 0.25))
    assert found.distances.tolist() == [0, 1, 2, -1, -1, -1, -1, -1, -1]
    probe, alike, change, attention = found.maps
    assert probe.values.shape == alike.values.shape == change.values.shape == attention.values.shape == (4, 9)
    assert (probe.values == 0.25).all()
    np.testing.assert_allclose(alike.values[:, 0], 1, atol=1e-5)  # the start is like itself
    states = seen.memory.reshape(4, 9, 8)
    one, other = states[3, 0], states[3, 5]
    cosine = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
    np.testing.assert_allclose(alike.values[3, 5], cosine, atol=1e-5)
    np.testing.assert_allclose(change.values[0], np.linalg.norm(states[0] - seen.initial_memory, axis=-1), rtol=1e-5)
    np.testing.assert_allclose(change.values[2, 4], np.linalg.norm(states[2, 4] - states[1, 4]), rtol=1e-5)
    np.testing.assert_allclose(
        attention.values[1, 7], 100 * seen.patch_attention[0, 0, 1, :, :, :, 7].mean(), rtol=1e-5
    )


def test_without_a_token_per_cell_only_the_attention_is_left(seen):
    fewer = replace(seen, memory=seen.memory[..., :4, :], initial_memory=seen.initial_memory[:4])
    assert [each.name for each in mazes.cell_maps(fewer, mazes.from_text(MAZE), tied=False).maps] == [
        "Attention of the memory to the cells"
    ]


def test_the_wave_is_the_mean_of_the_cells_at_each_distance_and_telling_counts_pairs():
    cells = mazes.Cells(
        codes=mazes.from_text("s--ww1w2-").ravel(),
        distances=np.array([0, 1, 2, -1, -1, 3, -1, -1, -1], np.int16),
        maps=(),
    )
    values = np.array([[9, 1, 2, 0, 0, 3, 0, 2, 1]], float)
    groups, means = mazes.wave(values, cells)
    assert groups == [0, 1, 2, 3, mazes.NOT_REACHED]
    assert means[:, 0].tolist() == [9, 1, 2, 3, 1.5]
    # reachable 1, 2, 3 against cut off 2, 1: of six pairs three are won and two are even
    assert mazes.telling(values, cells).tolist() == [pytest.approx(4 / 6)]
    nothing_cut_off = replace(cells, codes=np.where(cells.distances < 0, WALL, cells.codes))
    assert mazes.telling(values, nothing_cut_off) is None


def test_the_player_is_sent_the_maps_and_the_colours_of_the_gems(seen):
    found = mazes.cell_maps(seen, mazes.from_text(MAZE), tied=True)
    sent = payload(seen, ("cells",), cells=found)["cells"]
    json.dumps(sent)
    assert sent["codes"] == found.codes.tolist()
    assert sent["colours"][FIRST_GEM] == "#e69f00"
    assert [each["name"] for each in sent["maps"]] == [each.name for each in found.maps]
    assert payload(seen, ("cells",))["cells"] is None


# The page


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
        app = AppTest.from_file(HOME, default_timeout=60)
        for key, value in ({"maze_model": "small"} | query).items():
            app.query_params[key] = value
        app.run()
        app.switch_page("../pages/mazes.py").run()
        assert not app.exception
        return app

    return open_page


def sent(app, part):
    found = [json.loads(block.proto.json) for block in app.get("bidi_component")]
    return next((data for data in found if part in data), None)


MAZE_4 = "s-1wwwwwww2-wwww"  # 4 x 4, two steps


def test_a_link_carries_the_maze_and_a_guess_shows_the_answer(page):
    app = page(maze=MAZE_4)
    board, player = sent(app, "maze"), sent(app, "probs")
    assert board["maze"] == MAZE_4
    assert board["path"] is None
    assert player["label"] is None  # not before the learner has guessed
    assert player["classes"] == ["orange", "sky blue"]
    assert not app.warning
    app.segmented_control(key="maze_guess").set_value(1).run()
    assert sent(app, "maze")["path"] == [[0, 0], [0, 1], [0, 2]]
    assert sent(app, "probs")["label"] == 0
    assert any("**No.** The orange gem can be reached, in 2 steps" in each.value for each in app.markdown)
    app.button(key="new_maze").click().run()
    again = sent(app, "maze")
    assert again["version"] != board["version"]
    assert again["path"] is None
    assert solve(mazes.from_text(again["maze"])).length == app.selectbox(key="maze_length").value


def test_a_link_with_a_bad_maze_is_said_and_another_one_shown(page):
    app = page(maze="<script>!")
    assert "cannot be read: '<' in row 1, column 1 is no cell" in app.warning[0].value
    assert solve(mazes.from_text(sent(app, "maze")["maze"])).length >= 1
    assert sent(app, "probs")


def test_a_maze_without_an_answer_is_said_and_the_model_may_be_asked(page):
    app = page(maze="s--w" + "w" * 12)
    assert app.warning[0].value.startswith("No gem can be reached in this maze; exactly one has to be.")
    assert app.segmented_control(key="maze_guess").disabled
    assert any("Unlike the mazes of its training: it has no orange gem" in each.value for each in app.caption)
    assert sent(app, "probs")


def test_other_models_are_said_and_without_any_one_can_still_solve(page, monkeypatch):
    app = page(maze_model="digits", maze=MAZE_4)
    assert "“digits” was not trained on mazes" in app.warning[0].value
    monkeypatch.setattr(cache, "maze_models", dict)
    app = page(maze_model="nothing", maze=MAZE)
    assert "There is no model “nothing” here" in app.warning[0].value
    assert "`vitrm train mazes-small --name mazes-small`" in app.info[0].value
    assert sent(app, "maze")["maze"] == MAZE
    assert sent(app, "probs") is None
    app.toggle(key="maze_answer").set_value(True).run()
    assert sent(app, "maze")["path"] == [[0, 0], [0, 1], [0, 2]]


def test_the_test_set_is_measured_once_and_kept(page):
    small = cache.checkpoint("small")
    reports.measure(small, "mazes", lambda share: True, count=20)
    app = page(maze=MAZE_4)
    captions = " ".join(each.value for each in app.caption)
    for part in ("test split, n = 20", "chance 50 %", "training seed 0"):
        assert part in captions
    assert len(app.get("plotly_chart")) == 6
    assert len(app.dataframe) == 4
    assert sent(app, "probs")["cells"]["maps"][0]["name"].startswith("Probe")
    assert Path("runs/small/mazes.npz").exists()
