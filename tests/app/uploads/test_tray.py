"""The learner's own pictures: what is taken in, what is refused, and that the model gets the pixels that are shown."""

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from app import reports
from app.cache import checkpoint
from app.uploads import tray as uploads
from app.uploads.tray import Framing, Tray
from vitrm.data.images import fit_image
from vitrm.errors import ConfigError
from vitrm.runs.checkpoints import find_run

HOME = str(Path(__file__).resolve().parents[3] / "app" / "Home.py")


def encoded(image, kind="PNG", **options):
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def noise(width, height):
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.fixture
def page():
    app = AppTest.from_file(HOME, default_timeout=60)
    app.run()
    return app.switch_page("../pages/your_image.py").run()


def shown(app):
    """The pixels in the player."""
    data = [json.loads(block.proto.json) for block in app.get("bidi_component") if "probs" in block.proto.json]
    assert len(data) == 1
    size, channels = data[0]["imageSize"], data[0]["channels"]
    return np.frombuffer(base64.b64decode(data[0]["pixels"]), np.uint8).reshape(channels, size, size)


def test_before_there_is_a_picture_the_page_says_what_happens_to_it(page):
    assert not page.exception
    assert "never written to disk, never logged" in page.markdown[0].value
    assert not page.image


def test_an_upload_is_given_to_the_photo_model_pixel_by_pixel(page):
    image = noise(60, 40)
    page.file_uploader[0].upload("c.png", encoded(image)).run()
    assert not page.exception
    np.testing.assert_array_equal(shown(page), fit_image(image, 32, 3))
    assert page.selectbox[0].value == "cifar10-tiny"
    captions = " ".join(caption.value for caption in page.caption)
    assert "airplane, automobile, bird" in captions
    assert "3 × 32 × 32" in captions
    assert page.file_uploader[0].value == []  # handed over, and empty again


def test_rotating_and_cropping_change_what_the_model_gets(page):
    image = noise(60, 40)
    page.file_uploader[0].upload("c.png", encoded(image)).run()
    page.button(key="turn_Left").click().run()
    turned = image.transpose(Image.Transpose.ROTATE_90)
    np.testing.assert_array_equal(shown(page), fit_image(turned, 32, 3))
    page.slider(key="zoom_1").set_value(2.05).run()  # in steps of 0.07
    zoom = page.session_state["tray"].pictures[1].framing.zoom
    page.slider(key="y_1").set_value(1.0).run()
    assert zoom > 2
    left = (40 - 40 / zoom) / 2
    np.testing.assert_array_equal(shown(page), fit_image(turned, 32, 3, (left, 60 - 40 / zoom, left + 40 / zoom, 60)))


def test_a_framing_can_be_taken_back(page):
    image = noise(60, 40)
    page.file_uploader[0].upload("c.png", encoded(image)).run()
    page.button(key="turn_Right").click().run()
    page.slider(key="zoom_1").set_value(4.0).run()
    page.button(key="unframe").click().run()
    np.testing.assert_array_equal(shown(page), fit_image(image, 32, 3))
    assert page.slider(key="zoom_1").value == 1


def test_another_model_gets_other_pixels_of_the_same_picture(page):
    image = noise(60, 40)
    page.file_uploader[0].upload("c.png", encoded(image)).run()
    page.selectbox[0].select("digits").run()
    assert not page.exception
    assert shown(page).shape == (1, 8, 8)


def test_ink_on_paper_is_swapped_for_a_model_of_light_on_dark_and_back_by_hand(page):
    image = Image.new("L", (40, 40), 250)
    image.paste(10, (15, 5, 25, 35))
    page.file_uploader[0].upload("one.png", encoded(image)).run()
    page.selectbox[0].select("digits").run()
    assert shown(page)[0, 0, 0] < 20
    page.button(key="swap").click().run()
    assert shown(page)[0, 0, 0] > 230


def test_what_cannot_be_used_is_refused_in_one_sentence_with_its_name_made_harmless(page):
    hostile = "../../etc/![x](http://evil/)<script>alert(1)</script>\x00\u202egnp.exe.png"
    page.file_uploader[0].upload(hostile, b"PK\x03\x04").run()
    assert not page.exception
    (error,) = page.error
    assert "not an image file but a zip archive" in error.value.replace("\\", "")
    assert "![x](" not in error.value
    assert "\x00" not in error.value
    assert "\u202e" not in error.value
    assert "etc" not in error.value
    assert not page.image


