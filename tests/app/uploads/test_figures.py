"""What is shown of own pictures, as pure functions: the grid and its files, the first divergence, the two images."""

import base64
import csv
import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from app.uploads import figures
from vitrm.runs.checkpoints import find_run


@pytest.fixture
def trace():
    return next(iter(find_run("digits-glimpse").gallery().values()))


def answering(trace, *answers, halt=()):
    """The trace with these answers after its supervision steps, and these halting logits."""
    steps = len(answers)
    logits = np.zeros((steps, *trace.logits.shape[1:]), np.float32)
    halts = np.full((steps, *trace.halt_logit.shape[1:]), -9, np.float32)
    for n, answer in enumerate(answers):
        logits[n, ..., trace.class_names.index(answer)] = 5
        halts[n] = halt[n] if n < len(halt) else -9
    return replace(trace, logits=logits, halt_logit=halts)


def test_a_row_says_the_answer_the_exit_and_the_last_change(trace):
    row = figures.row("a", "m", answering(trace, "3", "8", "3", "3", halt=(-1, 0.5, 2)), None)
    assert (row.answer, row.exit_step, row.changed_step, row.steps, row.foreign) == ("3", 2, 3, 4, None)
    assert row.probability == pytest.approx(np.exp(5) / (np.exp(5) + 9))
    assert figures.row("a", "m", answering(trace, "3", "8", "3", halt=(-1, 0.5, 2)), None, 0.8).exit_step == 3
    steady = figures.row("a", "m", answering(trace, "3", "3"), None)
    assert (steady.exit_step, steady.changed_step) == (None, None)
    assert figures.lines(steady)[1:] == ["exit never of 2", "last change never"]


def test_the_first_divergence_is_found_and_said(trace):
    first = answering(trace, "3", "3", "3")
    assert figures.divergence(first, answering(trace, "3", "8", "8")) == 1
    assert figures.divergence(first, answering(trace, "3", "3", "3")) is None
    assert figures.divergence(first, answering(trace, "3", "3", "3", "3", "5")) == 4  # the first stands by its 3
    words = figures.divergence_words(first, answering(trace, "3", "8", "3"))
    assert (
        words == "They differ first after supervision step 2: 3 in the first, 8 in the second, and agree in the end: 3."
    )
    assert "never differ" in figures.divergence_words(first, first)
    assert "and still do" in figures.divergence_words(first, answering(trace, "3", "8", "8"))
    assert "and end with 3 and 5" in figures.divergence_words(first, answering(trace, "3", "8", "5"))


def test_the_csv_has_a_line_for_every_picture_and_no_formulas(trace):
    rows = [figures.row(name, "m", answering(trace, "3", "8"), None) for name in ("=cmd|' /C calc'!A0", 'b,"c".png')]
    read = list(csv.DictReader(io.StringIO(figures.grid_csv(rows).decode())))
    assert [line["picture"] for line in read] == ["'=cmd|' /C calc'!A0", 'b,"c".png']
    assert read[0]["answer"] == "8"
    assert read[0]["exit step"] == "never"
    assert read[0]["answer last changed at step"] == "2"
    assert read[0]["out-of-domain warning"] == "not measured"


def test_the_png_shows_every_picture_where_it_belongs(trace):
    row = figures.row("a", "m", answering(trace, "3", "8"), None)
    colours = [(200, 10 * k, 0) for k in range(5)]
    content = figures.grid_png([row] * 5, [Image.new("RGB", (30, 30), c) for c in colours], "a note")
    sheet = Image.open(io.BytesIO(content))
    assert sheet.getpixel((110, 110)) == colours[0]
    assert sheet.getpixel((310, 110)) == colours[1]
    assert sheet.getpixel((110, 110 + 180 + 110 + 20)) == colours[4]  # in the second line


def test_the_model_s_pixels_are_enlarged_without_smoothing():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 8, 8), dtype=np.uint8)
    large = np.asarray(figures.enlarged(pixels, 256))
    assert large.shape == (256, 256, 3)
    np.testing.assert_array_equal(large[16::32, 16::32].transpose(2, 0, 1), pixels)
    assert len(np.unique(large.reshape(-1, 3), axis=0)) <= 64


def test_the_frame_is_bright_inside_and_dim_outside():
    seen = np.asarray(figures.framed(Image.new("RGB", (200, 100), "white"), (50, 0, 150, 100), 100))
    assert seen.shape == (50, 100, 3)
    assert seen[25, 50].tolist() == [255, 255, 255]
    assert seen[25, 5].max() < 200


def test_the_facts_are_those_of_the_normalised_tensor():
    run = find_run("digits")
    config, model = run.config(), run.load_model()
    pixels = np.random.default_rng(0).integers(0, 256, (1, 8, 8), dtype=np.uint8)
    normal = model.transform(Image.fromarray(pixels[0])).numpy()
    facts = figures.tensor_facts(pixels, config)
    assert "1 × 8 × 8 (grey" in facts
    assert f"mean {normal.mean():+.2f} and standard deviation {normal.std():.2f}" in facts


def test_what_the_model_is_given_reaches_the_browser_without_loss_and_without_an_address_of_the_server():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 32), dtype=np.uint8)
    kind, _, content = figures.address(figures.enlarged(pixels, 256), "PNG").partition(";base64,")
    assert kind == "data:image/png"
    seen = np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))
    np.testing.assert_array_equal(seen[4::8, 4::8].transpose(2, 0, 1), pixels)


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
    assert figures.safe_name(name) == shown_name
    assert len(shown_name) <= figures.MAX_NAME


def test_what_the_model_does_not_get_of_a_panorama_or_of_a_moving_picture_is_said():
    assert figures.left_out((400, 300), (50, 0, 350, 300), False) == ""
    wide = figures.left_out((900, 300), (300, 0, 600, 300), False)
    assert "3.0 times as wide as high: only the **middle** is used, 33 %" in wide
    assert "Left to right" in wide
    moved = figures.left_out((300, 900), (0, 0, 300, 300), False)
    assert "Top to bottom" in moved
    assert "middle" not in moved
    assert "first frame" in figures.left_out((8, 8), (0, 0, 8, 8), True)
