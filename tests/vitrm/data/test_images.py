"""Hostile and broken pictures: one clear sentence each, nothing in the log, and a decoder that survives damage."""

import io
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from scripts.fuzz_images import mutated, seeds
from vitrm.data.images import as_seen, decode_image, fit_image, square
from vitrm.errors import DataError

ROOT = Path(__file__).resolve().parents[3]


def encoded(image, kind="PNG", **options):
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def png_header(width, height):
    """A PNG that says how large it is, and has no pixels."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def archive():
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as packed:
        packed.writestr("cat.txt", "meow")
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"hello", "not an image file"),
        (archive(), "not an image file but a zip archive"),
        (b"%PDF-1.7\n", "not an image file but a PDF"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "not an image file but PostScript"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG is a drawing in words, not pixels"),
        (b"\0\0\0\x1cftypisom\0\0\2\0", "not an image file but a video"),
        (b"\0\0\0\x1cftypavif\0\0\0\0", "AVIF is not read here"),
        (b"\0\0\0\x1cftypheic\0\0\0\0", "damaged image"),
        (png_header(20_000, 20_000), "more pixels than the 50,000,000 accepted"),
        (png_header(8_000, 8_000), "8000 x 8000 pixels, more than the 25,000,000 accepted of a PNG file"),
        (encoded(Image.new("RGB", (64, 64)), "JPEG")[:400], "damaged image"),
    ],
)
def test_what_is_no_picture_is_refused_with_the_reason(content, reason):
    with pytest.raises(DataError, match=reason) as caught:
        decode_image(content)
    assert "\n" not in str(caught.value)


def test_a_bomb_is_refused_before_a_pixel_is_decoded(monkeypatch):
    def refuse(*_):
        raise AssertionError("pixels were decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", refuse)
    with pytest.raises(DataError, match="more than the 25,000,000 accepted"):
        decode_image(png_header(6_000, 6_000))


def test_a_large_progressive_jpeg_is_refused_where_a_plain_one_is_not():
    large = Image.new("L", (5_100, 5_000), 128)
    assert decode_image(encoded(large, "JPEG"), 64).size[0] < 5_100
    with pytest.raises(DataError, match="25,000,000 accepted of a progressive JPEG"):
        decode_image(encoded(large, "JPEG", progressive=True), 64)


def test_heic_is_read_upright():
    heic = seeds()[0]  # white above black
    pixels = fit_image(decode_image(heic), 8, 1)[0]
    assert pixels[:3].min() > 200
    assert pixels[5:].max() < 50


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "F", "I;16"])
@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (300, 200)])
def test_every_mode_and_size_is_shown_in_grey_or_colour_no_larger_than_asked(mode, size):
    seen = as_seen(Image.new(mode, size), 100)
    assert seen.mode in ("L", "RGB")
    assert max(seen.size) <= 100
    assert fit_image(seen, 32, 3).shape == (3, 32, 32)


def test_shrinking_keeps_rotation_transparency_and_depth():
    exif = Image.Exif()
    exif[0x0112] = 6  # the top goes to the right
    image = Image.new("RGBA", (400, 200), (0, 0, 0, 0))
    image.paste((255, 0, 0, 255), (0, 100, 400, 200))  # clear above red
    seen = as_seen(decode_image(encoded(image, exif=exif)), 100)
    assert seen.size == (50, 100)
    assert seen.getpixel((5, 50)) == (255, 0, 0)
    assert seen.getpixel((45, 50)) == (255, 255, 255)
    ramp = np.linspace(1000, 60000, 300 * 200).reshape(200, 300).astype(np.uint16)
    grey = np.asarray(as_seen(decode_image(encoded(Image.fromarray(ramp))), 150))
    assert grey.shape == (100, 150)
    assert grey.min() <= 1
    assert grey.max() >= 254


def test_a_square_lies_inside_its_picture():
    assert square((40, 60)) == (0, 10, 40, 50)
    assert square((40, 60), zoom=2, x=1, y=0) == (20, 0, 40, 20)
    assert square((1, 1), zoom=8) == pytest.approx((0.4375, 0.4375, 0.5625, 0.5625))
    for zoom in (1, 1.1, 3.7):
        left, top, right, bottom = square((33, 57), zoom, 1.0, 1.0)
        assert right - left == pytest.approx(bottom - top)
        assert 0 <= left < right <= 33
        assert 0 <= top < bottom <= 57


def test_cropping_is_what_the_model_gets():
    pixels = np.random.default_rng(0).integers(0, 256, (64, 48, 3), dtype=np.uint8)
    cut = fit_image(Image.fromarray(pixels), 32, 3, (8, 16, 40, 48))
    np.testing.assert_array_equal(cut, pixels[16:48, 8:40].transpose(2, 0, 1))


def test_damaged_files_do_not_crash_hang_or_take_too_much_memory_and_nothing_is_logged():
    command = [sys.executable, "scripts/fuzz_images.py", "--count", "2000", "--seed", "7"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
    assert result.stdout.startswith("2,000 cases, seed 7: ")


def test_a_case_of_the_fuzzer_can_be_repeated():
    originals = seeds()
    assert mutated(originals, 3, 14) == mutated(originals, 3, 14) != mutated(originals, 3, 15)
    assert len(originals) > 30
    for content in originals:
        decode_image(content)


# Pictures of every kind that turns up in a folder


def _round_trip(image, kind, **options):
    return decode_image(encoded(image, kind, **options))


def test_a_bomb_is_refused_by_its_header_without_decoding():
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    def header(side):
        parts = (
            chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", b"")
            + chunk(b"IEND", b"")
        )
        return b"\x89PNG\r\n\x1a\n" + parts

    with pytest.raises(DataError, match="5001 x 5001 pixels, more than the 25,000,000 accepted of a PNG file"):
        decode_image(header(5_001))
    for side in (20_000, 60_000):  # so large that PIL refuses by itself
        with pytest.raises(DataError, match="more pixels than the 50,000,000 accepted"):
            decode_image(header(side))


def test_formats_that_start_other_programs_are_no_images():
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n"
    with pytest.raises(DataError, match="not an image file"):
        decode_image(postscript)


def test_16_bit_images_are_scaled_by_their_own_range():
    values = np.array([[1000, 2000], [3000, 51000]], dtype=np.uint16)
    pixels = fit_image(_round_trip(Image.fromarray(values), "PNG"), 2, 1)
    assert pixels.tolist() == [[[0, 5], [10, 255]]]  # (2000 - 1000) / 50000 * 255 = 5.1


@pytest.mark.parametrize("value", [0, 700, 65535])
def test_a_constant_16_bit_image_is_black(value):
    image = _round_trip(Image.fromarray(np.full((4, 4), value, dtype=np.uint16)), "PNG")
    assert fit_image(image, 4, 3).max() == 0


def test_floating_point_images_with_holes_are_read():
    values = np.array([[0.0, 1.0], [np.nan, np.inf]], dtype=np.float32)
    assert fit_image(_round_trip(Image.fromarray(values), "TIFF"), 2, 1).tolist() == [[[0, 255], [0, 0]]]


def test_transparency_becomes_white():
    image = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    image.putpixel((0, 0), (10, 20, 30, 255))
    pixels = fit_image(_round_trip(image, "PNG"), 4, 3)
    assert pixels[:, 0, 0].tolist() == [10, 20, 30]
    assert pixels[:, 3, 3].tolist() == [255, 255, 255]


def test_a_transparent_palette_entry_becomes_white():
    image = Image.new("P", (4, 4), 0)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    pixels = fit_image(_round_trip(image, "PNG", transparency=0), 4, 3)
    assert pixels[:, 0, 0].tolist() == [255, 255, 255]
    assert pixels[:, 0, 1].tolist() == [0, 0, 255]


def test_cmyk_becomes_rgb():
    pixels = fit_image(_round_trip(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=100), 8, 3)
    red, green, blue = pixels[:, 4, 4].tolist()
    assert red > 240
    assert max(green, blue) < 15


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV", "I", "F"]
)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_colour_mode_is_read(mode, channels):
    pixels = fit_image(Image.new(mode, (9, 7)), 8, channels)
    assert pixels.shape == (channels, 8, 8)
    assert pixels.dtype == np.uint8


def test_exif_rotation_is_applied():
    image = Image.new("RGB", (8, 8), "black")
    image.paste((255, 255, 255), (0, 0, 8, 4))  # white on top
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown rotated by 90 degrees clockwise: the top goes to the right
    pixels = fit_image(_round_trip(image, "PNG", exif=exif), 8, 1)[0]
    assert pixels[4].tolist() == [0, 0, 0, 0, 255, 255, 255, 255]


def test_damaged_exif_does_not_cost_the_picture():
    exif = Image.Exif()
    exif[0x0112] = 6
    content = io.BytesIO()
    Image.new("RGB", (8, 8), (0, 255, 0)).save(content, "JPEG", exif=exif, quality=100)
    damaged = content.getvalue().replace(b"MM\x00*", b"??\x00*")
    assert damaged != content.getvalue()
    assert fit_image(decode_image(damaged), 8, 3)[1].min() > 240


def test_a_wide_image_is_cut_to_its_middle_square():
    image = Image.new("L", (24, 8), 0)
    image.paste(200, (8, 0, 16, 8))
    assert fit_image(image, 8, 1).tolist() == [[[200] * 8] * 8]


def test_only_the_first_frame_of_an_animation_is_used():
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    image = _round_trip(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert fit_image(image, 8, 3)[:, 0, 0].tolist() == [255, 0, 0]