@pytest.mark.parametrize(
    ("name", "shown_name"),
    [
        ("C:\\fakepath\\cat.png", "cat.png"),
        ("../../etc/passwd", "passwd"),
        ("a" * 300 + ".png", "a" * 32 + "…aaa.png"),
        ("\u202egnp.exe", "gnp.exe"),
        ("", ""),
    ],
)
def test_names_lose_their_paths_and_what_cannot_be_seen(name, shown_name):
    assert uploads.safe_name(name) == shown_name
    assert len(shown_name) <= uploads.MAX_NAME


def test_names_are_shown_as_they_are_in_markdown():
    assert uploads.plain("**a**_b_[c](d)") == r"\*\*a\*\*\_b\_\[c\]\(d\)"


def test_a_session_keeps_so_many_pictures_and_says_so(page):
    files = [(f"{k}.png", encoded(noise(8, 8)), "image/png") for k in range(uploads.MAX_IMAGES + 7)]
    page.file_uploader[0].upload(files[0][0], files[0][1])
    page.run()
    tray = page.session_state["tray"]
    tray.refused = []
    for name, content, _ in files[1:]:
        tray.add(name, "photo", content)
    page.run()
    assert not page.exception
    assert len(tray.pictures) == uploads.MAX_IMAGES
    assert "16 pictures are kept at most" in page.error[0].value
    assert "2 more files could not be used" in page.error[5].value  # five sentences are enough
    assert len(tray.traces) <= uploads.MAX_TRACES
    page.button(key="remove_3").click().run()
    assert 3 not in tray.pictures
    assert not [key for key in tray.traces if key[0] == 3]
    assert not page.exception


def test_a_picture_is_kept_no_larger_than_it_must_be():
    tray = Tray()
    picture = tray.add("large", "photo", encoded(Image.new("RGB", (3000, 1500)), "JPEG"))
    assert picture.image.size == (768, 384)


def test_traces_of_own_pictures_are_kept_by_their_session_alone_and_not_for_ever(page, monkeypatch):
    monkeypatch.setattr(uploads, "MAX_TRACES", 2)
    page.file_uploader[0].upload("c.png", encoded(noise(60, 40))).run()
    tray = page.session_state["tray"]
    for _ in range(3):
        page.button(key="turn_Left").click().run()
    assert len(tray.traces) == 2
    other = AppTest.from_file(HOME, default_timeout=60)
    other.run()
    other.switch_page("../pages/your_image.py").run()
    assert not other.session_state["tray"].pictures
    assert other.session_state["tray"].session != tray.session


def test_the_grid_says_what_the_player_says_and_opens_any(page):
    page.file_uploader[0].upload("first.png", encoded(noise(60, 40))).run()
    page.file_uploader[0].upload("second.png", encoded(Image.new("RGB", (40, 40), "#3366cc"))).run()
    assert not page.exception
    np.testing.assert_array_equal(shown(page)[0], 0x33)
    page.button(key="open_1").click().run()
    np.testing.assert_array_equal(shown(page), fit_image(noise(60, 40), 32, 3))
    text = " ".join(m.value for m in [*page.markdown, *page.caption])
    for trace in page.session_state["tray"].traces.values():
        probs = trace.probs[-1, -1, -1]
        assert f"{trace.class_names[int(probs.argmax())]}, {100 * probs.max():.0f}" in text.replace("\\", "")


def test_a_plain_colour_is_foreign_and_the_page_says_how_often_it_is_wrong_about_that(page):
    page.file_uploader[0].upload("blue.png", encoded(Image.new("RGB", (40, 40), "#3366cc"))).run()
    report = find_run("cifar10-tiny").report("domain")
    (warning,) = page.warning
    assert "unlike" in warning.value
    assert f"{100 * report.test_false_alarms:.0f} %" in warning.value
    text = " ".join(m.value for m in page.markdown).replace("\\", "")
    for part in ("CIFAR-10 (JPEG)", "n = 5,000", "n = 10,000", "handwritten digits (n = 359)", "training seed 0"):
        assert part in text


