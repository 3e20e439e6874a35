"""What the board is sent, and what it tells."""

import json

from streamlit.testing.v1 import AppTest


def page(text, shown):
    """A page with the board alone."""
    from app.mazes.board.board import maze_board
    from app.mazes.maze import Maze

    maze_board("board", Maze(text), version=1, gems=2, shown=shown, address={"depth": None}, on_maze=print)


def sent(text, shown):
    app = AppTest.from_function(page, default_timeout=300, kwargs={"text": text, "shown": shown}).run()
    assert not app.exception
    return json.loads(app.get("bidi_component")[0].proto.json)


def test_the_board_is_sent_the_path_only_when_it_is_to_be_seen():
    assert sent("s-1wwww2-", False)["path"] is None
    assert sent("s-1wwww2-", True)["path"] == [[0, 0], [0, 1], [0, 2]]
    assert sent("s-wwwww2-", True)["path"] is None  # there is none


def test_the_board_offers_the_gems_that_the_model_knows():
    data = sent("s-1wwww2-", False)
    assert data["signs"] == "w-s12"
    assert data["gems"] == ["orange", "sky blue"]
    assert data["maze"] == "s-1wwww2-"
