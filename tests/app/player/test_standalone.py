"""The player as one file: complete, and asking nobody for anything."""

import json
from dataclasses import replace

from app.player.standalone import standalone


def test_the_standalone_page_holds_all_and_asks_for_nothing(shown):
    hostile = replace(shown, class_names=("</script><script>alert(1)</script>", *shown.class_names[1:]))
    page = standalone(hostile, "A <title>", "Said & done.", ("equations", "memory", "attention", "edits")).decode()
    assert "A &lt;title&gt;" in page
    assert "Said &amp; done." in page
    assert "</script><script>alert" not in page
    data = json.loads(page.split('id="data">')[1].split("</script>")[0])
    assert data["classes"] == list(hostile.class_names)
    assert data["panels"] == ["equations", "memory", "attention"]  # an edit needs the model
    for reach in ('src="', "@import", "url(http", "fetch(", "import("):
        assert reach not in page
