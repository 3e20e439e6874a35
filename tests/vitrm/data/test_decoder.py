"""Pictures decoded in a process of their own: the same pixels, and whatever a file does, it does it there."""

import io
import sys

import numpy as np
import pytest
from PIL import Image

from vitrm.data.decoder import Decoder
from vitrm.data.images import PHONE_READERS, decode_image
from vitrm.errors import DataError

_READY = "import os, sys, time; os.write(1, b'\\x01\\0\\0\\0s'); "
DEAF = (sys.executable, "-c", _READY + "time.sleep(600)")
BROKEN = (sys.executable, "-c", _READY + "os.read(0, 1); os.abort()")
NEVER_READY = (sys.executable, "-c", "import time; time.sleep(600)")
NO_DECODER = (sys.executable, "-c", "import os; os.abort()")


def content(image, kind="PNG"):
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


@pytest.fixture
def decoder():
    decoder = Decoder(64, seconds=120, start_seconds=120)
    yield decoder
    decoder.close()


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_pictures_come_back_with_the_pixels_they_had(decoder, mode):
    grey = np.arange(48 * 32, dtype=np.uint8).reshape(32, 48)
    image = Image.fromarray(grey).convert(mode)
    for _ in range(2):  # the process goes on
        found = decoder.decode(content(image))
        assert found.mode == mode
        assert np.array_equal(np.asarray(found), np.asarray(image))


def test_a_picture_is_made_smaller_there_and_a_bad_one_named(decoder):
    assert decoder.decode(content(Image.new("L", (640, 320)))).size == (64, 32)
    with pytest.raises(DataError, match="not an image file but a PDF"):
        decoder.decode(b"%PDF-1.7\n")


@pytest.mark.parametrize("start", [b"P1\n", b"P2 ", b"P3\n", b"P4\n", b"P5\n", b"P6\n", b"P7\n", b"Pf\n", b"PF\n"])
def test_pictures_that_no_phone_or_browser_makes_are_refused_by_how_they_begin(decoder, start):
    comments = b"# a line that is read byte by byte\n" * 100_000
    with pytest.raises(DataError, match="PNM"):
        decoder.decode(start + comments)
    with pytest.raises(DataError, match="PNM"):
        decode_image(start + comments, readers=PHONE_READERS)


def test_data_sets_may_still_be_of_such_pictures():
    assert decode_image(content(Image.new("L", (4, 4)), "PPM")).size == (4, 4)


def test_a_decoder_that_takes_too_long_is_ended_and_the_next_picture_finds_a_new_one():
    decoder = Decoder(64, seconds=0.2, words=DEAF)
    with pytest.raises(DataError, match=r"it took longer than 0\.2 seconds to decode"):
        decoder.decode(b"x")
    with pytest.raises(DataError, match=r"it took longer than 0\.2 seconds to decode"):
        decoder.decode(b"x")
    decoder.close()


def test_a_decoder_that_breaks_off_takes_nobody_down():
    decoder = Decoder(64, words=BROKEN)
    with pytest.raises(DataError, match="its decoder broke off"):
        decoder.decode(b"x" * 10**6)
    decoder.close()


@pytest.mark.parametrize("words", [NEVER_READY, NO_DECODER])
def test_a_decoder_that_does_not_start_is_not_the_picture_s_fault(words):
    decoder = Decoder(64, words=words, start_seconds=0.2 if words is NEVER_READY else 60)
    with pytest.raises(DataError, match="pictures cannot be read just now"):
        decoder.decode(b"x")
    decoder.close()


def test_the_start_has_time_of_its_own():
    slow = (sys.executable, "-c", "import time; time.sleep(0.6); " + _READY + "os.read(0, 1); time.sleep(600)")
    decoder = Decoder(64, seconds=0.5, words=slow)
    with pytest.raises(DataError, match="to decode"):  # not that it did not start
        decoder.decode(b"x")
    decoder.close()
