"""What the canvas is sent."""

import json

from streamlit.testing.v1 import AppTest


def page():
    from app.uploads.sketch.sketch import sketch

    sketch("sketch", draw=True, session="abc", held=2, max_mb=8, on_sheet=print, on_paste=print)


def test_the_canvas_knows_its_session_what_is_held_and_how_much_it_may_send():
    app = AppTest.from_function(page, default_timeout=300).run()
    assert not app.exception
    data = json.loads(app.get("bidi_component")[0].proto.json)
    assert data == {"draw": True, "session": "abc", "held": 2, "maxBytes": 8_000_000}
