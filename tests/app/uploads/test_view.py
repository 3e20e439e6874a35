"""The page about own pictures (AppTest): the model gets the pixels that are shown."""

import base64
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from app import state
from app.uploads.examples.examples import find
from app.uploads.tray import MAX_IMAGES, MAX_TRACES
from vitrm.data.images import fit_image
from vitrm.places import ROOT
from vitrm.runs.checkpoints import find_run

HOME = str(Path(__file__).resolve().parents[3] / "app" / "Home.py")


@pytest.fixture
def page():
    app = AppTest.from_file(HOME, default_timeout=300)
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


def test_an_upload_is_given_to_the_photo_model_pixel_by_pixel(page, encoded, noise):
    image = noise(60, 40)
    page.file_uploader[0].upload("c.png", encoded(image)).run()
    assert not page.exception
    np.testing.assert_array_equal(shown(page), fit_image(image, 32, 3))
    assert page.selectbox[0].value == "photo"
    captions = " ".join(caption.value for caption in page.caption)
    assert "airplane, automobile, bird" in captions
    assert "3 × 32 × 32" in captions
    assert page.file_uploader[0].value == []  # handed over, and empty again


def test_rotating_and_cropping_change_what_the_model_gets(page, encoded, noise):
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


def test_a_framing_can_be_taken_back(page, encoded, noise):
    image = noise(60, 40)
    page.file_uploader[0].upload("c.png", encoded(image)).run()
    page.button(key="turn_Right").click().run()
    page.slider(key="zoom_1").set_value(4.0).run()
    page.button(key="unframe").click().run()
    np.testing.assert_array_equal(shown(page), fit_image(image, 32, 3))
    assert page.slider(key="zoom_1").value == 1


def test_another_model_gets_other_pixels_of_the_same_picture(page, encoded, noise):
    image = noise(60, 40)
    page.file_uploader[0].upload("c.png", encoded(image)).run()
    page.selectbox[0].select("digits").run()
    assert not page.exception
    assert shown(page).shape == (1, 8, 8)


def test_ink_on_paper_is_swapped_for_a_model_of_light_on_dark_and_back_by_hand(page, encoded):
    image = Image.new("L", (40, 40), 250)
    image.paste(10, (15, 5, 25, 35))
    page.file_uploader[0].upload("one.png", encoded(image)).run()
    page.selectbox[0].select("digits").run()
    assert shown(page)[0, 0, 0] < 20
    assert "Dark and light are swapped" in page.info[0].value
    page.button(key="swap").click().run()
    assert shown(page)[0, 0, 0] > 230
    assert not page.info


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
    next(group for group in page.segmented_control if group.key == "source").select("Draw").run()
    assert not page.error  # it came another way


def test_a_session_keeps_so_many_pictures_and_says_so(page, encoded, noise):
    files = [(f"{k}.png", encoded(noise(8, 8)), "image/png") for k in range(MAX_IMAGES + 7)]
    page.file_uploader[0].upload(files[0][0], files[0][1])
    page.run()
    tray = page.session_state["tray"]
    tray.refused = []
    for name, content, _ in files[1:]:
        tray.add(name, "photo", content)
    page.run()
    assert not page.exception
    assert len(tray.pictures) == MAX_IMAGES
    assert "16 pictures are kept at most" in page.error[0].value
    assert "2 more files could not be used" in page.error[5].value  # five sentences are enough
    assert len(tray.traces) <= MAX_TRACES
    page.button(key="remove_3").click().run()
    assert 3 not in tray.pictures
    assert not [key for key in tray.traces if key[0] == 3]
    assert not page.exception


def test_traces_of_own_pictures_are_kept_by_their_session_alone_and_not_for_ever(page, encoded, noise):
    page.file_uploader[0].upload("c.png", encoded(noise(60, 40))).run()
    tray = page.session_state["tray"]
    tray.most_traces = 2
    for _ in range(3):
        page.button(key="turn_Left").click().run()
    assert len(tray.traces) == 2
    other = AppTest.from_file(HOME, default_timeout=300)
    other.run()
    other.switch_page("../pages/your_image.py").run()
    assert not other.session_state["tray"].pictures
    assert other.session_state["tray"].session != tray.session