def test_a_checkpoint_without_a_measured_warning_says_how_to_measure_it(page, monkeypatch):
    monkeypatch.setattr(reports, "stored", lambda checkpoint, kind: None)
    page.file_uploader[0].upload("blue.png", encoded(Image.new("RGB", (40, 40), "#3366cc"))).run()
    assert not page.warning
    assert any("vitrm evaluate" in caption.value for caption in page.caption)


def test_a_drawing_follows_its_sheet_and_is_framed_by_its_ink(page):
    page.run()
    tray = page.session_state["tray"]
    sheet = Image.new("L", (280, 280), 0)
    sheet.paste(255, (150, 40, 180, 200))
    with_tray(tray, lambda: uploads.take_sheet(7, encoded(sheet)))
    (picture,) = tray.pictures.values()
    assert picture.kind == "drawing"
    left, top, right, bottom = picture.box()
    assert (left + right) / 2 == pytest.approx(165)
    assert (top + bottom) / 2 == pytest.approx(120)
    assert right - left == pytest.approx(160 * uploads.INK_MARGIN)
    page.run()
    assert page.selectbox[0].value == "digits-glimpse"
    sheet.paste(255, (20, 20, 50, 250))
    with_tray(tray, lambda: uploads.take_sheet(7, encoded(sheet)))
    assert list(tray.pictures) == [1]
    assert tray.pictures[1].version != picture.version
    with_tray(tray, lambda: uploads.take_sheet(7, b""))
    assert not tray.pictures
    with_tray(tray, lambda: uploads.take_sheet(8, b"no picture"))
    assert "cannot be used" in tray.refused[0]


def with_tray(tray, act):
    """Run `act` as a callback of the session that has this tray."""
    before, uploads.tray = uploads.tray, lambda: tray
    try:
        act()
    finally:
        uploads.tray = before


def test_the_ink_of_a_dot_or_a_full_sheet_gives_a_square_inside():
    for ink in ((0, 0, 2, 2), (278, 278, 280, 280), (0, 0, 280, 280), (0, 130, 280, 150)):
        sheet = Image.new("L", (280, 280), 0)
        sheet.paste(255, ink)
        framing = uploads.fitted(sheet)
        assert 1 <= framing.zoom <= uploads.MAX_ZOOM
        assert 0 <= framing.x <= 1
        assert 0 <= framing.y <= 1
    assert uploads.fitted(Image.new("L", (280, 280), 0)) == Framing()


def test_side_by_side_with_another_model_and_other_numbers_of_steps(page):
    page.file_uploader[0].upload("c.png", encoded(noise(60, 40))).run()
    beside = next(group for group in page.segmented_control if group.key == "beside")
    assert list(beside.options) == ["another model", "other numbers of steps"]  # there is no other picture
    beside.select("another model").run()
    assert not page.exception
    players = [json.loads(b.proto.json) for b in page.get("bidi_component") if "probs" in b.proto.json]
    assert [data["together"] for data in players] == ["own", "own"]
    assert players[0]["classes"] != players[1]["classes"]
    assert players[0]["marks"] == [{"step": 0, "text": "first differ"}]
    next(group for group in page.segmented_control if group.key == "beside").select("other numbers of steps").run()
    assert not page.exception
    players = [json.loads(b.proto.json) for b in page.get("bidi_component") if "probs" in b.proto.json]
    assert [data["shape"][0] for data in players] == [4, 8]


def test_an_own_picture_can_be_edited_like_any_other(monkeypatch):
    tray, digits = Tray(), checkpoint("digits")
    config = digits.run.config()
    monkeypatch.setattr(uploads, "tray", lambda: tray)
    monkeypatch.setattr(uploads, "seed", lambda: 0)
    picture = tray.add("white", "photo", encoded(Image.new("L", (40, 40), 40)))
    plain = uploads.trace(picture, digits, config)
    edited = uploads.trace(picture, digits, config, "p0;z1")
    assert (plain.pixels == 40).all()
    assert edited.pixels[0, 0, 0] != 40
    assert not edited.memory[..., 1, :].any()
    assert uploads.trace(picture, digits, config, "p0;z1") is edited
    with pytest.raises(ConfigError, match="there is no patch 99"):
        uploads.trace(picture, digits, config, "p99")
