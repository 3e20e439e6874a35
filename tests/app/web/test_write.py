"""The site without a server: whole, small, of the app's own components, and asking nobody for anything."""

import json
import re
from urllib.parse import parse_qs, urlsplit

import pytest

from app.component import read
from app.halting.exits import exits
from app.lessons.course import lessons
from app.lessons.lesson import Result
from app.player import player
from app.web import course
from app.web.write import PAGES, write
from tests.app.lessons.doing import predicted
from vitrm.errors import DataError


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """With stand-ins for what is measured: tests/app/lessons/test_course.py has that."""
    folder = tmp_path_factory.mktemp("served") / "a folder"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(course, "measured", lambda lesson, events: Result(predicted(lesson), f"on {lesson.key}"))
        write(folder)
        yield folder


def _text(file):
    return file.read_text(encoding="utf-8")


def test_it_is_at_most_8_mb_and_every_file_a_page_names_is_there(site):
    files = [file for file in site.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) <= 8_000_000
    named = set()
    for page in site.glob("*.html"):
        text = _text(page)
        named |= set(re.findall(r'(?:href|src)="([^":#]+)"', text))
        if 'id="data">' in text:
            data = json.loads(text.split('id="data">')[1].split("</script>")[0])
            named |= {shown["file"] for shown in data["shown"]}
    named |= {"assets/course.js", "assets/lessons.js"}  # site.js adds them in a lesson
    assert {str(file.relative_to(site).as_posix()) for file in files} == named | {"index.html"}


def test_nothing_is_fetched_and_the_only_way_out_is_a_link_that_is_clicked(site):
    for file in site.rglob("*.*"):
        text = _text(file)
        assert not re.search(r"@import|fetch\(|import\(|XMLHttpRequest|WebSocket|url\(http", text), file
        assert set(re.findall(r'(?:src|href)="(https?:[^"]+)', text)) <= {"https://arxiv.org/abs/2603.19503"}


def test_what_is_drawn_over_a_small_image_ends_where_its_pixels_do(site):
    drawn = re.findall(r'<svg class="(frame|picture)" viewBox="0 0 (\d+) .*?>(.*?)</svg>', _text(site / "index.html"))
    assert [kind for kind, *_ in drawn] == ["frame"] * 6 + ["picture"] * 5
    for kind, wide, elements in drawn:
        unit = 3 if kind == "frame" else 3.25  # the smallest pixel: on screen a whole number, says site.css
        places = re.findall(r'<(?:image|rect)[^>]* x="(.+?)" y="(.+?)" width="(.+?)" height="(.+?)"', elements)
        assert all(float(number) % unit == 0 for number in (wide, *(each for place in places for each in place)))


def test_the_components_are_the_app_s_own(site):
    assert _text(site / "assets" / "player.js") == read(player.__file__, *player.SCRIPTS)
    assert read(player.__file__, "player.html") in _text(site / "watch.html")
    assert _text(site / "assets" / "exits.js") == read(exits.__file__, *exits.SCRIPTS)


def test_every_page_says_what_needs_the_app_and_leads_to_the_others(site):
    for page in PAGES:
        text = _text(site / f"{page.name}.html")
        assert len(re.findall(r'<p class="needs">[^<]+ needs? the app\.</p>', text)) == 1
        assert all(f'href="{other.name}.html"' in text for other in PAGES)


def test_every_lesson_is_there_with_what_came_out_and_its_stops_lead_to_what_is_recorded(site):
    told = json.loads(_text(site / "assets" / "course.js").removeprefix("const vitrmCourse = ").rstrip(";\n"))
    assert [each["key"] for each in told["lessons"]] == list(lessons())
    led = set()
    for each, lesson in zip(told["lessons"], lessons().values(), strict=True):
        assert each["measured"] == f"on {lesson.key}"
        stops = [leaf for leaf in each["leaves"] if "stop" in leaf]
        assert [leaf["title"] for leaf in stops] == [stop.title for stop in (*lesson.stops, lesson.fails.stop)]
        assert all(leaf["address"] is None for leaf in stops if leaf["stop"]["needs"])
        led |= {address for leaf in each["leaves"] if (address := leaf["address"])} | {each["keep"]["link"]} - {None}
    assert len(led) > 20
    for address in led:
        parts = urlsplit(address)
        text, query = _text(site / parts.path), parse_qs(parts.query)
        if "show" in query:
            shown = json.loads(text.split('id="data">')[1].split("</script>")[0])["shown"]
            assert query["show"][0] in {each["name"] for each in shown}, address
    needing = {
        each["number"]: [leaf["stop"]["needs"] for leaf in each["leaves"] if "stop" in leaf] for each in told["lessons"]
    }
    assert needing[1] == needing[4] == needing[5] == needing[6] == [False] * 3
    assert needing[8] == [True] * 3


def test_the_answer_to_a_maze_is_not_in_its_trace(site):
    traces = [_text(file) for file in (site / "data" / "mazes").glob("*.js")]
    assert len(traces) > 5
    assert all('"label": null' in trace for trace in traces)


def test_it_can_be_written_again_but_not_over_what_is_somebody_else_s(site, tmp_path):
    (site / "watch.html").write_text("old", encoding="utf-8")
    write(site)
    assert _text(site / "watch.html") != "old"
    (tmp_path / "index.html").write_text("<h1>Mine</h1>", encoding="utf-8")
    with pytest.raises(DataError, match="holds other files; name a new or an empty folder"):
        write(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["index.html"]


def test_a_folder_that_cannot_be_made_is_found_before_anything_is_recorded(tmp_path, monkeypatch):
    monkeypatch.setattr("app.web.write.recordings", lambda: pytest.fail("recorded first"))
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(OSError, match="file"):
        write(tmp_path / "file" / "site")
