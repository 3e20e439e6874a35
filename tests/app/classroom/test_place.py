"""Nobody is led anywhere but to a page of this server."""

import pytest

from app.classroom.address import bases, machine, qr
from app.classroom.events import ClassError
from app.classroom.place import path_of, read_place


@pytest.mark.parametrize(("link", "place"), [
    ("http://192.168.1.5:8501/step?image=test-4&position=3", "step?image=test-4&position=3"),
    ("https://school.example/vitrm/mazes", "mazes"),
    ("http://localhost:8501/?image=test-4", "watch?image=test-4"),
    ("https://school.example/vitrm/?image=test-4", "watch?image=test-4"),
    ("https://school.example/vitrm", "watch"),
    (" /train?run=digits-1 ", "train?run=digits-1"),
    ("//evil.example/step", "step"),  # the page, here
    ("javascript:/step?image=%22%3E%3Cscript%3E", "step?image=%22%3E%3Cscript%3E"),
])  # fmt: skip
def test_of_a_link_the_page_and_its_query_are_kept(link, place):
    assert read_place(link, "vitrm") == place
    assert path_of(place, "vitrm").startswith("/vitrm/")


@pytest.mark.parametrize(("link", "said"), [
    ("http://192.168.1.5:8501/admin", "“admin” is none of the pages"),
    ("http://192.168.1.5:8501/class?code=BCDF", "“class” is none of the pages"),
    ("http://localhost/step?chekpoint=digits", "names chekpoint, which no page here knows"),
    ("http://[::1/step", "is no link; use Copy link"),
    ("http://localhost/step?![](//a.bc)=1", r"names \\!\\\[\\\]\\\(\\/\\/a\\.bc"),
    ("step?image=" + "x" * 5000, "5011 letters"),
])  # fmt: skip
def test_what_leads_to_no_page_is_said(link, said):
    with pytest.raises(ClassError, match=said):
        read_place(link)


def test_a_place_is_a_path_on_this_server():
    assert path_of("step?image=test-4") == "/step?image=test-4"
    assert path_of("watch?image=test-4", "/vitrm/") == "/vitrm/?image=test-4"
    assert path_of("watch") == "/"


@pytest.mark.parametrize(("url", "expected"), [
    ("http://localhost:8501/class", ["http://10.0.0.7:8501", "http://192.168.1.5:8501"]),
    ("http://127.0.0.1:8501/vitrm/class?code=B", ["http://10.0.0.7:8501/vitrm", "http://192.168.1.5:8501/vitrm"]),
    ("http://[::1]/class", ["http://10.0.0.7", "http://192.168.1.5"]),
    ("https://school.example/vitrm/class", ["https://school.example/vitrm"]),
    ("http://192.168.1.5:8501/", ["http://192.168.1.5:8501"]),
])  # fmt: skip
def test_phones_are_told_where_the_teacher_is_unless_that_is_the_machine_itself(url, expected):
    assert bases(url, ["10.0.0.7", "192.168.1.5"]) == expected


def test_the_addresses_of_this_machine_lead_elsewhere_than_to_itself_and_a_qr_code_is_drawn_of_each():
    assert not [each for each in machine() if each.startswith("127.")]
    assert qr("http://192.168.1.5:8501/class?code=BCDF").startswith("<svg")
