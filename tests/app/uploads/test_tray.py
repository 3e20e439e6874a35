"""What a session takes in of own pictures, what it refuses, and what it forgets."""

import pytest
from PIL import Image

from app.uploads.picture import INK_MARGIN
from app.uploads.tray import Tray


def test_a_picture_is_kept_no_larger_than_it_must_be(encoded):
    tray = Tray()
    picture = tray.add("large", "photo", encoded(Image.new("RGB", (3000, 1500)), "JPEG"))
    assert picture.image.size == (768, 384)


def test_a_drawing_follows_its_sheet_and_is_framed_by_its_ink(encoded):
    tray, sheet = Tray(), Image.new("L", (280, 280), 0)
    sheet.paste(255, (150, 40, 180, 200))
    tray.take_sheet(7, encoded(sheet))
    (picture,) = tray.pictures.values()
    assert picture.kind == "drawing"
    left, top, right, bottom = picture.box
    assert (left + right) / 2 == pytest.approx(165)
    assert (top + bottom) / 2 == pytest.approx(120)
    assert right - left == pytest.approx(160 * INK_MARGIN)
    sheet.paste(255, (20, 20, 50, 250))
    tray.take_sheet(7, encoded(sheet))
    assert list(tray.pictures) == [1]
    assert tray.pictures[1].version != picture.version
    tray.take_sheet(7, b"")
    assert not tray.pictures
    tray.take_sheet(8, b"no picture")
    assert "cannot be used" in tray.refused[0]


def test_a_drawing_framed_by_hand_keeps_its_framing(encoded):
    tray, sheet = Tray(), Image.new("L", (280, 280), 0)
    sheet.paste(255, (150, 40, 180, 200))
    tray.take_sheet(7, encoded(sheet))
    tray.frame(1, zoom=2.0)
    framing = tray.pictures[1].framing
    sheet.paste(255, (20, 20, 50, 250))
    tray.take_sheet(7, encoded(sheet))
    assert tray.pictures[1].framing == framing


def test_only_the_latest_traces_are_kept_and_none_of_a_picture_that_is_removed():
    tray = Tray(most_traces=2)
    for number, trace in ((1, "a"), (2, "b"), (1, "c")):
        tray.keep((number, trace), trace)
    assert list(tray.traces.values()) == ["b", "c"]
    tray.keep((2, "b"), "b")  # shown again
    assert list(tray.traces.values()) == ["c", "b"]
    tray.remove(2)
    assert list(tray.traces.values()) == ["c"]