def test_the_grid_says_what_the_player_says_and_opens_any(page, encoded, noise):
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
    page.session_state["tray"].add("a drawing", "drawing", encoded(Image.new("L", (40, 40), 0)))
    page.session_state["tray"].open(1)
    page.session_state[state.DRAWING_MODEL] = "digits-glimpse-vit"
    page.run()
    assert not page.exception
    assert any("“digits-glimpse-vit” answers once" in caption.value.replace("\\", "") for caption in page.caption)
    page.button(key="remove_3").click().run()
    assert not any("answers once" in caption.value for caption in page.caption)


def test_a_plain_colour_is_foreign_and_the_page_says_how_often_it_is_wrong_about_that(page, encoded):
    page.file_uploader[0].upload("blue.png", encoded(Image.new("RGB", (40, 40), "#3366cc"))).run()
    report = find_run("photo").report("domain")
    (warning,) = page.warning
    assert "unlike" in warning.value
    assert f"{100 * report.test_false_alarms:.0f} %" in warning.value
    text = " ".join(m.value for m in page.markdown).replace("\\", "")
    for part in ("CIFAR-10 (JPEG)", "n = 5,000", "n = 10,000", "handwritten digits (n = 359)", "training seed 0"):
        assert part in text


def test_a_checkpoint_without_a_measured_warning_says_how_to_measure_it(page, tmp_path, encoded):
    shutil.copytree(ROOT / "checkpoints" / "cifar10-tiny", tmp_path / "runs" / "unmeasured")
    (tmp_path / "runs" / "unmeasured" / "domain.json").unlink()
    page.session_state[state.PHOTO_MODEL] = "unmeasured"
    page.file_uploader[0].upload("blue.png", encoded(Image.new("RGB", (40, 40), "#3366cc"))).run()
    assert not page.warning
    assert any("vitrm evaluate" in caption.value for caption in page.caption)


def test_side_by_side_with_another_model_and_other_numbers_of_steps(page, encoded, noise):
    page.file_uploader[0].upload("c.png", encoded(noise(60, 40))).run()
    beside = next(group for group in page.segmented_control if group.key == "beside")
    assert list(beside.options) == ["another model", "other numbers of steps"]  # there is no other picture
    beside.select("another model").run()
    assert not page.exception
    offered = page.selectbox(key="other_model").options
    assert "digits-glimpse" in offered
    assert not {"photo", "digits-glimpse-vit", "mazes"} & set(offered)  # the one on the left; answers once; of mazes
    players = [json.loads(b.proto.json) for b in page.get("bidi_component") if "probs" in b.proto.json]
    assert [data["together"] for data in players] == ["own", "own"]
    assert [data["shape"][0] for data in players] == [2, 4]  # photo, cifar10-tiny: as many as each was trained with
    assert players[0]["marks"] == [{"step": 0, "text": "first differ"}]
    next(group for group in page.segmented_control if group.key == "beside").select("other numbers of steps").run()
    assert not page.exception
    players = [json.loads(b.proto.json) for b in page.get("bidi_component") if "probs" in b.proto.json]
    assert [data["shape"][0] for data in players] == [2, 4]


def test_a_drawing_is_given_to_the_model_for_drawings(page, encoded):
    sheet = Image.new("L", (280, 280), 0)
    sheet.paste(255, (150, 40, 180, 200))
    page.run()
    page.session_state["tray"].take_sheet(7, encoded(sheet))
    page.run()
    assert page.selectbox[0].value == "digits-glimpse"


def test_an_example_is_opened_without_an_upload_and_credited(page):
    page.session_state["tray"].take_example(find("Cat"))
    page.run()
    assert not page.exception
    assert shown(page).shape == (3, 32, 32)
    assert any("Stefan van der Walt, CC0" in caption.value.replace("\\", "") for caption in page.caption)


def test_a_digit_is_offered_the_model_that_knows_digits_and_a_cat_none(page):
    page.session_state["tray"].take_example(find("Cat"))
    page.run()
    assert not [button for button in page.button if button.key == "take_offer"]
    page.session_state["tray"].take_example(find("Digit"))
    page.run()
    assert any("% of handwritten digits (n = 359)" in caption.value for caption in page.caption)
    page.button(key="take_offer").click().run()
    assert not page.exception
    assert page.selectbox[0].value == "digits-glimpse"
    assert not [button for button in page.button if button.key == "take_offer"]
